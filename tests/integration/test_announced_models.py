"""A model goes live while events flow: no list is missing, each is one model's, and a broken model changes nothing."""

import asyncio
import itertools
import shutil
import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from conftest import Worker
from probe import Tail, play, producing, publish_events, reading
from services import command
from tiny_encoder import trained, turned

from musicrec.contracts import ModelAnnouncement, ModelFiles, Recommendation
from musicrec.local import StackAddresses
from musicrec.model_announcements import SESSION_ENCODER, announcements, put_announcement
from musicrec.recommend.session_encoder import SessionEncoder
from musicrec.sequence.encoder_files import ARTISTS, manifest_sha256
from musicrec.topics import RECOMMENDATIONS
from streams.announced_encoder import EncoderKind
from streams.announced_model import AnnouncedModel
from streams.announced_models import AnnouncedModels
from streams.counters import Counters

pytestmark = [pytest.mark.kafka, pytest.mark.torch]

DEADLINE_S = 30.0
EVERY_S = 0.01


@dataclass(frozen=True)
class Models:
    """A directory of models: `first`, `second`, and `damaged`, whose graph is not what its manifest says."""

    directory: Path
    tracks: list[str]
    first: str
    second: str

    def announcement(self, folder: str, version: str) -> ModelAnnouncement:
        files = ModelFiles(version=version, manifest_sha256=manifest_sha256(self.directory / folder), folder=folder)
        return ModelAnnouncement(name=SESSION_ENCODER, files=files, announced_at_ms=time.time_ns() // 1_000_000)


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("models")
    tracks = [f"{name} {uuid.uuid4().hex[:8]}" for name in "abc"]
    first, second = trained(folder / "first", tracks), turned(folder / "first", folder / "second")
    shutil.copytree(folder / "first", folder / "damaged")
    (folder / "damaged" / ARTISTS).write_bytes(b"!")
    return Models(folder, tracks, first.version, second.version)


@asynccontextmanager
async def events_flow(producer: AIOKafkaProducer, run: str, tracks: list[str]) -> AsyncIterator[list[str]]:
    """Publish up to a hundred events a second; give the ids of those that were published."""
    published: list[str] = []

    async def flow() -> None:
        for number in itertools.count():
            event = play(f"{run} {number % 7}", tracks[number % 3], number)
            published.append(event.event_id)
            await publish_events(producer, [event])
            await asyncio.sleep(EVERY_S)

    task = asyncio.create_task(flow())
    try:
        yield published
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def lists_in(tail: Tail) -> list[Recommendation]:
    return sorted((Recommendation.decode(r.value) for r in tail.records), key=lambda made: made.generated_at_ms)


def answered_in(tail: Tail) -> list[str]:
    """Return the events that the lists answer."""
    lists = lists_in(tail)
    return [made.trigger.event_id for made in lists if made.trigger] + [e for made in lists for e in made.passed_over]


async def until(reached: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not reached():
            await asyncio.sleep(0.05)


async def test_a_model_that_is_announced_makes_every_list_from_one_on_and_a_damaged_one_none(
    announcing: StackAddresses, models: Models, worker: Worker
) -> None:
    run = uuid.uuid4().hex[:8]

    def is_ours(record: ConsumerRecord) -> bool:
        return run in (record.key or b"").decode()

    async def announce(folder: str, version: str) -> None:
        await put_announcement(announcing.kafka, SESSION_ENCODER, models.announcement(folder, version))

    await announce("first", models.first)
    async with (
        reading(announcing, RECOMMENDATIONS.name, only=is_ours) as tail,
        producing(announcing) as producer,
        worker("session"),
        worker("ranking", MUSICREC_RANKING__MODELS_DIR=str(models.directory)) as ranking,
    ):
        async with events_flow(producer, run, models.tracks) as published:
            await tail.until(lambda t: len(t.records) > 50)
            await announce("second", models.second)
            await tail.until(lambda t: lists_in(t)[-1].model_version.endswith(models.second))
            await announce("damaged", "gru-x")
            await until(lambda: "gru-x is refused until it is announced anew" in ranking.log_file.read_text())
            seen = len(tail.records)
            await tail.until(lambda t: len(t.records) > seen + 50)
        await tail.until(lambda t: len(answered_in(t)) >= len(published))
    log = ranking.log_file.read_text()
    assert sorted(answered_in(tail)) == sorted(published)
    encoders = [made.model_version.partition("+")[2] for made in lists_in(tail)]
    assert [version for version, _ in itertools.groupby(encoders)] == [models.first, models.second]
    assert f"{ARTISTS}: sha256" in log
    assert "in_use=2" in log
    assert "refused=1" in log


async def test_the_command_announces_lists_and_withdraws(
    announcing: StackAddresses, models: Models, tmp_path: Path
) -> None:
    async def model(*arguments: str) -> tuple[int, str]:
        return await command(announcing, tmp_path, "model", *arguments, MUSICREC_RANKING__MODELS_DIR=models.directory)

    assert await model("announce", "first") == (0, f"announced session_encoder {models.first} in first: 3 tracks\n")
    status, said = await model("list")
    assert (status, said.startswith(f"session_encoder {models.first} in first, announced 20")) == (0, True)
    assert await model("withdraw", "session_encoder") == (0, f"withdrew session_encoder {models.first} in first\n")
    assert await model("list") == (0, "no model is announced\n")
    assert await model("withdraw", "session_encoder") == (
        2,
        "musicrec: session_encoder: not announced; announced are: none\n",
    )


@pytest.mark.parametrize(
    ("folder", "why"),
    [("damaged", "copy it again"), ("third", "cannot read it"), ("..", "is no folder below")],
)
async def test_what_workers_would_refuse_is_not_announced(
    announcing: StackAddresses, models: Models, tmp_path: Path, folder: str, why: str
) -> None:
    variables = {"MUSICREC_RANKING__MODELS_DIR": models.directory}
    status, said = await command(announcing, tmp_path, "model", "announce", folder, **variables)
    assert (status, said.count("\n"), why in said) == (2, 1, True), said
    assert await announcements(announcing.kafka) == {}


@asynccontextmanager
async def beginning(announcing: StackAddresses, models: Path) -> AsyncIterator[AnnouncedModel[SessionEncoder]]:
    """Give what a worker's start waits for."""
    counters = Counters("ranking")
    encoders = AnnouncedModel(EncoderKind(None), counters, models=models)
    announced = AnnouncedModels(announcing.kafka.client_options(), counters, [encoders])
    await announced.ready()
    try:
        yield encoders
    finally:
        await announced.stop()


async def test_a_start_waits_for_a_folder_that_is_still_being_copied(
    announcing: StackAddresses, models: Models, tmp_path: Path
) -> None:
    await put_announcement(announcing.kafka, SESSION_ENCODER, models.announcement("first", models.first))
    async with beginning(announcing, tmp_path) as announced:
        first = asyncio.create_task(announced.first(DEADLINE_S))
        await asyncio.sleep(1.0)
        assert not first.done()
        shutil.copytree(models.directory / "first", tmp_path / "copy")
        (tmp_path / "copy").rename(tmp_path / "first")
        encoder = await first
    assert encoder is not None
    assert encoder.version == models.first


async def test_a_start_waits_no_longer_than_it_may_and_the_model_is_used_once_it_comes(
    announcing: StackAddresses, models: Models, tmp_path: Path
) -> None:
    used: list[SessionEncoder | None] = []

    async def use(encoder: SessionEncoder | None) -> None:
        used.append(encoder)

    await put_announcement(announcing.kafka, SESSION_ENCODER, models.announcement("first", models.first))
    async with beginning(announcing, tmp_path) as announced:
        assert await announced.first(0.2) is None
        shutil.copytree(models.directory / "first", tmp_path / "first")
        announced.start(use)
        await until(lambda: bool(used))
    assert [encoder.version for encoder in used if encoder] == [models.first]
