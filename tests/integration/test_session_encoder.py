"""A ranking worker with a session encoder, trained here, without torch in the worker."""

import asyncio
import uuid
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord
from conftest import Worker, start_worker
from probe import play, producing, publish_events, reading
from services import status_of
from tiny_encoder import trained

from musicrec.contracts import Recommendation
from musicrec.local import StackAddresses
from musicrec.ranker_files import write_ranker
from musicrec.recommend import Recommender
from musicrec.sequence.encoder_files import ARTISTS
from musicrec.topics import RECOMMENDATIONS

pytestmark = [pytest.mark.kafka, pytest.mark.torch]

LEARNED_DEADLINE_S = 30.0
"""The worker knows of a play within a second; a loaded machine gets more time."""


def listener(record: ConsumerRecord) -> str:
    return (record.key or b"").decode()


async def test_lists_name_the_encoder_and_what_it_proposed(
    stack: StackAddresses, worker: Worker, tmp_path: Path
) -> None:
    run = uuid.uuid4().hex[:8]
    tracks = [f"{name} {run}" for name in "abc"]
    manifest = await asyncio.to_thread(trained, tmp_path / "encoder", tracks)
    path = {"MUSICREC_RANKING__ENCODER_PATH": str(tmp_path / "encoder")}
    proposed: set[str] = set()
    async with (
        reading(stack, RECOMMENDATIONS.name, only=lambda record: run in listener(record)) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking", **path) as ranking,
        asyncio.timeout(LEARNED_DEADLINE_S),
    ):
        # Each by a listener of its own, so that no other source knows that they go together.
        await publish_events(producer, [play(f"{run} {track}", track, 0) for track in tracks])
        listeners = 0
        while proposed != set(tracks[1:]):
            listeners += 1
            late = f"{run} late {listeners}"
            await publish_events(producer, [play(late, tracks[0], 0)])
            await tail.until(lambda t, user=late: any(listener(r) == user for r in t.records))  # type: ignore[misc]
            found = next(Recommendation.decode(r.value) for r in tail.records if listener(r) == late)
            proposed = {item.track_id for item in found.items if "session_encoder" in {s.source for s in item.sources}}
        log = ranking.log_file.read_text()
    assert found.model_version.endswith(f"+{manifest.version}")
    assert f"session encoder {manifest.version}: 3 tracks" in log


async def test_a_damaged_encoder_ends_the_start_with_its_file_and_the_way_out(
    stack: StackAddresses, tmp_path: Path
) -> None:
    trained(tmp_path / "encoder", list("abc"))
    with (tmp_path / "encoder" / ARTISTS).open("ab") as artists:
        artists.write(b"!")
    process = start_worker(stack, tmp_path, "ranking", MUSICREC_RANKING__ENCODER_PATH=str(tmp_path / "encoder"))
    assert await status_of(process) == 2
    assert "artists.json: sha256" in process.log_tail(5)
    assert "copy it again" in process.log_tail(5)


async def test_a_worker_that_knows_nothing_begins_with_a_trained_ranker(
    stack: StackAddresses, worker: Worker, tmp_path: Path
) -> None:
    manifest = write_ranker(
        tmp_path / "ranker", Recommender(), events=0, learned_from_ms=0, learned_until_ms=0, metrics={}
    )
    async with worker("ranking", MUSICREC_RANKING__RANKER_PATH=str(tmp_path / "ranker")) as ranking:
        log = ranking.log_file.read_text()
    assert f"all is learned from the topics, beginning with {manifest.version}" in log


async def test_a_ranker_that_is_not_there_ends_the_start_with_the_way_out(
    stack: StackAddresses, tmp_path: Path
) -> None:
    process = start_worker(stack, tmp_path, "ranking", MUSICREC_RANKING__RANKER_PATH=str(tmp_path / "nothing"))
    assert await status_of(process) == 2
    assert "name a folder that `musicrec train ranker` wrote" in process.log_tail(5)
