"""Who overtakes, with what, and what the stream is told when it comes to it."""

from types import SimpleNamespace

from faust.types import TP

from streams.express_lane import KEY_BYTES, ExpressLane, Haste
from streams.fair_queue import MOST_OF_ONE_KEY, FairQueue
from streams.messages import Batch

HERE = TP("t", 0)
ADA, BEN, BOT = b"ada", b"ben", b"bot"
MEBIBYTE = 1024 * 1024


class Event:
    """What Faust hands over."""

    def __init__(self, offset: int, key: bytes, value: bytes = b"v", timestamp_s: float = 0.0) -> None:
        self.message = SimpleNamespace(
            topic="t", partition=0, offset=offset, timestamp=timestamp_s, key=key, value=value, headers=[]
        )
        self.acks = 0

    def ack(self) -> None:
        self.acks += 1


def haste_of(value: bytes | None, timestamp_ms: int) -> Haste:
    return {b"stale": Haste.NONE, b"older": Haste.ORDER}.get(value or b"", Haste.LIVE)


def record(offset: int, key: bytes, value: bytes = b"v") -> SimpleNamespace:
    return SimpleNamespace(offset=offset, timestamp=0, key=key, value=value, headers=())


def lane_at(position: int, live_from: int, *records: SimpleNamespace) -> ExpressLane:
    """Return a lane that was opened when the stream had come to `position`, with what was read since."""
    lane = ExpressLane(MEBIBYTE, haste_of)
    lane.handed_over(Event(position - 1, b"before"))
    lane.open(HERE, live_from)
    lane.read(HERE, records)
    return lane


def places(batch: Batch) -> list[tuple[bytes | None, int]]:
    return [(message.key, message.offset) for message in batch.messages]


def test_live_message_brings_the_older_ones_of_its_key_and_no_others() -> None:
    lane = lane_at(10, 14, record(10, ADA), record(11, BEN), record(12, ADA), record(13, BEN), record(14, ADA))
    assert places(lane.take(FairQueue(9), 100)) == [(ADA, 10), (ADA, 12), (ADA, 14)]
    assert not lane.is_urgent


def test_what_waits_of_the_key_in_the_streams_queue_comes_first() -> None:
    lane = lane_at(10, 12, record(10, BEN), record(11, ADA), record(12, ADA))
    queue = FairQueue(9)
    queue.put(Event(8, BEN))
    waiting = Event(9, ADA)
    queue.put(waiting)
    batch = lane.take(queue, 100)
    assert places(batch) == [(ADA, 9), (ADA, 11), (ADA, 12)]
    assert waiting.acks == 0
    batch.finish()
    assert waiting.acks == 1
    assert len(queue) == 1


def test_last_one_to_publish_is_first() -> None:
    lane = lane_at(10, 10, record(10, ADA), record(11, BEN), record(12, BOT), record(13, ADA))
    assert [key for key, _ in places(lane.take(FairQueue(9), 100))] == [ADA, ADA, BOT, BEN]


def test_flood_of_one_key_takes_turns_with_the_others() -> None:
    flood = [record(10 + n, BOT) for n in range(100)]
    lane = lane_at(10, 10, *flood, record(110, ADA), record(111, BOT))
    first = [key for key, _ in places(lane.take(FairQueue(9), MOST_OF_ONE_KEY + 10))]
    assert first == [BOT] * MOST_OF_ONE_KEY + [ADA]
    assert [offset for _, offset in places(lane.take(FairQueue(9), 5))] == [42, 43, 44, 45, 46]


def test_stream_that_comes_to_a_finished_message_acknowledges_it_and_queues_nothing() -> None:
    lane = lane_at(10, 11, record(10, BEN), record(11, ADA))
    lane.take(FairQueue(9), 100).finish()
    ben, ada = Event(10, BEN), Event(11, ADA)
    assert [lane.handed_over(ben), lane.handed_over(ada)] == [False, True]
    assert (ben.acks, ada.acks) == (0, 1)


def test_message_that_the_stream_comes_to_while_it_is_in_hand_is_acknowledged_when_it_is_finished() -> None:
    lane = lane_at(10, 10, record(10, ADA))
    batch = lane.take(FairQueue(9), 100)
    ada = Event(10, ADA)
    assert lane.handed_over(ada)
    assert ada.acks == 0
    batch.finish()
    assert ada.acks == 1


def test_what_the_stream_has_come_to_is_its_own() -> None:
    lane = lane_at(10, 11, record(10, ADA), record(11, ADA))
    assert not lane.handed_over(Event(10, ADA))
    assert places(lane.take(FairQueue(9), 100)) == [(ADA, 11)]


def test_live_message_that_the_stream_brings_itself_overtakes_what_waits_in_the_queue() -> None:
    lane, queue = lane_at(10, 12), FairQueue(9)
    for event in (Event(10, BEN), Event(11, ADA), Event(12, ADA)):
        assert not lane.handed_over(event)
        queue.put(event)
    assert places(lane.take(queue, 100)) == [(ADA, 11), (ADA, 12)]


def test_reader_that_is_behind_the_stream_adds_nothing() -> None:
    lane = lane_at(10, 10)
    lane.handed_over(Event(10, ADA))
    lane.read(HERE, [record(10, ADA), record(11, BEN)])
    assert places(lane.take(FairQueue(9), 100)) == [(BEN, 11)]


def test_stream_that_goes_back_makes_all_that_was_known_void() -> None:
    lane = lane_at(10, 10, record(10, ADA), record(11, ADA))
    lane.take(FairQueue(9), 100).finish()
    again = [Event(9, ADA), Event(10, ADA), Event(11, ADA)]
    assert [lane.handed_over(event) for event in again] == [False, False, False]
    assert [event.acks for event in again] == [0, 0, 0]


def test_what_was_in_hand_when_all_was_forgotten_comes_again() -> None:
    lane = lane_at(10, 10, record(10, ADA))
    batch = lane.take(FairQueue(9), 100)
    lane.forget()
    event = Event(10, ADA)
    assert not lane.handed_over(event)
    batch.finish()
    assert event.acks == 0
    assert not lane.partitions


def test_message_that_nobody_waits_for_stays_with_the_stream() -> None:
    old = [record(10, ADA, b"stale"), record(11, ADA, b"older"), record(12, BEN, b"older")]
    lane = lane_at(10, 10, *old, record(13, ADA, b"live"))
    assert places(lane.take(FairQueue(9), 100)) == [(ADA, 11), (ADA, 13)]


def test_memory_is_counted_and_given_back() -> None:
    lane = lane_at(10, 99, record(10, ADA), record(11, BEN), record(12, BEN))
    assert lane.bytes > 2 * KEY_BYTES
    for event in (Event(10, ADA), Event(11, BEN), Event(12, BEN)):
        assert not lane.is_passed
        lane.handed_over(event)
    assert (lane.bytes, lane.is_passed) == (0, True)


def test_key_of_which_something_does_not_fit_waits_for_the_stream_and_others_do_not() -> None:
    lane = ExpressLane(KEY_BYTES, haste_of)
    lane.handed_over(Event(9, ADA))
    lane.open(HERE, 13)
    lane.read(HERE, [record(10, BOT), record(11, ADA)])  # full now
    lane.handed_over(Event(10, BOT))  # room again
    lane.read(HERE, [record(12, BEN), record(13, ADA)])
    assert not lane.is_urgent
    for event in (Event(11, ADA), Event(12, BEN)):
        lane.handed_over(event)
    lane.read(HERE, [record(14, BEN)])
    assert places(lane.take(FairQueue(9), 100)) == [(BEN, 14)]
    lane.handed_over(Event(13, ADA))
    lane.read(HERE, [record(15, ADA)])
    assert places(lane.take(FairQueue(9), 100)) == [(ADA, 15)]


def test_partition_that_the_stream_has_not_begun_on_is_not_opened() -> None:
    lane = ExpressLane(MEBIBYTE, haste_of)
    lane.open(HERE, 0)
    assert not lane.is_open


def test_lane_is_needed_where_the_stream_brings_what_is_old_or_what_nobody_waits_for() -> None:
    lane = ExpressLane(MEBIBYTE, haste_of)
    assert not lane.is_needed(since_ms=5_000)
    lane.handed_over(Event(0, ADA, timestamp_s=5.0))
    assert not lane.is_needed(since_ms=5_000)
    assert lane.is_needed(since_ms=5_001)
    lane.handed_over(Event(1, ADA, b"stale", timestamp_s=9.0))
    assert lane.is_needed(since_ms=5_000)
