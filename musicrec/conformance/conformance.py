"""All checks over the messages of one topic; fed one by one in the order of their partitions, then asked.

Memory grows with the listeners and the events that are looked at, so callers give some ten thousand messages.
"""

import zlib
from collections import Counter
from collections.abc import Sequence
from typing import Final, NamedTuple

from musicrec.cloud_events import check_headers
from musicrec.co_partitioning import place_of
from musicrec.conformance.clocks import Clocks
from musicrec.conformance.event_ids import EventIds
from musicrec.conformance.finding import MOST_EXAMPLES, Check, Finding, Verdict
from musicrec.conformance.listens import Listens
from musicrec.conformance.unknown_fields import UnknownFields
from musicrec.contracts import ListenEvent, VersionedRecord
from musicrec.errors import BadInput
from musicrec.printable import printable_bytes
from musicrec.settings import SessionSettings
from musicrec.topics import Topic

LOG_APPEND_TIME: Final = 1


class Message(NamedTuple):
    """A Kafka record."""

    place: str
    """For people."""
    partition: int
    timestamp_ms: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class Conformance:
    """Judges one topic."""

    def __init__(self, topic: Topic, partitions: int, rules: SessionSettings | None = None) -> None:
        """Begin.

        Args:
            topic: the topic of the table whose contract is to be kept.
            partitions: how many the broker's topic has.
            rules: how late and how early events may be; the defaults if None.
        """
        if topic.record is None:
            raise ValueError(f"{topic.name} holds dead letters, which have no contract")
        self._topic, self._record, self._partitions = topic, topic.record, partitions
        self._seen = 0
        self._values: Counter[str] = Counter()
        self._refused: list[str] = []
        self._keys: list[str] = []
        self._keys_wrong = 0
        self._misplaced: list[str] = []
        self._misplaced_count = self._by_crc32 = self._placed = 0
        self._unknown = UnknownFields(self._record)
        self._clocks = Clocks(rules or SessionSettings())
        self._listens = Listens()
        self._ids = EventIds()

    def take(self, message: Message) -> None:
        """Look at a message."""
        self._seen += 1
        self._look_at_partition(message)
        if message.value is None and self._topic.cleanup == "compact":
            return  # a tombstone
        try:
            check_headers(message.headers, self._record)
            record = self._record.decode(message.value)
        except BadInput as error:
            self._values[error.reason.value] += 1
            _example(self._refused, f"{message.place}: {error}")
            return
        self._look_at_key(message, record)
        self._unknown.take(message.value or b"", message.place)
        # An event that is sent again is known by its id, whatever its time is.
        if isinstance(record, ListenEvent) and self._ids.is_new(record, message.place):
            self._clocks.take(record, message.timestamp_ms, message.place)
            self._listens.take(record)

    def findings(self) -> list[Finding]:
        """Return what each check has come to."""
        found = [self._of_keys(), self._of_partitioner(), self._of_values()]
        found.append(self._unknown.finding())
        if self._record is ListenEvent:
            found += [*self._clocks.findings(), *self._listens.findings(), self._ids.finding()]
        return found

    def _look_at_partition(self, message: Message) -> None:
        if message.key is None:
            return
        self._placed += 1
        if place_of(message.key) % self._partitions != message.partition:
            self._misplaced_count += 1
            self._by_crc32 += zlib.crc32(message.key) % self._partitions == message.partition
            _example(self._misplaced, f"{message.place}: key {printable_bytes(message.key[:80])}")

    def _look_at_key(self, message: Message, record: VersionedRecord) -> None:
        wanted = str(getattr(record, self._topic.key))
        if message.key != wanted.encode():
            self._keys_wrong += 1
            key = "none" if message.key is None else printable_bytes(message.key[:80])
            _example(self._keys, f"{message.place}: key {key}, {self._topic.key} {printable_bytes(wanted.encode())}")

    def _of_keys(self) -> Finding:
        read = self._seen - self._values.total()
        if not read:
            return Finding(Check.KEY, Verdict.UNSEEN, "no message can be read")
        if not self._keys_wrong:
            return Finding(Check.KEY, Verdict.HOLDS, f"the {self._topic.key} of the body, in all of {read:,}")
        return Finding(
            Check.KEY,
            Verdict.FAILS,
            f"{self._keys_wrong:,} of {read:,} are not the {self._topic.key} of the body: they are refused "
            f"(key_mismatch); send its UTF-8 bytes, without quotes",
            tuple(self._keys),
        )

    def _of_partitioner(self) -> Finding:
        if not self._placed:
            return Finding(Check.PARTITIONER, Verdict.UNSEEN, "no message has a key")
        if not self._misplaced_count:
            return Finding(Check.PARTITIONER, Verdict.HOLDS, f"murmur2 of the key, in all of {self._placed:,}")
        # By chance CRC32 agrees with a wrong partition once in as many as there are partitions.
        is_crc32 = self._by_crc32 > 0.9 * self._misplaced_count
        hint = (
            "they lie where CRC32 puts them, librdkafka's default: set partitioner=murmur2_random"
            if is_crc32
            else "use the partitioner of Java's producer (murmur2), and name no partition yourself"
        )
        return Finding(
            Check.PARTITIONER,
            Verdict.FAILS,
            f"{self._misplaced_count:,} of {self._placed:,} are on another partition than murmur2 of their key, so a "
            f"listener's events can be on two; {hint}",
            tuple(self._misplaced),
        )

    def _of_values(self) -> Finding:
        if not self._seen:
            return Finding(Check.VALUE, Verdict.UNSEEN, "the topic holds no message")
        if not self._values:
            return Finding(Check.VALUE, Verdict.HOLDS, f"a {self._record.__name__}, in all of {self._seen:,}")
        counted = ", ".join(f"{reason} {count:,}" for reason, count in self._values.most_common())
        return Finding(
            Check.VALUE,
            Verdict.FAILS,
            f"{self._values.total():,} of {self._seen:,} are refused ({counted}); the schema is in deploy/contracts",
            tuple(self._refused),
        )


def _example(examples: list[str], text: str) -> None:
    if len(examples) < MOST_EXAMPLES:
        examples.append(text)
