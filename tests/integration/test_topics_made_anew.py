"""A topic is deleted and created again: its offsets begin at 0, what it held is gone, and its events are new."""

import asyncio
from pathlib import Path

import numpy as np
import pytest
import soundfile
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError
from conftest import own_servers, start_worker, until_ready
from probe import play, producing, publish, publish_events, reading

from musicrec.contracts import SessionSnapshot, Track
from musicrec.errors import MusicrecError
from musicrec.local import StackAddresses
from musicrec.topics import EMBEDDINGS, LISTENS, TRACKS, Topic
from streams.batch_loop import EXIT_STATUS
from streams.topic_admin import create_missing_topics
from streams.topic_ids import topic_ids

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240), pytest.mark.row(37)]

USER, SESSIONS = "listener", "musicrec.sessions.v1"


async def make_anew(stack: StackAddresses, topic: Topic = LISTENS) -> None:
    """Delete a topic and create it; the broker takes its time for the first."""
    before = await topic_ids(stack.kafka, topic)
    client = AIOKafkaAdminClient(**stack.kafka.client_options())
    await client.start()
    await client.delete_topics([topic.name])
    await client.close()
    async with asyncio.timeout(60):
        while True:
            try:
                await create_missing_topics(stack.kafka, [topic])
                if before.made_anew(await topic_ids(stack.kafka, topic)) == (topic.name,):
                    return
            except (KafkaError, MusicrecError):
                pass  # half deleted, or half created
            await asyncio.sleep(0.2)


async def applied(stack: StackAddresses, numbers: range) -> list[int]:
    """Publish these plays; return the revisions of the snapshots that come of them."""
    async with reading(stack, SESSIONS) as tail, producing(stack) as producer:
        await publish_events(producer, [play(USER, f"track-{number}", number) for number in numbers])
        await tail.until(lambda tail: len(tail.records) >= len(numbers))
        return [SessionSnapshot.decode(record.value).revision for record in tail.records]


async def test_events_at_offsets_that_were_applied_on_the_old_topic_are_applied(tmp_path: Path) -> None:
    async with own_servers(tmp_path / "stack") as servers:
        stack = servers.addresses
        worker = start_worker(stack, tmp_path, "session")
        await until_ready(worker)
        assert await applied(stack, range(5)) == [1, 2, 3, 4, 5]
        await worker.stop()
        await make_anew(stack)
        worker = start_worker(stack, tmp_path, "session")
        await until_ready(worker)
        assert await applied(stack, range(5, 8)) == [6, 7, 8]
        await worker.stop()


async def test_a_worker_whose_topic_is_made_anew_says_so_and_ends(tmp_path: Path) -> None:
    async with own_servers(tmp_path / "stack") as servers:
        stack = servers.addresses
        worker = start_worker(stack, tmp_path, "session")
        await until_ready(worker)
        assert await applied(stack, range(2)) == [1, 2]
        await make_anew(stack)
        async with asyncio.timeout(60):
            assert await worker.wait() == EXIT_STATUS
        assert f"{LISTENS.name} was deleted and created again" in worker.log_file.read_text()


@pytest.mark.torch
async def test_an_embeddings_topic_that_is_made_anew_is_filled_again(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "noise.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 5 * 22_050), 22_050)
    track = Track(track_id="noise", audio_uri=(tmp_path / "noise.flac").as_uri())
    here = {"MUSICREC_EMBEDDER_ALLOWED_ROOT": str(tmp_path)}

    async def announced(stack: StackAddresses, times: int, records: int) -> None:
        async with reading(stack, EMBEDDINGS.name) as tail, producing(stack) as producer:
            for _ in range(times):
                await publish(producer, TRACKS.name, [(b"noise", track.encode())])
            await tail.until(lambda tail: len(tail.records) >= records)
            await tail.quiet()
            assert len(tail.records) == records

    async with own_servers(tmp_path / "stack") as servers:
        stack = servers.addresses
        worker = start_worker(stack, tmp_path, "embedder", **here)
        await until_ready(worker)
        await announced(stack, times=1, records=1)
        await announced(stack, times=1, records=0)
        await make_anew(stack, EMBEDDINGS)
        async with asyncio.timeout(60):
            assert await worker.wait() == EXIT_STATUS
        assert f"{EMBEDDINGS.name} was deleted and created again" in worker.log_file.read_text()
        worker = start_worker(stack, tmp_path, "embedder", **here)
        await until_ready(worker)
        await announced(stack, times=1, records=1)
        await worker.stop()
