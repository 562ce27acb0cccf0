"""Announced rankers: begun with once, never lost by a restart, and a broken one changes nothing."""

import asyncio
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from tiny_ranker import LESSONS, taught, written

from musicrec.contracts import ModelAnnouncement, ModelFiles
from musicrec.ranker_files import WEIGHTS, RankerManifest
from musicrec.recommend import RankingSettings
from musicrec.sequence.encoder_files import manifest_sha256
from musicrec.topics import MODELS
from streams.announced_model import AnnouncedModel
from streams.announced_models import AnnouncedModels
from streams.announced_ranker import RankerKind
from streams.counters import Counters
from streams.ranking_state import RankingState

NOW_MS = 1_760_000_000_000
DEADLINE_S = 10.0
SMALL = RankingSettings(max_sessions=100, max_listeners=10)


def record(value: bytes | None, name: str = "ranker") -> ConsumerRecord:
    return ConsumerRecord(MODELS.name, 0, 0, NOW_MS, 0, name.encode(), value, None, -1, len(value or b""), [])


def announcement(models: Path, folder: str, manifest: RankerManifest, at_ms: int = NOW_MS) -> ConsumerRecord:
    files = ModelFiles(version=manifest.version, manifest_sha256=manifest_sha256(models / folder), folder=folder)
    return record(ModelAnnouncement(name="ranker", files=files, announced_at_ms=at_ms).encode())


@asynccontextmanager
async def following(models: Path) -> AsyncIterator[tuple[AnnouncedModels, Counters, RankingState]]:
    """Give a worker's state that follows what a test hands over."""
    counters = Counters("ranking")
    state = RankingState(SMALL, counters)
    kind = RankerKind(SMALL, lambda: state.recommender.beginning)
    rankers = AnnouncedModel(kind, counters, models=models, retry_s=0.01)
    announced = AnnouncedModels({}, counters, [rankers])
    rankers.start(state.use_ranker)
    try:
        yield announced, counters, state
    finally:
        await announced.stop()


async def until(counters: Counters, **expected: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not counters.totals().items() >= expected.items():
            await asyncio.sleep(0.01)


async def test_networks_go_on_from_an_announced_ranker_and_say_which(tmp_path: Path) -> None:
    manifest = written(tmp_path / "first", taught())
    async with following(tmp_path) as (announced, counters, state):
        announced.take([announcement(tmp_path, "first", manifest)])
        await until(counters, in_use=1)
    assert state.recommender.ranker.lessons == state.recommender.skips.lessons == LESSONS
    assert state.recommender.beginning.version == manifest.version
    assert counters.registry.get_sample_value("musicrec_ranker_info", {"version": manifest.version}) == 1


@pytest.mark.parametrize(
    ("how", "why"),
    [("damaged", "is not the manifest's"), ("narrow", "not a ranker for these settings: ranker.inner is")],
)
async def test_one_that_cannot_be_used_is_refused_with_its_reason_and_the_old_one_stays(
    tmp_path: Path, how: str, why: str, caplog: pytest.LogCaptureFixture
) -> None:
    first, other = written(tmp_path / "first", taught()), written(tmp_path / "narrow", taught(hidden=8))
    shutil.copytree(tmp_path / "first", tmp_path / "damaged")
    (tmp_path / "damaged" / WEIGHTS).write_bytes(b"!")
    async with following(tmp_path) as (announced, counters, state):
        announced.take([announcement(tmp_path, "first", first)])
        await until(counters, in_use=1)
        announced.take([announcement(tmp_path, how, first if how == "damaged" else other, at_ms=NOW_MS + 1)])
        await until(counters, refused=1)
    assert why in caplog.text
    assert (state.recommender.beginning.version, state.recommender.ranker.lessons) == (first.version, LESSONS)


async def test_one_that_is_not_there_yet_is_begun_with_once_it_comes(tmp_path: Path) -> None:
    manifest = written(tmp_path / "copy", taught())
    wanted = announcement(tmp_path, "copy", manifest)
    (tmp_path / "copy").rename(tmp_path / "elsewhere")
    async with following(tmp_path) as (announced, counters, state):
        announced.take([wanted])
        await until(counters, missing=2)
        (tmp_path / "elsewhere").rename(tmp_path / "copy")
        await until(counters, in_use=1)
    assert state.recommender.ranker.lessons == LESSONS


async def test_an_announcement_is_obeyed_once_and_the_same_ranker_again_only_where_it_is_announced_anew(
    tmp_path: Path,
) -> None:
    manifest = written(tmp_path / "first", taught())
    async with following(tmp_path) as (announced, counters, state):
        announced.take([announcement(tmp_path, "first", manifest)])
        await until(counters, in_use=1)
        state.recommender.ranker.lessons += 1_000  # as if it had learned
        announced.take([announcement(tmp_path, "first", manifest)])
        await asyncio.sleep(0.1)
        assert state.recommender.ranker.lessons == LESSONS + 1_000
        announced.take([announcement(tmp_path, "first", manifest, at_ms=NOW_MS + 1)])
        await until(counters, in_use=2)
        assert state.recommender.ranker.lessons == LESSONS


async def test_a_withdrawn_ranker_leaves_what_was_learned(tmp_path: Path) -> None:
    manifest = written(tmp_path / "first", taught())
    async with following(tmp_path) as (announced, counters, state):
        announced.take([announcement(tmp_path, "first", manifest)])
        await until(counters, in_use=1)
        announced.take([record(None)])
        await until(counters, withdrawn=1)
    assert (state.recommender.beginning.version, state.recommender.ranker.lessons) == (manifest.version, LESSONS)
    assert counters.registry.get_sample_value("musicrec_ranker_info", {"version": manifest.version}) == 1


async def test_a_start_whose_snapshot_has_begun_with_it_waits_for_no_file(tmp_path: Path) -> None:
    manifest = written(tmp_path / "first", taught())
    wanted = announcement(tmp_path, "first", manifest)
    async with following(tmp_path) as (announced, counters, state):
        announced.take([wanted])
        await until(counters, in_use=1)
    shutil.rmtree(tmp_path / "first")
    kind = RankerKind(SMALL, lambda: state.recommender.beginning)
    rankers = AnnouncedModel(kind, Counters("ranking"), models=tmp_path)
    AnnouncedModels({}, counters, [rankers]).take([wanted])
    async with asyncio.timeout(DEADLINE_S):
        assert await rankers.first(3600.0) is None


async def test_a_worker_that_has_to_forget_all_begins_with_the_announced_ranker_again(tmp_path: Path) -> None:
    manifest = written(tmp_path / "first", taught())
    async with following(tmp_path) as (announced, counters, state):
        announced.take([announcement(tmp_path, "first", manifest)])
        await until(counters, in_use=1)
        state._ranker = None  # as in a process whose snapshot had begun with it
        state._forget(announced._kinds["ranker"])
        assert state.recommender.beginning.version == ""
        await until(counters, in_use=2)
        assert state.recommender.beginning.version == manifest.version
