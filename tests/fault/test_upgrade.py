"""Workers of the former release and of this one together: upgraded one by one under traffic, and back again."""

import asyncio
import io
import subprocess
import sys
import tarfile
import uuid
from pathlib import Path

import pytest
from conftest import own_servers, until_ready
from history import (
    answers,
    assert_each_applied_once,
    assert_each_list_answers_one_event,
    assert_states_hold_each_once,
    summary,
)
from probe import about, play, reading

from musicrec.client import AsyncClient
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(420)]

ROOT = Path(__file__).resolve().parents[2]
FORMER = "01e5a304ea6374a01972749615129610f37d96bb"
"""The release that is out; the next one that goes out takes its place."""
PACKAGES = ("musicrec", "streams", "embedder", "index")

SESSIONS, LISTS, OUTCOMES = "musicrec.sessions.v1", "musicrec.recommendations.v1", "musicrec.outcomes.v1"
AGENTS = ("session", "ranking", "outcome")
LISTENERS = 10


@pytest.fixture
def former(tmp_path: Path) -> Path:
    """The packages of the former release, from the repository's history."""
    done = subprocess.run(["git", "archive", FORMER, *PACKAGES], cwd=ROOT, capture_output=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no history here that holds {FORMER[:12]}: {done.stderr.decode().strip()}")
    folder = tmp_path / "former"
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        archive.extractall(folder, filter="data")
    return folder


class Deployment:
    """One worker of each agent, each of one release; its name in its group and its folder stay."""

    def __init__(self, stack: StackAddresses, folder: Path) -> None:
        self._stack = stack
        self._folder = folder
        self.workers: dict[str, ChildProcess] = {}

    async def run(self, agent: str, release: Path) -> None:
        """Have an agent be of a release from now on: its worker is stopped in order, and one of the release started."""
        if agent in self.workers:
            await self.workers[agent].stop()
            assert self.workers[agent].returncode == 0, self.workers[agent].log_tail()
        variables = self._stack.environment() | {
            "PYTHONPATH": str(release),
            "MUSICREC_DATA_DIR": str(self._folder / agent),
            "MUSICREC_AGENT__INSTANCE_ID": agent,
        }
        program = [sys.executable, "-m", "musicrec.cli.main", "worker", agent]
        self.workers[agent] = ChildProcess.start(agent, program, self._folder / f"{agent}.log", variables)
        await until_ready(self.workers[agent])

    async def stop(self) -> None:
        await asyncio.gather(*(worker.stop() for worker in self.workers.values()))


@pytest.mark.row(43)
async def test_an_upgrade_and_the_way_back_lose_nothing_under_traffic(former: Path, tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    users = [f"{run}-{number}" for number in range(LISTENERS)]
    async with own_servers(tmp_path / "stack") as servers:
        deployment = Deployment(servers.addresses, tmp_path)
        published = []
        over = asyncio.Event()
        try:
            await asyncio.gather(*(deployment.run(agent, former) for agent in AGENTS))
            async with (
                reading(servers.addresses, SESSIONS, LISTS, OUTCOMES, only=about(*users)) as tail,
                AsyncClient(servers.addresses.kafka) as musicrec,
            ):

                async def listen() -> None:
                    number = 0
                    while not over.is_set():
                        for index, user in enumerate(users):
                            event = play(user, f"t{(number * (index + 1)) % 50}", number)
                            await musicrec.publish(event)
                            published.append(event)
                        number += 1
                        await asyncio.sleep(0.2)

                listening = asyncio.create_task(listen())
                for release in (ROOT, former):
                    for agent in AGENTS:
                        await deployment.run(agent, release)
                        await asyncio.sleep(1.0)
                over.set()
                await listening
                wanted = {event.event_id for event in published}
                await tail.until(lambda t: set(answers(t.on(LISTS))) >= wanted, deadline_s=100)
                await tail.until(lambda t: len({r.value for r in t.on(OUTCOMES)}) >= len(wanted), deadline_s=60)
                await tail.quiet()
            print(summary(len(published), tail.on(SESSIONS), lists=tail.on(LISTS)))
            assert_each_applied_once(published, tail.on(SESSIONS))
            assert_each_list_answers_one_event(tail.on(LISTS))
            await assert_states_hold_each_once(servers.addresses, published)
        finally:
            over.set()
            await deployment.stop()
