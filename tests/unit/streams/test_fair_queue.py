"""Who is next: a listener's flood waits behind everybody else, and nobody's events change places."""

from types import SimpleNamespace

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.fair_queue import MOST_OF_ONE_KEY, FairQueue

BOT, ADA, BEN = b"bot", b"ada", b"ben"


def event(key: bytes | None, number: int = 0, partition: int = 0) -> SimpleNamespace:
    return SimpleNamespace(message=SimpleNamespace(topic="t", partition=partition, key=key), number=number)


def queue(*events: SimpleNamespace, limit: int = 1_000) -> FairQueue:
    made = FairQueue(limit)
    for each in events:
        made.put(each)
    return made


def keys(batch: list[SimpleNamespace]) -> list[bytes]:
    return [each.message.key for each in batch]


def test_a_flood_of_one_key_leaves_room_for_those_that_came_after_it() -> None:
    waiting = queue(*(event(BOT, n) for n in range(100)), event(ADA), event(BEN))
    assert keys(waiting.take(500)) == [BOT] * MOST_OF_ONE_KEY + [ADA, BEN]
    waiting.put(event(ADA))
    assert keys(waiting.take(40)) == [BOT] * MOST_OF_ONE_KEY + [ADA]
    assert len(waiting) == 100 - 2 * MOST_OF_ONE_KEY


def test_what_is_left_of_a_key_queues_behind_the_others() -> None:
    waiting = queue(*(event(BOT, n) for n in range(100)), *(event(ADA, n) for n in range(3)))
    assert keys(waiting.take(10)) == [BOT] * 10
    assert keys(waiting.take(10)) == [ADA] * 3 + [BOT] * 7


def test_events_of_one_key_are_taken_together() -> None:
    waiting = queue(event(ADA, 1), event(BEN, 1), event(ADA, 2), event(BEN, 2))
    assert keys(waiting.take(3)) == [ADA, ADA, BEN]


def test_queue_is_of_few_where_a_bot_has_most_of_it() -> None:
    assert not queue().is_of_few
    listeners = [event(b"%d" % n) for n in range(9)]
    assert not queue(*listeners, *(event(BOT) for _ in range(70))).is_of_few
    assert queue(*listeners, *(event(BOT) for _ in range(71))).is_of_few


def test_only_partitions_with_more_than_their_share_are_full() -> None:
    waiting = queue(*(event(BOT, n, partition=7) for n in range(9)), limit=10)
    assert not waiting.is_full(TP("t", 7))
    waiting.put(event(ADA, partition=3))
    assert (waiting.is_full(TP("t", 7)), waiting.is_full(TP("t", 3))) == (True, False)
    assert not waiting.is_short_of(TP("t", 7))
    waiting.take(8)
    assert waiting.is_short_of(TP("t", 7))


def test_a_partition_of_which_nothing_waits_is_short_of_messages() -> None:
    waiting = queue(event(ADA), limit=1)
    assert waiting.is_full(TP("t", 0))
    waiting.take(1)
    assert waiting.is_short_of(TP("t", 0))


@given(
    st.lists(
        st.one_of(
            st.lists(st.sampled_from([None, b"a", b"b", b"c"]), max_size=60).map(tuple), st.integers(1, 50).map(int)
        ),
        max_size=12,
    )
)
def test_everything_comes_out_once_and_in_the_order_of_its_key(steps: list[tuple[bytes | None, ...] | int]) -> None:
    waiting, put, taken = queue(), [], []
    for step in steps:
        if isinstance(step, int):
            batch = waiting.take(step)
            assert len(batch) <= step
            taken += batch
            continue
        for key in step:
            put.append(event(key, len(put)))
            waiting.put(put[-1])
    while len(waiting):
        taken += waiting.take(7)
    for key in (None, b"a", b"b", b"c"):
        assert [e.number for e in taken if e.message.key == key] == [e.number for e in put if e.message.key == key]
    assert len(taken) == len(put)
