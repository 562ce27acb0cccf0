"""Messages as the agents see them: bytes in, bytes out."""

from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple, Protocol

from musicrec import __version__
from musicrec.cloud_events import headers_for
from musicrec.contracts import DeadLetter, VersionedRecord
from musicrec.contracts.dead_letter import HEADER_PREFIX, MAX_MESSAGE_CHARS
from musicrec.errors import BadInput
from musicrec.topics import Topic
from musicrec.trace_context import TraceContext
from streams.metrics import EventOutcome

DEAD_LETTER_SUFFIX = ".dlq"
REASON_HEADER = f"{HEADER_PREFIX}reason"

Headers = list[tuple[str, bytes]]

UNPUBLISHED: Final = -1
"""Partition of a message that has no place yet."""


class Incoming(NamedTuple):
    """A message taken from Kafka, undecoded."""

    topic: str
    partition: int
    offset: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def is_published(self) -> bool:
        """Whether it came from its topic; else it is handled at once by who publishes it, see `unpublished`."""
        return self.partition != UNPUBLISHED

    @property
    def place(self) -> str:
        """Topic, partition and offset, for people."""
        return f"{self.topic}[{self.partition}]@{self.offset}"


def incoming(message: Any) -> Incoming:
    """Return a message of Faust as the agents see it."""
    return Incoming(
        topic=message.topic,
        partition=message.partition,
        offset=message.offset,
        timestamp_ms=timestamp_ms_of(message),
        key=message.key,
        value=message.value,
        headers=list(message.headers.items()) if isinstance(message.headers, dict) else list(message.headers or ()),
    )


def timestamp_ms_of(message: Any) -> int:
    """Return the timestamp of a message of Faust, epoch milliseconds."""
    timestamp_ms: int = round(message.timestamp * 1000)
    return timestamp_ms


class Batch(NamedTuple):
    """Messages that are handled together."""

    messages: list[Incoming]
    finish: Callable[[], None]
    """To be called once they are delivered and saved."""


class Outgoing(NamedTuple):
    """A message to publish; without a value it is a tombstone."""

    topic: str
    key: bytes | None
    value: bytes | None
    headers: Headers

    @property
    def is_dead_letter(self) -> bool:
        """Whether it is what was refused."""
        return self.topic.endswith(DEAD_LETTER_SUFFIX)


class Delivered(Protocol):
    """Where a message stands, as the client tells it."""

    @property
    def partition(self) -> int:
        """Partition."""

    @property
    def offset(self) -> int:
        """Offset in the partition."""


class Trace(Protocol):
    """The spans of a batch."""

    def end(self, error: Exception | None = None) -> None:
        """End them, with the error that another attempt follows."""


class NoTrace:
    """No spans."""

    def end(self, error: Exception | None = None) -> None:
        """End nothing."""


NO_TRACE: Final = NoTrace()


class FollowedUp(NamedTuple):
    """What was played after a list."""

    variant: str
    """That made the list."""
    rank: int | None
    """Place of the track in it, from 1; None where it was not in it."""
    skipped: bool
    """Whether the listener turned the track away."""


async def _nothing_to_save() -> None:
    return None


@dataclass(slots=True)
class Decision:
    """What a batch leads to: messages to deliver first, then state to save, and then what is counted of it."""

    messages: list[Outgoing] = field(default_factory=list)
    save: Callable[[], Awaitable[None]] = _nothing_to_save
    outcomes: Counter[EventOutcome] = field(default_factory=Counter)
    """What became of the batch's messages; dead letters are counted by themselves, what is not here is ignored."""
    answers_published_ms: list[int] = field(default_factory=list)
    """When the events that these messages answer were published, epoch milliseconds."""

    followed_up: list[FollowedUp] = field(default_factory=list)
    """Listens that had a list before them, by the variant that made it."""
    ranked: list[tuple[str, float]] = field(default_factory=list)
    """Variant and time, in seconds, of each list that was made."""
    trace: Trace = NO_TRACE
    """Its spans."""
    then: "Handled | None" = None
    """What came of some of these messages that were handled at once, without the way over their topic."""

    def to_deliver(self) -> list[Outgoing]:
        """Return all messages, those of `then` at the end, without its dead letters: they name a place."""
        if self.then is None:
            return self.messages
        return self.messages + [message for message in self.then.decision.messages if not message.is_dead_letter]

    def dead_letters_of_delivered(self, places: Sequence[Delivered]) -> list[Outgoing]:
        """Return what of `to_deliver` is refused, now that it stands on its topic.

        Args:
            places: where each message of `to_deliver` stands.
        """
        if self.then is None:
            return []
        return [_placed(letter, places) for letter in self.then.decision.messages if letter.is_dead_letter]

    def end_trace(self, error: Exception | None = None) -> None:
        """End all spans; see `Trace`."""
        self.trace.end(error)
        if self.then is not None:
            self.then.decision.end_trace(error)

    def dead_letters(self) -> Counter[str]:
        """Return how many of the messages are dead letters, by reason."""
        letters = (m for m in self.messages if m.is_dead_letter)
        return Counter(dict(m.headers)[REASON_HEADER].decode() for m in letters)


class Handled(NamedTuple):
    """A batch and what it leads to."""

    batch: Sequence[Incoming]
    decision: Decision


def unpublished(messages: Sequence[Outgoing], topic: Topic, now_ms: int) -> list[Incoming]:
    """Return those of `messages` that go to `topic` as its reader will see them, but for their place.

    Args:
        messages: of a decision.
        topic: whose messages are to be handled at once.
        now_ms: epoch milliseconds.
    """
    return [
        Incoming(message.topic, UNPUBLISHED, number, now_ms, message.key, message.value, message.headers)
        for number, message in enumerate(messages)
        if message.topic == topic.name
    ]


def _placed(letter: Outgoing, places: Sequence[Delivered]) -> Outgoing:
    """Return a dead letter of an unpublished message, whose offset is its number among `places`, with its place."""
    why = DeadLetter.from_headers(letter.headers)
    place = places[why.original_offset]
    placed = why.model_copy(update={"original_partition": place.partition, "original_offset": place.offset})
    return letter._replace(headers=[*letter.headers[: -len(placed.headers())], *placed.headers()])


def record_message(topic: Topic, record: VersionedRecord, context: TraceContext | None = None) -> Outgoing:
    """Return the message that carries `record` on `topic`, caused by the span of `context`."""
    headers = headers_for(record) + (context.headers() if context else [])
    return Outgoing(topic.name, str(getattr(record, topic.key)).encode(), record.encode(), headers)


def dead_letter(message: Incoming, error: BadInput, *, app: str) -> Outgoing:
    """Return the dead letter of a refused message: key, value and headers unchanged, the reason beside them.

    Where there is neither key nor value the letter's value is empty: the client sends no message without both.
    """
    why = DeadLetter(
        original_topic=message.topic,
        original_partition=message.partition if message.is_published else 0,
        original_offset=message.offset,
        original_timestamp=max(0, message.timestamp_ms),
        reason=error.reason,
        error_message=str(error)[:MAX_MESSAGE_CHARS],
        app=app,
        app_version=__version__,
    )
    value = b"" if message.key is None and message.value is None else message.value
    return Outgoing(message.topic + DEAD_LETTER_SUFFIX, message.key, value, [*message.headers, *why.headers()])


def total(messages: Sequence[Outgoing], topic: Topic) -> int:
    """Return how many of `messages` go to `topic`."""
    return sum(message.topic == topic.name for message in messages)
