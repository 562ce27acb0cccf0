"""What overtakes when a partition lags: listeners who are there now, each with all that waits of them.

A million messages lie before what somebody just played.  Order matters within a key alone, so that listener's turn can
come at once, if all that lies before of the same key comes with it.  Hence the lane is told what lies ahead of the
stream (`ReadAhead` reads it), keeps it by key, and gives the keys of which something was published lately, the last one
first: what adaptive LIFO is to a queue of requests (Maurer, "Fail at Scale", ACM Queue 13(8), 2015), by listener.

The stream goes on below as if nothing had happened, comes to the same messages later, and is told that they are done.
Offsets are committed by the stream alone: after a crash all comes again, and is known by the state that it changed.

    ... done, or in `FairQueue` | position ... in the lane, by key ... read | not read yet ... end
"""

from collections import OrderedDict, deque
from collections.abc import Callable, Iterable
from enum import Enum, auto
from typing import Any, Final

from aiokafka import ConsumerRecord
from faust.types import TP

from streams.fair_queue import MOST_OF_ONE_KEY, FairQueue
from streams.messages import Batch, Incoming, incoming, timestamp_ms_of
from streams.packed_messages import Message, Packing

MESSAGE_BYTES: Final = 64
"""What a packed message takes in memory beside its bytes."""
KEY_BYTES: Final = 1_000
"""What a key takes: its queue, its place in a table and itself."""

_Key = bytes | None


class Haste(Enum):
    """What a message asks of the lane."""

    NONE = auto()
    """Nobody waits for it, and no later one of its key depends on it: it comes when the stream does."""
    ORDER = auto()
    """Nobody waits for it, but what is later of its key comes after it."""
    LIVE = auto()
    """Somebody waits for it, if it was published lately."""


HasteOf = Callable[[bytes | None, int], Haste]
"""Of a message's value, and the broker's timestamp in epoch milliseconds."""


class _Partition:
    """What is known of one partition that lags."""

    def __init__(self, position: int, live_from: int) -> None:
        self.position = position
        self.read = position
        self.live_from = live_from
        self.waiting: dict[_Key, deque[bytes]] = {}
        self.too_many: dict[_Key, int] = {}
        """Keys of which something was read that did not fit, and the last offset: until then the stream's alone."""
        self.in_hand: dict[int, Any] = {}
        """By offset, what the stream has handed over since: it is acknowledged when the message is finished."""
        self.done: set[int] = set()
        """Offsets that are finished and that the stream has still to come to."""
        self.bytes = 0
        self._packing: Packing | None = None

    def add(self, record: ConsumerRecord) -> None:
        message = Message(record.offset, record.timestamp, record.value, tuple(record.headers))
        if self._packing is None:
            self._packing = Packing(message)
        packed = self._packing.pack(message)
        waiting = self.waiting.get(record.key)
        if waiting is None:
            waiting = self.waiting[record.key] = deque()
            self.bytes += KEY_BYTES
        waiting.append(packed)
        self.bytes += len(packed) + MESSAGE_BYTES

    def take(self, key: _Key, most: int) -> list[Message]:
        taken: list[Message] = []
        while len(taken) < most and (first := self._first(key)) is not None:
            taken.append(first)
            self._drop_first(key)
        return taken

    def handed_over(self, key: _Key, offset: int) -> None:
        self.position = offset + 1
        if key in self.too_many and self.too_many[key] <= offset:
            del self.too_many[key]
        while (first := self._first(key)) is not None and first.offset <= offset:
            self._drop_first(key)

    def _first(self, key: _Key) -> Message | None:
        waiting = self.waiting.get(key)
        if waiting is None or self._packing is None:
            return None
        return self._packing.unpack(waiting[0])

    def _drop_first(self, key: _Key) -> None:
        waiting = self.waiting[key]
        self.bytes -= len(waiting.popleft()) + MESSAGE_BYTES
        if not waiting:
            del self.waiting[key]
            self.bytes -= KEY_BYTES


class ExpressLane:
    """Messages read ahead of one topic's stream; all of it belongs to one event loop.

    Args:
        limit_bytes: memory for what is read ahead.  A key of which something does not fit is left to the stream until
            that has come so far; others are not in its way.
        haste_of: what a message asks for.
    """

    def __init__(self, limit_bytes: int, haste_of: HasteOf) -> None:
        self._limit_bytes = limit_bytes
        self._haste_of = haste_of
        self._positions: dict[TP, int] = {}
        self._partitions: dict[TP, _Partition] = {}
        self._urgent: OrderedDict[tuple[TP, _Key], None] = OrderedDict()
        self._newest: Any = None
        self.overtaken = 0
        """Messages that were finished before the stream came to them."""

    @property
    def is_open(self) -> bool:
        """Whether any partition is read ahead."""
        return bool(self._partitions)

    @property
    def bytes(self) -> int:
        """Memory that the messages in the lane take, about."""
        return sum(partition.bytes for partition in self._partitions.values())

    @property
    def is_urgent(self) -> bool:
        """Whether somebody who is there now waits."""
        return bool(self._urgent)

    def is_needed(self, since_ms: int) -> bool:
        """Whether the stream brings what nobody waits for, or what was published before `since_ms`, epoch milliseconds.

        Where many messages wait and all are live, there is nothing to overtake, and to read twice would cost time.
        """
        if self._newest is None:
            return False
        timestamp_ms = timestamp_ms_of(self._newest)
        return timestamp_ms < since_ms or self._haste_of(self._newest.value, timestamp_ms) is not Haste.LIVE

    def can_open(self, tp: TP) -> bool:
        """Whether a partition is not open, and the stream has brought something of it."""
        return tp in self._positions and tp not in self._partitions

    def open(self, tp: TP, live_from: int) -> None:
        """Begin to keep what is read ahead of a partition, if the stream has brought something of it.

        Args:
            tp: the partition.
            live_from: offset of the first message that was published lately.
        """
        if self.can_open(tp):
            self._partitions[tp] = _Partition(self._positions[tp], live_from)

    def next_offset(self, tp: TP) -> int:
        """Return the offset from which on the open partition is to be read."""
        return self._partitions[tp].read

    @property
    def partitions(self) -> set[TP]:
        """The partitions that are open."""
        return set(self._partitions)

    @property
    def is_passed(self) -> bool:
        """Whether the stream has come to all that was read ahead."""
        return all(partition.position >= partition.read for partition in self._partitions.values())

    def close(self) -> None:
        """Keep nothing more: the stream is as far."""
        self._partitions.clear()
        self._urgent.clear()

    def forget(self) -> None:
        """Close all: the stream begins anew somewhere.  What is in hand is finished, and known when it comes again."""
        self._positions.clear()
        self.close()

    def read(self, tp: TP, records: Iterable[ConsumerRecord]) -> None:
        """Keep messages, the next ones of an open partition, that lie ahead of the stream."""
        partition = self._partitions.get(tp)
        if partition is None:
            return
        for record in records:
            partition.read = record.offset + 1
            if record.offset < partition.position:
                continue  # the stream was there before
            haste = self._haste_of(record.value, record.timestamp)
            if haste is Haste.NONE:
                continue
            if record.key in partition.too_many or self.bytes >= self._limit_bytes:
                partition.too_many[record.key] = record.offset
                continue
            partition.add(record)
            if haste is Haste.LIVE and record.offset >= partition.live_from:
                self._is_next(tp, record.key)

    def handed_over(self, event: Any) -> bool:
        """Note that the stream has come to a message; return whether it is done, or being done, and not to be queued.

        What is done is acknowledged here, what is being done when it is finished.
        """
        message = event.message
        tp, offset = TP(message.topic, message.partition), message.offset
        self._positions[tp] = offset + 1
        self._newest = message
        partition = self._partitions.get(tp)
        if partition is None:
            return False
        if offset < partition.position:
            # The stream went back, to what is committed: all that is known here is of another time.
            del self._partitions[tp]
            return False
        partition.handed_over(message.key, offset)
        if offset in partition.done:
            partition.done.remove(offset)
            event.ack()
            return True
        if offset in partition.in_hand:
            partition.in_hand[offset] = event
            return True
        if offset >= partition.live_from and self._haste_of(message.value, timestamp_ms_of(message)) is Haste.LIVE:
            self._is_next(tp, message.key)  # much may wait in the queue too
        return False

    def take(self, queue: FairQueue, most: int) -> Batch:
        """Take what is urgent: of each key what waits in the stream's queue, then what is in the lane."""
        messages: list[Incoming] = []
        events: list[Any] = []
        ahead: list[tuple[_Partition, int]] = []
        left_over: list[tuple[TP, _Key]] = []
        while self._urgent and len(messages) < most:
            (tp, key), _ = self._urgent.popitem()
            room = min(MOST_OF_ONE_KEY, most - len(messages))
            queued = queue.take_of(key, room)
            events += queued
            messages += [incoming(event.message) for event in queued]
            partition = self._partitions.get(tp)
            taken = partition.take(key, room - len(queued)) if partition is not None else []
            messages += [
                Incoming(tp.topic, tp.partition, read.offset, read.timestamp_ms, key, read.value, list(read.headers))
                for read in taken
            ]
            if partition is not None:
                ahead += [(partition, message.offset) for message in taken]
                partition.in_hand.update((message.offset, None) for message in taken)
            if queue.holds(key) or (partition is not None and key in partition.waiting):
                left_over.append((tp, key))
        for each in left_over:
            self._urgent[each] = None
            self._urgent.move_to_end(each, last=False)  # a bot has something new at every look

        def finish() -> None:
            for event in events:
                event.ack()
            self._finish(ahead)

        return Batch(messages, finish)

    def _is_next(self, tp: TP, key: _Key) -> None:
        self._urgent[tp, key] = None
        self._urgent.move_to_end((tp, key))

    def _finish(self, ahead: Iterable[tuple[_Partition, int]]) -> None:
        for partition, offset in ahead:
            self.overtaken += 1
            event = partition.in_hand.pop(offset)
            if event is None:
                partition.done.add(offset)
            else:
                event.ack()
