"""A real Prometheus beside real workers: metrics are well-formed, every expression finds its series, alerts fire."""

import asyncio
import json
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest
from conftest import own_servers, start_worker, until_ready
from probe import play, producing, publish, publish_events
from prometheus import ROOT, RULES, Prometheus, asked_in, program, prometheus, rule_groups, shortened

from musicrec.local import EmbeddedStack
from musicrec.local.child_process import ChildProcess
from musicrec.local.free_port import LOOPBACK, free_port
from musicrec.topics import LISTENS

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(180)]

SHORTER = 60
SILENT = re.compile(
    # Of embedder and gateway, which do not run here; of redis_exporter; of what was not announced; of an idle variant.
    r"musicrec_(embed_seconds|re_embedding|rules)|redis_(memory|evicted)|tracks\.v1|agent=\"(embedder|re-embedder)\""
    r"|outcome=\"stale\"|musicrec_embedding_memory|musicrec_gateway|ALERTS"
)
"""What has nothing to tell in this test."""


@dataclass
class Watched:
    """Workers on servers of their own, and the Prometheus that watches them."""

    servers: EmbeddedStack
    prometheus: Prometheus
    ports: dict[str, int]


@asynccontextmanager
async def watched(folder: Path) -> AsyncIterator[Watched]:
    ports = {name: free_port() for name in ("session", "ranking", "outcome", "web")}
    rules = shortened(RULES.read_text(), SHORTER)
    async with own_servers(folder / "stack") as servers:
        processes = [
            start_worker(servers.addresses, folder, agent, MUSICREC_HEALTH__PORT=str(ports[agent]))
            for agent in ("session", "ranking", "outcome")
        ]
        page = [sys.executable, "-m", "musicrec.cli.main", "web", "--port", str(ports["web"])]
        variables = servers.addresses.environment()
        web = ChildProcess.start("page", page, folder / "web.log", variables)
        targets = {name: [f"{LOOPBACK}:{port}"] for name, port in ports.items()}
        try:
            async with prometheus(folder / "prometheus", targets, rules) as server:
                await asyncio.gather(*map(until_ready, processes))
                yield Watched(servers, server, ports)
        finally:
            await asyncio.gather(*(process.stop() for process in (*processes, web)))


def expressions() -> list[str]:
    """Return what rules and dashboards ask, for all jobs and instances."""
    asked = [rule["expr"] for group in rule_groups() for rule in group["rules"]]
    for file in (ROOT / "deploy/grafana/dashboards").glob("*.json"):
        asked += [target["expr"] for panel in json.loads(file.read_text())["panels"] for target in panel["targets"]]
    for variable, value in (("$__rate_interval", "2m"), ('job=~"$job",instance=~"$instance"', 'job=~".+"')):
        asked = [expression.replace(variable, value) for expression in asked]
    return [expression.replace(',instance=~"$instance"', "") for expression in asked]


async def test_metrics_are_well_formed_expressions_find_them_and_a_killed_redis_is_told(tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:6]
    async with watched(tmp_path) as system:
        async with producing(system.servers.addresses) as producer:
            for number in (*range(60), 59):
                await publish_events(producer, [play(f"{run} {number % 5}", f"t{number % 7}", number)])
                await asyncio.sleep(0.05)
            await publish(producer, LISTENS.name, [(b"k", b"no JSON")] * 3)

        await _lint(system)
        await _every_expression(system.prometheus)
        await _redis_away(system)


async def _lint(system: Watched) -> None:
    """Have promtool look at what each process tells."""
    async with aiohttp.ClientSession() as client:
        for name, port in system.ports.items():
            async with client.get(f"http://{LOOPBACK}:{port}/metrics") as response:
                text = await response.text()
            check = [program("promtool"), "check", "metrics"]
            done = await asyncio.to_thread(subprocess.run, check, input=text, capture_output=True, text=True)
            complaints = [line for line in (done.stdout + done.stderr).splitlines() if line.startswith("musicrec_")]
            assert complaints == [], name


async def _every_expression(server: Prometheus) -> None:
    """Ask for each series until it is there, then each expression as a whole."""
    asked = expressions()
    selectors = {
        (selector.metric, expression) for expression in asked for selector in asked_in(expression) if selector.metric
    }
    lacking = {metric for metric, expression in selectors if not SILENT.search(f"{metric} {expression}")}
    deadline_s = time.monotonic() + 30
    while (lacking := {m for m in lacking if not await server.query(m)}) and time.monotonic() < deadline_s:
        await asyncio.sleep(0.5)
    assert lacking == set()
    for expression in asked:
        await server.query(expression)  # raises where Prometheus refuses it: many-to-many, parse errors
    panels = [expression for expression in asked if 'job=~".+"' in expression and not SILENT.search(expression)]
    assert len(panels) > 30
    silent = panels
    while (silent := [e for e in silent if not await server.query(e)]) and time.monotonic() < deadline_s:
        await asyncio.sleep(0.5)
    assert silent == []


async def _redis_away(system: Watched) -> None:
    valkey = system.servers.valkey_server
    assert valkey is not None
    valkey.process.signal(signal.SIGKILL)
    await valkey.process.wait()
    alert = await _until(system.prometheus, "MusicrecRedisAway", fires=True)
    assert alert["annotations"]["runbook_url"] == "deploy/runbook/MusicrecRedisAway.md"
    assert alert["annotations"]["description"] == "It answers 0% of the workers."
    await valkey.start()
    await _until(system.prometheus, "MusicrecRedisAway", fires=False)


async def _until(server: Prometheus, name: str, *, fires: bool) -> dict[str, dict[str, str]]:
    async with asyncio.timeout(40):
        while (name in (firing := await server.firing())) is not fires:
            await asyncio.sleep(0.2)
    return dict(firing.get(name, {}))
