"""Whatever the stream, the reader and the loop do in turn: each message once, in the order of its key, acked last."""

from collections import defaultdict
from types import SimpleNamespace

from faust.types import TP
from hypothesis import given
from hypothesis import strategies as st

from streams.express_lane import ExpressLane, Haste
from streams.fair_queue import FairQueue
from streams.messages import Batch
from streams.packed_messages import Message, Packing

HERE = TP("t", 0)


class Partition:
    """One partition's messages on their two ways to one loop."""

    def __init__(self, keys: list[int], live_from: int, limit_bytes: int = 1_000_000) -> None:
        self.keys = [b"%d" % key for key in keys]
        self.live_from = live_from
        self.queue = FairQueue(1_000)
        self.lane = ExpressLane(limit_bytes, lambda *_: Haste.LIVE)
        self.handed_over = 0
        self.done: list[int] = []
        self.in_hand: Batch | None = None
        self.acked: set[int] = set()

    def stream(self) -> None:
        """Hand over the next message."""
        if self.handed_over < len(self.keys):
            event = self._event(self.handed_over)
            self.handed_over += 1
            if not self.lane.handed_over(event):
                self.queue.put(event)

    def reader(self) -> None:
        """Read a few messages ahead."""
        if self.lane.can_open(HERE):
            self.lane.open(HERE, self.live_from)
        elif self.lane.is_open:
            first = self.lane.next_offset(HERE)
            records = [self._record(offset) for offset in range(first, min(first + 3, len(self.keys)))]
            self.lane.read(HERE, records)

    def urgent(self) -> None:
        """Take what may overtake."""
        self._take(self.lane.take(self.queue, 4))

    def next(self) -> None:
        """Take what the stream has brought."""
        events = self.queue.take(4)
        messages = [SimpleNamespace(offset=event.message.offset) for event in events]
        self._take(Batch(messages, lambda: [event.ack() for event in events]))  # type: ignore[arg-type,func-returns-value]

    def finish(self) -> None:
        """Finish what is in hand."""
        if self.in_hand is not None:
            self.done += [message.offset for message in self.in_hand.messages]
            self.in_hand.finish()
            self.in_hand = None
            assert self.acked <= set(self.done)

    def _take(self, batch: Batch) -> None:
        self.finish()  # the loop does one batch after the other
        self.in_hand = batch

    def _event(self, offset: int) -> SimpleNamespace:
        message = SimpleNamespace(**vars(self._record(offset)), topic="t", partition=0)
        return SimpleNamespace(message=message, ack=lambda: self._ack(offset))

    def _record(self, offset: int) -> SimpleNamespace:
        return SimpleNamespace(offset=offset, timestamp=0, key=self.keys[offset], value=b"v", headers=())

    def _ack(self, offset: int) -> None:
        assert offset not in self.acked
        self.acked.add(offset)


@given(
    st.lists(st.integers(0, 5), min_size=1, max_size=30),
    st.integers(0, 30),
    st.sampled_from([1, 2_000, 3_000, 1_000_000]),
    st.lists(st.sampled_from(["stream", "reader", "reader", "urgent", "next", "finish"]), max_size=120),
)
def test_every_message_is_done_once_in_the_order_of_its_key(
    keys: list[int], live_from: int, limit_bytes: int, turns: list[str]
) -> None:
    partition = Partition(keys, live_from, limit_bytes)
    for turn in turns:
        getattr(partition, turn)()
    for _ in keys:
        partition.stream()
    while partition.lane.is_urgent or len(partition.queue):
        partition.urgent()
        partition.next()
    partition.finish()
    assert sorted(partition.done) == list(range(len(keys)))
    assert partition.acked == set(partition.done)
    by_key = defaultdict(list)
    for offset in partition.done:
        by_key[keys[offset]].append(offset)
    assert all(offsets == sorted(offsets) for offsets in by_key.values())


@given(st.lists(st.integers(0, 5), min_size=3, max_size=30))
def test_live_message_is_done_as_soon_as_it_is_read(keys: list[int]) -> None:
    partition = Partition(keys, len(keys) - 1)
    partition.stream()
    for _ in keys:
        partition.reader()
    partition.urgent()
    partition.finish()
    # A key gives no more than it may at once: four here, so a long one needs a few turns.
    while partition.lane.is_urgent:
        partition.urgent()
        partition.finish()
    assert partition.done == [offset for offset, key in enumerate(keys) if key == keys[-1]]


@given(
    st.builds(
        Message,
        st.integers(0, 2**62),
        st.integers(0, 2**42),
        st.none() | st.binary(max_size=300),
        st.lists(st.tuples(st.text(max_size=20), st.binary(max_size=50)), max_size=4).map(tuple),
    ),
    st.binary(max_size=300),
)
def test_packed_message_is_the_message(message: Message, sample: bytes) -> None:
    packing = Packing(Message(0, 0, sample, ()))
    assert packing.unpack(packing.pack(message)) == message
