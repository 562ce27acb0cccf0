"""Dead letters back onto the topics that they came from.

What is published is the key, the value and the headers that the refused message had, byte for byte, so an event keeps
its `event_id`.  The topic is the one that the letter lies beside; what its headers name is not believed.

Replaying twice
    A listen or feedback that was applied before is recognised by its `event_id`, or lies by then so far behind the
    listener's newest event that it is refused as too late: it is never applied twice while the listener's state lives,
    `MUSICREC_SESSION__REDIS_TTL_MS` (7 days) after the last event.  Lists and outcomes keep their ids.  A track is
    published again only while no newer record of it stands on the topic, which the replayed one then is.
"""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Final, Protocol

from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from musicrec.dead_letters.letter import UNREADABLE, Letter, Place
from musicrec.dead_letters.reader import Span, TopicReader
from musicrec.dead_letters.selection import Selection
from musicrec.dead_letters.survey import NewestOffsets, Survey, is_superseded, newest_offsets
from musicrec.deliveries import Deliveries
from musicrec.errors import Unavailable
from musicrec.replay import Pace
from musicrec.settings import KafkaSettings

MAX_IN_FLIGHT: Final = 100
"""A letter can be a megabyte; at the rates of a replay few are on their way."""
MAX_REQUEST_BYTES: Final = 4 * 1024 * 1024
"""Above what any topic takes: the broker decides."""

SUPERSEDED: Final = "superseded"
"""A newer message of the key stands on the compacted topic, and the old one would hide it."""
NOTHING: Final = "without_key_and_value"
"""There is nothing to publish."""


class Producer(Protocol):
    """What is needed of a Kafka producer."""

    async def send(
        self, topic: str, value: bytes | None, key: bytes | None, *, headers: list[tuple[str, bytes | None]]
    ) -> Awaitable[Any]:
        """Hand over a message; the result resolves once the broker has it, or raises why not."""
        ...


@dataclass(slots=True)
class LetterReplay:
    """How far a replay is."""

    replayed: int = 0
    """Letters that the broker has acknowledged, without a gap from the first."""
    last: Place | None = None
    """Place of the last of these: a further run goes on after it."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Letters not published, by why."""
    stopped: bool = False
    """Whether it was stopped before the end."""


async def replay_letters(
    letters: AsyncIterator[Letter],
    producer: Producer,
    state: LetterReplay,
    *,
    rate_per_s: float,
    limit: int | None = None,
    named: bool = False,
    newest: NewestOffsets | None = None,
    on_progress: Callable[[], None] = lambda: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Publish letters in their order and wait until the broker has them all; `state` tells how far it is, always.

    Args:
        letters: in the order of a selection.
        producer: started, with acks=all and idempotence; see `letter_producer`.
        state: of this replay.
        rate_per_s: messages per second.
        limit: publish at most so many.
        named: whether the letters were chosen by their places: unreadable ones are then published too.
        newest: of the compacted topics among those that the letters came from.
        on_progress: called when `state` has changed.
        stop: when set, nothing more is sent; what is on its way is awaited.

    Raises:
        BadInput: the rate is not positive.
        Unavailable: the broker refuses a message or stays away.
    """
    pace, stop = Pace.of(None, rate_per_s), stop or asyncio.Event()

    def on_arrival(delivered: int, last: Place) -> None:
        state.replayed, state.last = delivered, last
        on_progress()

    deliveries = Deliveries(MAX_IN_FLIGHT, on_arrival)
    start_s, sent = asyncio.get_running_loop().time(), 0
    try:
        async for letter in letters:
            if sent == limit:
                break
            await deliveries.wait_until(start_s + pace.due_s(sent, 0), stop)
            if stop.is_set():
                state.stopped = True
                break
            why_not = _why_not(letter, named, newest or {})
            if why_not is not None:
                state.skipped[why_not] += 1
                continue
            delivery = await producer.send(
                letter.source.name, letter.value, letter.key, headers=letter.original_headers
            )
            await deliveries.add(letter.place, delivery)
            sent += 1
        await deliveries.settle()
    except KafkaError as error:
        raise Unavailable(f"Kafka: {error!r}") from error


def _why_not(letter: Letter, named: bool, newest: NewestOffsets) -> str | None:
    """Return why a letter is not published, or None."""
    if letter.key is None and letter.value is None:
        return NOTHING
    if letter.why is None and not named:
        return UNREADABLE
    return SUPERSEDED if is_superseded(letter, newest) else None


async def survey_letters(kafka: KafkaSettings, selection: Selection) -> "LetterPlan":
    """Count what a replay of the selection would publish, up to the ends of now.

    Raises:
        Unavailable: the broker does not answer, or lacks a topic.
    """
    survey = Survey()
    async with TopicReader(kafka) as reader:
        spans = await reader.spans(selection)
        async for letter in reader.letters(spans, selection):
            survey.add(letter)
    return LetterPlan(selection, spans, survey)


@dataclass(frozen=True, slots=True)
class LetterPlan:
    """A replay before it begins: letters that come while it runs are not replayed, those that it causes among them."""

    selection: Selection
    spans: list[Span]
    """Where its letters lie."""
    survey: Survey

    @property
    def found(self) -> int:
        """How many letters there are."""
        return self.survey.counts.total()


async def publish_plan(
    kafka: KafkaSettings,
    plan: LetterPlan,
    state: LetterReplay,
    *,
    rate_per_s: float,
    limit: int | None = None,
    on_progress: Callable[[], None] = lambda: None,
    stop: asyncio.Event | None = None,
) -> None:
    """Carry a plan out; see `replay_letters` for the arguments.

    Raises:
        Unavailable: the broker does not answer, or refuses a message.
    """
    producer = letter_producer(kafka)
    async with TopicReader(kafka) as reader:
        newest = await newest_offsets(reader, plan.survey)
        try:
            await producer.start()
            await replay_letters(
                reader.letters(plan.spans, plan.selection),
                producer,
                state,
                rate_per_s=rate_per_s,
                limit=limit,
                named=bool(plan.selection.places),
                newest=newest,
                on_progress=on_progress,
                stop=stop,
            )
        except (KafkaError, OSError) as error:
            raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer: {error!r}") from error
        finally:
            await producer.stop()


def letter_producer(kafka: KafkaSettings) -> Any:
    """Return a producer, not yet started, that loses, doubles and reorders nothing.

    It chooses the partition by the key, as Java's does (murmur2), and not the one that the headers name.
    """
    return AIOKafkaProducer(
        **kafka.client_options(), acks="all", enable_idempotence=True, max_request_size=MAX_REQUEST_BYTES
    )
