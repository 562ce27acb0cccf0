"""The session worker on a real Kafka and a real Valkey."""

import asyncio
import uuid

import pytest
from aiokafka import AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import MessageSizeTooLargeError
from conftest import Worker
from probe import PARTITIONS, about, play, producing, publish, publish_events, reading

from musicrec import topics
from musicrec.contracts import DeadLetter, EventType, ListenEvent, SessionSnapshot
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses
from streams.redis_connection import connect
from streams.session_store import KEY_PREFIX

pytestmark = pytest.mark.kafka

FOR_EVER = -1
"""How Redis tells the time to live of a key that has none."""

LISTENS, SESSIONS, DEAD = "musicrec.listens.v1", "musicrec.sessions.v1", "musicrec.listens.v1.dlq"


async def test_each_play_becomes_a_snapshot_of_the_session_so_far(stack: StackAddresses, worker: Worker) -> None:
    user = f"listener {uuid.uuid4()}"
    async with reading(stack, SESSIONS, only=about(user)) as tail, producing(stack) as producer, worker("session"):
        await publish_events(producer, [play(user, f"t{i}", i) for i in range(5)])
        await tail.until(lambda t: len(t.on(SESSIONS)) == 5)
    snapshots = [SessionSnapshot.decode(record.value) for record in tail.records]
    assert [s.revision for s in snapshots] == [1, 2, 3, 4, 5]
    assert [entry.track_id for entry in snapshots[-1].entries] == ["t0", "t1", "t2", "t3", "t4"]
    assert {record.key for record in tail.records} == {user.encode()}
    assert len({s.session_id for s in snapshots}) == 1


@pytest.mark.row(14, 15, 18, 20, 22)
async def test_bad_events_become_dead_letters_byte_for_byte_and_good_ones_go_on(
    stack: StackAddresses, worker: Worker
) -> None:
    user = f"listener {uuid.uuid4()}"
    key, stranger = user.encode(), f"stranger to {user}"
    good = play(user, "t", 1)
    bad: list[tuple[bytes | None, bytes | None, DeadLetterReason]] = [
        (key, b"{not json", DeadLetterReason.MALFORMED),
        (key, b'\xff\xfe{"a":1}', DeadLetterReason.MALFORMED),
        (key, b"[]", DeadLetterReason.MALFORMED),
        (key, None, DeadLetterReason.EMPTY),
        (key, b"", DeadLetterReason.EMPTY),
        (key, good.encode().replace(b'"ms_played":170000', b'"ms_played":"long"'), DeadLetterReason.INVALID),
        (key, good.encode().replace(b'"ms_played":170000,', b""), DeadLetterReason.INVALID),
        (key, good.encode().replace(b'"type":"play"', b'"type":"set_discovery"'), DeadLetterReason.INVALID),
        (
            key,
            good.encode().replace(b'"type":"play"', b'"type":"set_discovery","discovery":1.5'),
            DeadLetterReason.INVALID,
        ),
        (
            key,
            good.encode().replace(b'"schema_version":1', b'"schema_version":2'),
            DeadLetterReason.UNSUPPORTED_VERSION,
        ),
        (key, b" " * 10_241, DeadLetterReason.TOO_LARGE),
        (stranger.encode(), good.encode(), DeadLetterReason.KEY_MISMATCH),
        (None, good.encode(), DeadLetterReason.KEY_MISMATCH),
        (key, play(user, "t", 10, occurred_at_ms=4_000_000_000_000).encode(), DeadLetterReason.IN_THE_FUTURE),
        (key, play(user, "other", 2).encode(), DeadLetterReason.CONFLICTING_DUPLICATE),
        (key, play(user, "t", 3, occurred_at_ms=good.occurred_at_ms - 10**7).encode(), DeadLetterReason.TOO_LATE),
    ]

    def mine(record: ConsumerRecord) -> bool:
        return about(user, stranger)(record) or (record.key is None and record.value == good.encode())

    async with (
        reading(stack, SESSIONS, DEAD, only=mine) as tail,
        producing(stack) as producer,
        worker("session"),
    ):
        await publish_events(producer, [good, play(user, "second", 2)])
        await publish(producer, LISTENS, [(k, v) for k, v, _ in bad])
        await publish_events(producer, [play(user, "after", 4)])
        await tail.until(lambda t: len(t.on(DEAD)) == len(bad) and len(t.on(SESSIONS)) == 3)
    letters = {(r.key, r.value): DeadLetter.from_headers(list(r.headers)) for r in tail.on(DEAD)}
    assert {where: letter.reason for where, letter in letters.items()} == {(k, v): why for k, v, why in bad}
    for letter in letters.values():
        assert letter.original_topic == LISTENS
        assert letter.error_message
        assert letter.app == "session"
    last = SessionSnapshot.decode(tail.on(SESSIONS)[-1].value)
    assert [entry.track_id for entry in last.entries] == ["t", "second", "after"]


@pytest.mark.row(20)
async def test_a_message_with_neither_key_nor_value_is_refused_and_the_next_event_goes_on(
    stack: StackAddresses, worker: Worker
) -> None:
    user = f"listener {uuid.uuid4()}"
    async with (
        reading(stack, SESSIONS, DEAD, only=lambda record: record.key in (None, user.encode())) as tail,
        producing(stack) as producer,
        worker("session"),
    ):
        for partition in await producer.partitions_for(LISTENS):
            # Other clients send such messages; this one's `send` refuses to.
            batch = producer.create_batch()
            batch.append(key=None, value=None, timestamp=None)
            await (await producer.send_batch(batch, LISTENS, partition=partition))
        await publish_events(producer, [play(user, "after", 1)])
        await tail.until(lambda t: len(t.on(DEAD)) == PARTITIONS[LISTENS] and len(t.on(SESSIONS)) == 1)
    assert {(r.key, r.value) for r in tail.on(DEAD)} == {(None, b"")}
    assert {DeadLetter.from_headers(r.headers).reason for r in tail.on(DEAD)} == {DeadLetterReason.EMPTY}


@pytest.mark.row(21)
async def test_the_largest_message_that_the_topic_takes_fits_the_dead_letter_topic_with_its_reason(
    stack: StackAddresses, worker: Worker
) -> None:
    user = f"listener {uuid.uuid4()}"
    key, value = user.encode(), b" " * topics.LISTENS.max_message_bytes
    async with (
        reading(stack, SESSIONS, DEAD, only=about(user)) as tail,
        AIOKafkaProducer(**stack.kafka.client_options(), acks="all", max_request_size=2 * len(value)) as producer,
        worker("session"),
    ):
        refused = True
        while refused:
            value = value[:-16]
            try:
                await producer.send_and_wait(LISTENS, value, key=key)
                refused = False
            except MessageSizeTooLargeError:
                continue
        await publish_events(producer, [play(user, "after", 1)])
        await tail.until(lambda t: len(t.on(DEAD)) == 1 and len(t.on(SESSIONS)) == 1)
    assert tail.on(DEAD)[0].value == value
    assert DeadLetter.from_headers(tail.on(DEAD)[0].headers).reason is DeadLetterReason.TOO_LARGE


@pytest.mark.row(21)
async def test_a_flood_of_headers_stands_in_the_dead_letter_before_the_reason(
    stack: StackAddresses, worker: Worker
) -> None:
    user = f"listener {uuid.uuid4()}"
    flood = [(f"h{number}", b"%d" % number) for number in range(3_000)]
    async with (
        reading(stack, SESSIONS, DEAD, only=about(user)) as tail,
        producing(stack) as producer,
        worker("session"),
    ):
        await producer.send_and_wait(LISTENS, b"junk", key=user.encode(), headers=flood)
        await producer.send_and_wait(LISTENS, play(user, "t", 1).encode(), key=user.encode(), headers=flood)
        await tail.until(lambda t: len(t.on(DEAD)) == 1 and len(t.on(SESSIONS)) == 1)
    headers = list(tail.on(DEAD)[0].headers)
    assert headers[: len(flood)] == flood
    assert DeadLetter.from_headers(headers).reason is DeadLetterReason.MALFORMED


@pytest.mark.row(14)
async def test_duplicate_event_changes_nothing(stack: StackAddresses, worker: Worker) -> None:
    user = f"listener {uuid.uuid4()}"
    async with (
        reading(stack, SESSIONS, DEAD, only=about(user)) as tail,
        producing(stack) as producer,
        worker("session"),
    ):
        await publish_events(producer, [play(user, "a", 1), play(user, "a", 1), play(user, "b", 2), play(user, "a", 1)])
        await tail.until(lambda t: len(t.on(SESSIONS)) == 2)
        await tail.quiet()
    assert [SessionSnapshot.decode(r.value).revision for r in tail.records] == [1, 2]


async def test_session_goes_on_after_a_restart_of_the_worker(stack: StackAddresses, worker: Worker) -> None:
    user = f"listener {uuid.uuid4()}"
    async with reading(stack, SESSIONS, only=about(user)) as tail, producing(stack) as producer:
        for number in range(3):
            async with worker("session"):
                await publish_events(producer, [play(user, f"t{number}", number)])
                await tail.until(lambda t, n=number: len(t.on(SESSIONS)) > n)  # type: ignore[misc]
    assert SessionSnapshot.decode(tail.records[-1].value).revision == 3


async def test_a_dial_is_kept_over_a_restart_and_for_longer_than_the_session(
    stack: StackAddresses, worker: Worker
) -> None:
    user = f"listener {uuid.uuid4()}"
    dial = ListenEvent(
        event_id=f"{user}-dial",
        user_id=user,
        type=EventType.SET_DISCOVERY,
        occurred_at_ms=play(user, "a", 0).occurred_at_ms + 1,
        discovery=-0.5,
    )
    async with (
        reading(stack, SESSIONS, only=about(user)) as tail,
        producing(stack) as producer,
        connect(stack.redis) as redis,
    ):
        async with worker("session"):
            await publish_events(producer, [play(user, "a", 0)])
            await tail.until(lambda t: len(t.on(SESSIONS)) == 1)
            async with asyncio.timeout(10):
                while await redis.pttl(KEY_PREFIX + user) <= 0:
                    await asyncio.sleep(0.05)
            await publish_events(producer, [dial])
            await tail.until(lambda t: len(t.on(SESSIONS)) == 2)
            async with asyncio.timeout(10):
                while await redis.pttl(KEY_PREFIX + user) != FOR_EVER:
                    await asyncio.sleep(0.05)
        async with worker("session"):
            await publish_events(producer, [play(user, "b", 1_000)])
            await tail.until(lambda t: len(t.on(SESSIONS)) == 3)
        assert await redis.pttl(KEY_PREFIX + user) == FOR_EVER
    last = SessionSnapshot.decode(tail.records[-1].value)
    assert [entry.track_id for entry in last.entries] == ["b"]
    assert last.discovery == -0.5
