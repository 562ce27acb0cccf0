"""The index replica on a real Kafka: caught up before ready, fresh afterwards, restarted from a snapshot."""

import asyncio
import time
import uuid
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from probe import producing, publish

from index.faiss_index import SearchConfig
from index.follower import EmbeddingFollower
from index.serving import ServingIndex
from musicrec.contracts import TrackEmbedding
from musicrec.local import StackAddresses

pytestmark = pytest.mark.kafka

DEADLINE_S, DIMENSION = 30.0, 16


def vector(number: int) -> np.ndarray:
    values = np.random.default_rng(number).standard_normal(DIMENSION).astype(np.float32)
    return values / np.linalg.norm(values)


def message(number: int, model: str = "cnn-1") -> tuple[bytes, bytes]:
    embedding = TrackEmbedding(
        track_id=f"t{number}",
        model_version=model,
        dimension=DIMENSION,
        vector_f16=TrackEmbedding.pack(vector(number)),
        embedded_at_ms=time.time_ns() // 1_000_000,
    )
    return embedding.track_id.encode(), embedding.encode()


async def embeddings_topic(stack: StackAddresses) -> str:
    name = f"embeddings-{uuid.uuid4()}"
    admin = AIOKafkaAdminClient(**stack.kafka.client_options())
    await admin.start()
    try:
        await admin.create_topics([NewTopic(name, 3, 1, topic_configs={"cleanup.policy": "compact"})])
    finally:
        await admin.close()
    return name


async def put(stack: StackAddresses, topic: str, *messages: tuple[bytes | None, bytes | None]) -> None:
    async with producing(stack) as producer:
        await publish(producer, topic, messages)


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not condition():
            await asyncio.sleep(0.02)


def following(stack: StackAddresses, topic: str, index: ServingIndex, **options: object) -> EmbeddingFollower:
    return EmbeddingFollower(stack.kafka.client_options(), index, topic=topic, **options)


async def test_replica_holds_the_topic_when_it_is_ready_and_every_change_afterwards(stack: StackAddresses) -> None:
    topic, index = await embeddings_topic(stack), ServingIndex(SearchConfig(exact_below=200))
    await put(stack, topic, *(message(number) for number in range(300)), (b"t7", None))
    follower = following(stack, topic, index)
    await follower.start()
    try:
        await follower.ready(DEADLINE_S)
        assert len(index) == 299
        assert index.search(vector(8), 1)[0][0] == "t8"
        assert "t7" not in index
        assert index.serving is not None
        assert not index.serving.index.build_is_due()
        await put(stack, topic, message(300), (b"t8", None))
        await until(lambda: "t300" in index and "t8" not in index)
        assert (len(index), follower.lag) == (299, 0)
    finally:
        await follower.stop()


@pytest.mark.row(24)
async def test_records_that_break_the_contract_are_counted_and_the_others_arrive(
    stack: StackAddresses, caplog: pytest.LogCaptureFixture
) -> None:
    topic, index = await embeddings_topic(stack), ServingIndex()
    wide = message(2)[1].replace(b'"dimension":16', b'"dimension":17')
    await put(
        stack, topic, message(0), (b"t1", b"{not json"), (b"t2", wide), (b"somebody", message(3)[1]), (b"\xff", None)
    )
    await put(stack, topic, message(4))
    refusals: list[None] = []
    follower = following(stack, topic, index, on_refused=lambda: refusals.append(None))
    await follower.start()
    try:
        await follower.ready(DEADLINE_S)
        assert index.tracks_by_model == {"cnn-1": 2}
        assert (len(refusals), follower.refused, follower.upserts) == (4, 4, 2)
        assert "key 'somebody' differs from track_id 't3'" in caplog.text
    finally:
        await follower.stop()


async def test_new_model_takes_over_while_following(stack: StackAddresses) -> None:
    topic, index = await embeddings_topic(stack), ServingIndex()
    await put(stack, topic, *(message(number) for number in range(10)))
    follower = following(stack, topic, index)
    await follower.start()
    try:
        await follower.ready(DEADLINE_S)
        await put(stack, topic, *(message(number, "cnn-2") for number in range(10)))
        await until(lambda: index.version == "cnn-2/1")
    finally:
        await follower.stop()


async def test_restart_goes_on_from_the_snapshot_and_misses_nothing(stack: StackAddresses, tmp_path: Path) -> None:
    topic = await embeddings_topic(stack)
    await put(stack, topic, *(message(number) for number in range(50)))
    first = following(stack, topic, ServingIndex(), snapshots=tmp_path, snapshot_interval_s=0)
    await first.start()
    await first.ready(DEADLINE_S)
    await until(lambda: len(list(tmp_path.glob("snapshot-*"))) == 1)
    await first.stop()
    await put(stack, topic, message(50), (b"t0", None))
    index = ServingIndex()
    second = following(stack, topic, index, snapshots=tmp_path)
    await second.start()
    try:
        await second.ready(DEADLINE_S)
        assert sorted(t for t, _ in index.search(vector(1), 100)) == sorted(f"t{number}" for number in range(1, 51))
        assert (second.upserts, second.removals) == (1, 1)  # the rest came from the snapshot
    finally:
        await second.stop()


async def test_snapshot_of_a_topic_that_was_made_anew_is_forgotten(stack: StackAddresses, tmp_path: Path) -> None:
    topic = await embeddings_topic(stack)
    await put(stack, topic, *(message(number) for number in range(50)))
    first = following(stack, topic, ServingIndex(), snapshots=tmp_path, snapshot_interval_s=0)
    await first.start()
    await first.ready(DEADLINE_S)
    await until(lambda: len(list(tmp_path.glob("snapshot-*"))) == 1)
    await first.stop()
    other_topic, index = await embeddings_topic(stack), ServingIndex()
    await put(stack, other_topic, message(99))
    second = following(stack, other_topic, index, snapshots=tmp_path)
    await second.start()
    try:
        await second.ready(DEADLINE_S)
        assert [track for track, _ in index.search(vector(99), 100)] == ["t99"]
    finally:
        await second.stop()
