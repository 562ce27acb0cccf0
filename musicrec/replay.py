"""Publish a listening log in event-time order, at its own pace, faster, or as fast as the broker takes it.

A step of the replay:

    1. wait until the event is due          (never at full speed)
    2. hand it to the producer, keyed by the listener; wait here while `MAX_IN_FLIGHT` are on their way
    3. count it as delivered once the broker has acknowledged it and all before it

A replay that ends between 2 and 3 (Ctrl-C, a crash) goes on at the count of 3.  What was on its way is then sent again
with the same event ids, and applied once.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from musicrec.contracts import ListenEvent
from musicrec.contracts.record import MAX_ID_CHARS
from musicrec.deliveries import Deliveries
from musicrec.errors import BadInput, Unavailable
from musicrec.ids import derived_id
from musicrec.settings import KafkaSettings
from musicrec.topics import LISTENS

MAX_IN_FLIGHT: Final = 5_000
"""Enough to fill batches on every partition; little enough that a Ctrl-C is answered at once."""
LINGER_MS: Final = 5
"""At full speed batches fill long before; at a slow pace an event waits this long for company."""

Progress = Callable[[int, int], None]
"""Told how many events are delivered, and the event time of the last of them in epoch milliseconds."""


class Producer(Protocol):
    """What is needed of a Kafka producer."""

    async def send(self, topic: str, value: bytes, key: bytes) -> Awaitable[Any]:
        """Hand over a message; the result resolves once the broker has it, or raises why not."""
        ...


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """How a replay went."""

    delivered: int
    """Events acknowledged by the broker, without a gap from the first."""
    elapsed_s: float
    """From the first event to the last acknowledgement."""
    stopped: bool
    """Whether it was stopped before the end of the log."""

    @property
    def events_per_s(self) -> float:
        """Mean rate over the whole replay."""
        return self.delivered / self.elapsed_s if self.elapsed_s > 0 else 0.0


async def replay(
    events: Iterable[ListenEvent],
    producer: Producer,
    *,
    speed: float | None = None,
    rate_per_s: float | None = None,
    on_progress: Progress | None = None,
    stop: asyncio.Event | None = None,
) -> ReplayReport:
    """Publish `events` to the topic of listens and wait until the broker has them all.

    Args:
        events: in event-time order.
        producer: started, with acks=all and idempotence; see `replay_producer`.
        speed: how many times faster than they happened; None for as fast as possible.
        rate_per_s: a steady rate instead of `speed`.
        on_progress: called as deliveries are acknowledged.
        stop: when set, nothing more is sent; what is on its way is awaited.

    Raises:
        BadInput: both `speed` and `rate_per_s` are given.
        Unavailable: the broker refuses a message or stays away; says how many were delivered.
    """
    pace = Pace.of(speed, rate_per_s)
    stop = stop or asyncio.Event()
    clock = asyncio.get_running_loop().time
    on_its_way = Deliveries(MAX_IN_FLIGHT, on_progress)
    start_s = clock()
    try:
        for number, event in enumerate(events):
            await on_its_way.wait_until(start_s + pace.due_s(number, event.occurred_at_ms), stop)
            if stop.is_set():
                break
            delivery = await producer.send(LISTENS.name, event.encode(), event.user_id.encode())
            await on_its_way.add(event.occurred_at_ms, delivery)
        await on_its_way.settle()
    except KafkaError as error:
        raise Unavailable(f"Kafka: {error!r} after {on_its_way.delivered} events") from error
    return ReplayReport(on_its_way.delivered, clock() - start_s, stop.is_set())


@dataclass(slots=True)
class Pace:
    """When each event is due, in seconds after the start."""

    speed: float | None = None
    rate_per_s: float | None = None
    first_ms: int | None = None

    @classmethod
    def of(cls, speed: float | None, rate_per_s: float | None) -> "Pace":
        """Return the pace that one of the two asks for; with neither, everything is due at once."""
        if speed is not None and rate_per_s is not None:
            raise BadInput("a replay has a speed or a rate, not both")
        for name, value in (("speed", speed), ("rate", rate_per_s)):
            if value is not None and not 0 < value < float("inf"):
                raise BadInput(f"{name}: {value}; a positive number is needed")
        return cls(speed, rate_per_s)

    def due_s(self, number: int, occurred_at_ms: int) -> float:
        """Return when the event with that number (from 0) and time is due."""
        if self.first_ms is None:
            self.first_ms = occurred_at_ms
        if self.rate_per_s is not None:
            return number / self.rate_per_s
        return 0.0 if self.speed is None else (occurred_at_ms - self.first_ms) / 1_000 / self.speed


def shift_to_now_ms(first_ms: int, last_ms: int, now_ms: int, speed: float | None) -> int:
    """Return by how much to shift a log so that no event lies ahead of the clock when it is published.

    At full speed or a steady rate (`speed` None) the last event falls on `now_ms`.  Above 1× it falls on the moment at
    which it will be published; below, the first event does.  At 1× every event does.

    >>> shift_to_now_ms(0, 1_000, 50_000, None), shift_to_now_ms(0, 1_000, 50_000, 1.0)
    (49000, 50000)
    """
    if speed is None:
        return now_ms - last_ms
    if speed < 1:
        return now_ms - first_ms
    return now_ms + int((last_ms - first_ms) / speed) - last_ms


def shifted(events: Iterable[ListenEvent], shift_ms: int) -> Iterator[ListenEvent]:
    """Yield `events` at other times, by a constant, so that sessions stay what they are.

    The ids change with the times, because an id that comes again with another body is refused.  Their order does not.
    """
    for event in events:
        event_id = f"{shift_ms:+d}:{event.event_id}"
        if len(event_id) > MAX_ID_CHARS:
            event_id = derived_id("shifted", event_id)
        changes = {"event_id": event_id, "occurred_at_ms": event.occurred_at_ms + shift_ms}
        yield ListenEvent.model_validate(event.model_dump() | changes)


def replay_producer(kafka: KafkaSettings) -> Any:
    """Return a producer, not yet started, that loses, doubles and reorders nothing.

    It chooses partitions as Java's does (murmur2), so a listener's events meet those of other publishers.
    """
    return AIOKafkaProducer(
        **kafka.client_options(),
        acks="all",
        enable_idempotence=True,
        linger_ms=LINGER_MS,
        max_batch_size=256 * 1024,
    )
