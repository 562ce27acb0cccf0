"""A trained ranker goes live while events flow: lists name it, a restart keeps what was learned, a broken one waits."""

import asyncio
import itertools
import shutil
import time
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from aiokafka import ConsumerRecord
from conftest import Worker
from listening import START_MS, Listening
from probe import Tail, play, producing, publish, publish_events, reading
from services import command
from tiny_ranker import LESSONS, taught, written

from musicrec.contracts import ModelAnnouncement, ModelFiles, Recommendation
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.model_announcements import RANKER, put_announcement
from musicrec.ranker_files import WEIGHTS
from musicrec.recommend.state import joined
from musicrec.sequence.encoder_files import manifest_sha256
from musicrec.settings import RankingAgentSettings, Settings
from musicrec.topics import RECOMMENDATIONS, SESSIONS
from streams.counters import Counters
from streams.ranking_state import RankingState

pytestmark = pytest.mark.kafka

DEADLINE_S = 60.0


@dataclass(frozen=True)
class Rankers:
    """A directory of models: `first`, and `damaged`, whose weights are not what its manifest says."""

    directory: Path
    version: str

    def announcement(self, folder: str, at_ms: int | None = None) -> ModelAnnouncement:
        digest = manifest_sha256(self.directory / folder)
        files = ModelFiles(version=self.version, manifest_sha256=digest, folder=folder)
        return ModelAnnouncement(name=RANKER, files=files, announced_at_ms=at_ms or time.time_ns() // 1_000_000)


@pytest.fixture
def rankers(tmp_path: Path) -> Rankers:
    folder = tmp_path / "models"
    manifest = written(folder / "first", taught())
    shutil.copytree(folder / "first", folder / "damaged")
    (folder / "damaged" / WEIGHTS).write_bytes(b"!")
    return Rankers(folder, manifest.version)


def lists_in(tail: Tail) -> list[Recommendation]:
    return sorted((Recommendation.decode(r.value) for r in tail.records), key=lambda made: made.generated_at_ms)


async def until_logged(worker: ChildProcess, words: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while words not in worker.log_file.read_text(errors="replace"):
            worker.check_alive()
            await asyncio.sleep(0.05)


async def test_lists_name_an_announced_ranker_from_one_on_also_after_a_restart_and_a_damaged_one_never(
    announcing: StackAddresses, rankers: Rankers, worker: Worker
) -> None:
    run = uuid.uuid4().hex[:8]
    numbers = itertools.count()
    models = {"MUSICREC_RANKING__MODELS_DIR": str(rankers.directory)}

    def is_ours(record: ConsumerRecord) -> bool:
        return run in (record.key or b"").decode()

    async with (
        reading(announcing, RECOMMENDATIONS.name, only=is_ours) as tail,
        producing(announcing) as producer,
        worker("session"),
    ):

        async def answered(events: int) -> list[str]:
            """Publish so many events; return the trained ranker in the `model_version` of the list of each."""
            before = len(tail.records)
            for number in itertools.islice(numbers, events):
                await publish_events(producer, [play(f"{run} {number}", f"{run} track {number % 3}", number)])
            await tail.until(lambda t: len(t.records) == before + events)
            return [made.model_version.partition("+")[2] for made in lists_in(tail)[before:]]

        async with worker("ranking", **models) as ranking:
            assert await answered(20) == [""] * 20
            await put_announcement(announcing.kafka, RANKER, rankers.announcement("first"))
            await until_logged(ranking, f"ranker {rankers.version}: {LESSONS} lessons; learning goes on from there")
            assert await answered(20) == [rankers.version] * 20
            await put_announcement(announcing.kafka, RANKER, rankers.announcement("damaged"))
            await until_logged(ranking, f"ranker {rankers.version} is refused until it is announced anew")
            assert await answered(20) == [rankers.version] * 20
            assert "copy it again" in ranking.log_file.read_text()
        async with worker("ranking", **models):
            assert await answered(20) == [rankers.version] * 20


@asynccontextmanager
async def state_of(
    stack: StackAddresses, rankers: Rankers, folder: Path
) -> AsyncIterator[tuple[RankingState, Counters]]:
    """Give a ranking worker's state, caught up; it is saved at the end."""
    counters = Counters("ranking")
    ranking = RankingAgentSettings(models_dir=rankers.directory)
    settings = Settings(kafka=stack.kafka, redis=stack.redis, data_dir=folder, ranking=ranking)
    async with RankingState.following(settings, "origin", counters) as state:
        yield state, counters


async def test_a_restart_goes_on_with_what_was_learned_since_the_announcement_and_needs_the_files_no_more(
    announcing: StackAddresses, rankers: Rankers, tmp_path: Path
) -> None:
    run, world = uuid.uuid4().hex[:8], Listening()
    announced = rankers.announcement("first", at_ms=START_MS)  # the plays below are of that time
    await put_announcement(announcing.kafka, RANKER, announced)
    plays = [world.play(f"{run} {n % 5}", f"t{n * n % 13}", f"a{n % 3}", skip=n % 4 == 0) for n in range(300)]
    async with (
        state_of(announcing, rankers, tmp_path / "worker") as (state, counters),
        producing(announcing) as producer,
    ):
        assert state.recommender.ranker.lessons >= LESSONS
        before = counters.totals().get("learned", 0)
        await publish(producer, SESSIONS.name, [(each.user_id.encode(), each.encode()) for each in plays])
        async with asyncio.timeout(DEADLINE_S):
            while counters.totals().get("learned", 0) < before + len(plays):
                await asyncio.sleep(0.05)
        taught_by_then = state.recommender
    assert taught_by_then.ranker.lessons > LESSONS
    shutil.rmtree(rankers.directory)
    async with state_of(announcing, rankers, tmp_path / "worker") as (state, counters):
        ours, theirs = joined(taught_by_then.taught_state()), joined(state.recommender.taught_state())
        assert not {"in_use", "missing", "refused"} & counters.totals().keys()
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


async def test_a_worker_that_begins_with_nothing_begins_with_the_announced_ranker(
    announcing: StackAddresses, rankers: Rankers, tmp_path: Path
) -> None:
    await put_announcement(announcing.kafka, RANKER, rankers.announcement("first"))
    async with state_of(announcing, rankers, tmp_path / "worker") as (state, counters):
        assert state.recommender.beginning.version == rankers.version
        # Whatever the topic holds was played before the announcement.
        assert state.recommender.ranker.lessons == LESSONS
        assert counters.totals()["in_use"] == 1


async def test_the_command_knows_a_ranker_by_its_manifest(
    announcing: StackAddresses, rankers: Rankers, tmp_path: Path
) -> None:
    async def model(*arguments: str) -> tuple[int, str]:
        return await command(announcing, tmp_path, "model", *arguments, MUSICREC_RANKING__MODELS_DIR=rankers.directory)

    told = f"ranker {rankers.version} in first"
    assert await model("announce", "first") == (0, f"announced {told}: {LESSONS} lessons of 40 events\n")
    status, said = await model("list")
    assert (status, said.startswith(f"{told}, announced 20")) == (0, True)
    status, said = await model("announce", "damaged")
    assert (status, said.count("\n"), "copy it again" in said) == (2, 1, True), said
    assert await model("withdraw", "ranker") == (0, f"withdrew {told}\n")
