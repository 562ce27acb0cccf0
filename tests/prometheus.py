"""Prometheus for tests: its programs, a server on loopback, and what an expression asks for."""

import asyncio
import os
import re
import shutil
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final, NamedTuple

import aiohttp
import promql_parser as promql
import yaml
from conftest import skip_or_fail

from musicrec.local.child_process import ChildProcess
from musicrec.local.free_port import LOOPBACK, free_port
from musicrec.local.kafka_jars import user_cache_dir
from streams.metrics import METRICS

ROOT: Final = Path(__file__).resolve().parents[1]
RULES: Final = ROOT / "deploy/prometheus/alerts.yml"
UNPACKED: Final = user_cache_dir() / "prometheus/usr/bin"
"""Where `.ci/run` unpacks Debian's packages."""


def program(name: str) -> Path:
    """Return `promtool`, `prometheus` or `prometheus-redis-exporter`; skip on a laptop without, fail in CI."""
    found = shutil.which(name, path=os.pathsep.join([os.environ.get("PATH", ""), str(UNPACKED)]))
    if found is None:
        package = "prometheus" if name == "promtool" else name
        skip_or_fail(f"no {name}: install Debian's {package}, or unpack it into {UNPACKED.parents[1]} as .ci/run does")
    assert found is not None
    return Path(found)


def rule_groups() -> list[dict[str, Any]]:
    """Return the groups of the rules file."""
    return list(yaml.safe_load(RULES.read_text())["groups"])


def alerts() -> list[dict[str, Any]]:
    """Return all alert rules."""
    return [rule for group in rule_groups() for rule in group["rules"] if "alert" in rule]


FROM_ELSEWHERE: Final = {
    "ALERTS": {"alertname", "alertstate", "severity"},
    "up": set[str](),
    "process_cpu_seconds_total": set[str](),
    "process_resident_memory_bytes": set[str](),
    "python_gc_collections_total": {"generation"},
    "process_start_time_seconds": set[str](),
    "process_open_fds": set[str](),
    "process_max_fds": set[str](),
    "redis_memory_used_bytes": set[str](),
    "redis_memory_max_bytes": set[str](),
    "redis_evicted_keys_total": set[str](),
}
"""What Prometheus, its client library and redis_exporter give, and their labels."""
OF_THE_TARGET: Final = {"job", "instance"}


def labels_by_series() -> dict[str, set[str]]:
    """Return the labels of everything that rules may ask for."""
    known = {name: labels | OF_THE_TARGET for name, labels in FROM_ELSEWHERE.items()}
    for metric in METRICS:
        labels = {*metric.labels, *OF_THE_TARGET}
        if metric.kind == "histogram":
            known |= {f"{metric.name}_{part}": labels for part in ("sum", "count")}
            known[f"{metric.name}_bucket"] = labels | {"le"}
        else:
            known[metric.name] = labels
    for rule in (rule for group in rule_groups() for rule in group["rules"] if "record" in rule):
        level = rule["record"].split(":")[0]
        known[rule["record"]] = set() if level == "musicrec" else set(level.split("_"))
    return known


class Asked(NamedTuple):
    """One selector of an expression."""

    metric: str
    labels: frozenset[str]
    """What it selects by."""


def asked_in(expression: str) -> list[Asked]:
    """Return the selectors of an expression."""
    nodes = _nodes(promql.parse(expression))
    return [
        Asked(node.name, frozenset(matcher.name for matcher in node.matchers.matchers))
        for node in nodes
        if isinstance(node, promql.VectorSelector)
    ]


def grouped_by(expression: str) -> set[str]:
    """Return the labels by which an expression aggregates, matches and joins."""
    labels: set[str] = set()
    for node in _nodes(promql.parse(expression)):
        modifier = getattr(node, "modifier", None)
        if isinstance(node, promql.AggregateExpr) and modifier is not None:
            labels |= set(modifier.labels)
        if isinstance(node, promql.BinaryExpr) and modifier is not None:
            labels |= {*(modifier.matching.labels if modifier.matching else ()), *(modifier.group_labels or ())}
    return labels


def _nodes(node: Any) -> Iterator[Any]:
    yield node
    for name in ("expr", "lhs", "rhs", "param", "vector_selector"):
        child = getattr(node, name, None)
        if isinstance(child, promql.Expr):
            yield from _nodes(child)
    for child in getattr(node, "args", ()):
        yield from _nodes(child)


class Prometheus:
    """A real one."""

    def __init__(self, process: ChildProcess, url: str, client: aiohttp.ClientSession) -> None:
        self.process = process
        self._url = url
        self._client = client

    async def ask(self, path: str, **parameters: str) -> Any:
        """Return `data` of an answer of the HTTP API.

        Raises:
            ValueError: Prometheus refuses the question.
        """
        async with self._client.get(f"{self._url}/api/v1/{path}", params=parameters) as response:
            answer = await response.json()
        if answer["status"] != "success":
            raise ValueError(f"{parameters}: {answer['error']}")
        return answer["data"]

    async def query(self, expression: str) -> list[dict[str, Any]]:
        """Return the series that an expression gives now."""
        data = await self.ask("query", query=expression)
        return list(data["result"]) if data["resultType"] == "vector" else [{"value": data["result"]}]

    async def firing(self) -> dict[str, dict[str, Any]]:
        """Return the alerts that fire, by name."""
        found = (await self.ask("alerts"))["alerts"]
        return {alert["labels"]["alertname"]: alert for alert in found if alert["state"] == "firing"}


@asynccontextmanager
async def prometheus(
    folder: Path, targets: Mapping[str, list[str]], rules: str, every: str = "1s"
) -> AsyncIterator[Prometheus]:
    """Give a Prometheus that scrapes these addresses and evaluates these rules.

    Args:
        folder: for its files.
        targets: addresses by job; more may be written later to `targets/*.yml` in the folder.
        rules: what stands in the rules file.
        every: how often it scrapes and evaluates.
    """
    _write(folder, targets, rules, every)
    port = free_port()
    command = [
        program("prometheus"),
        f"--config.file={folder / 'prometheus.yml'}",
        f"--storage.tsdb.path={folder / 'data'}",
        f"--web.listen-address={LOOPBACK}:{port}",
    ]
    process = ChildProcess.start("Prometheus", command, folder / "prometheus.log")
    try:
        async with aiohttp.ClientSession() as client:
            server = Prometheus(process, f"http://{LOOPBACK}:{port}", client)
            await _until_it_answers(server)
            yield server
    finally:
        await process.stop()


def _write(folder: Path, targets: Mapping[str, list[str]], rules: str, every: str) -> None:
    (folder / "targets").mkdir(parents=True, exist_ok=True)
    (folder / "alerts.yml").write_text(rules)
    jobs = [{"job_name": job, "static_configs": [{"targets": places}]} for job, places in targets.items()]
    later = {"job_name": "later", "file_sd_configs": [{"files": ["targets/*.yml"], "refresh_interval": "1s"}]}
    times = {"scrape_interval": every, "scrape_timeout": every, "evaluation_interval": every}
    config = {"global": times, "rule_files": ["alerts.yml"], "scrape_configs": [*jobs, later]}
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))


async def _until_it_answers(server: Prometheus) -> None:
    async with asyncio.timeout(30):
        while True:
            server.process.check_alive()
            try:
                await server.query("1")
                return
            except (aiohttp.ClientError, ValueError):
                await asyncio.sleep(0.1)


_DURATION: Final = re.compile(r"(?<=\[)(\d+)([smhd])(?=\])|(?<=for: )(\d+)([smhd])|(?<=offset )(\d+)([smhd])")
_LENGTH: Final = re.compile(r"(?<=[>*] )(600|1860|3600|7200|21600|86400|259200)\b")
"""Seconds in an expression: an age that is asked for, or a window that makes a rate a number."""
_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
LEAST_S: Final = 4
"""A window needs a few samples."""


def shortened(rules: str, by: int) -> str:
    """Return rules whose windows, `for`, offsets and ages are so many times shorter, for faults that last seconds."""

    def shorter(match: re.Match[str]) -> str:
        number, unit = (found for found in match.groups() if found is not None)
        return f"{max(LEAST_S, int(number) * _SECONDS[unit] // by)}s"

    def fewer(match: re.Match[str]) -> str:
        return str(max(LEAST_S, int(match[1]) // by))

    return _LENGTH.sub(fewer, _DURATION.sub(shorter, rules))
