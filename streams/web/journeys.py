"""The listeners whose way somebody looks at: read back from the topics once, and followed from then on."""

import asyncio
import logging
import time
from collections import OrderedDict
from contextlib import suppress
from typing import Final

from aiokafka import ConsumerRecord, TopicPartition
from aiokafka.partitioner import DefaultPartitioner

from musicrec.contracts import ListenEvent, Outcome, Recommendation, RecommendationRequest, SessionSnapshot
from musicrec.dead_letters.letter import Place, letter_of
from musicrec.dead_letters.reader import Span, TopicReader
from musicrec.dead_letters.selection import ANY_OFFSET
from musicrec.errors import BadInput
from musicrec.settings import KafkaSettings
from musicrec.topics import DEAD_LETTERS, LISTENS, OUTCOMES, RECOMMENDATIONS, REQUESTS, SESSIONS, Topic
from streams.web.journey import Journey

log = logging.getLogger(__name__)

FOLLOWED: Final = 30
"""Listeners followed at once; whoever was looked at longest ago goes."""
READ_BACK_MS: Final = 3_600_000
MOST_MESSAGES: Final = 10_000
"""Of each topic's partition: some seconds of reading, whatever the traffic of the hour."""

LETTERS: Final = {topic.name for topic in DEAD_LETTERS}
BY_LISTENER: Final[tuple[Topic, ...]] = (
    LISTENS,
    REQUESTS,
    SESSIONS,
    RECOMMENDATIONS,
    OUTCOMES,
    *(topic for topic in DEAD_LETTERS if topic.dead_letters_of in (LISTENS, REQUESTS, SESSIONS)),
)
"""Topics that the way leads through, all keyed by listener."""


class Journeys:
    """Journeys by listener, and what comes of them from now on."""

    def __init__(self, kafka: KafkaSettings) -> None:
        self._kafka = kafka
        self._followed: OrderedDict[bytes, Journey] = OrderedDict()
        self._reading: dict[bytes, asyncio.Task[None]] = {}
        self._one_at_a_time = asyncio.Semaphore(2)

    async def of(self, user_id: str) -> Journey:
        """Return a listener's journey, read back an hour if nobody has looked at it lately.

        Raises:
            Unavailable: the broker does not answer, or lacks a topic.
        """
        key = user_id.encode()
        journey = self._followed.get(key)
        if journey is None:
            # Followed before it is read back: what comes meanwhile comes twice rather than never.
            journey = self._followed[key] = Journey(user_id)
            self._reading[key] = asyncio.create_task(self._read_back(journey))
            while len(self._followed) > FOLLOWED:
                self._followed.popitem(last=False)
        self._followed.move_to_end(key)
        if (reading := self._reading.get(key)) is not None:
            try:
                await asyncio.shield(reading)
            except BaseException:
                if reading.done():
                    self._followed.pop(key, None)
                raise
            finally:
                if reading.done():
                    self._reading.pop(key, None)
        return journey

    def take(self, record: ConsumerRecord) -> None:
        """Take a record that has just come, of whomever it is."""
        if self._followed and (journey := self._followed.get(record.key or b"")) is not None:
            with suppress(BadInput):
                add_record(journey, record)

    async def close(self) -> None:
        """End what is being read."""
        for task in self._reading.values():
            task.cancel()
        await asyncio.gather(*self._reading.values(), return_exceptions=True)

    async def _read_back(self, journey: Journey) -> None:
        key, since_ms = journey.user_id.encode(), time.time_ns() // 1_000_000 - READ_BACK_MS
        async with self._one_at_a_time, TopicReader(self._kafka) as reader:
            spans = []
            for topic in BY_LISTENER:
                numbers = list(range(await reader.partitions(topic.name)))
                place = TopicPartition(topic.name, DefaultPartitioner()(key, numbers, numbers))
                spans.append(Span(place, 0, ANY_OFFSET))
            whole, lately = await reader.existing(spans), await reader.existing(spans, since_ms=since_ms)
            cut = [span._replace(start=max(span.start, span.end - MOST_MESSAGES)) for span in lately]
            back_to_ms, cut_at = since_ms, {(*span.partition, span.start) for span in set(cut) - set(lately)}
            async for record in reader.records(cut):
                if (record.topic, record.partition, record.offset) in cut_at:
                    back_to_ms = max(back_to_ms, record.timestamp)
                if record.key == key:
                    with suppress(BadInput):
                        add_record(journey, record)
        is_whole = sum(span.length for span in cut) == sum(span.length for span in whole)
        journey.read_back_to_ms = None if is_whole else back_to_ms


def add_record(journey: Journey, record: ConsumerRecord) -> None:
    """Take a record of the listener into the journey.

    Raises:
        BadInput: it is of one of our agents and cannot be read.
    """
    place = Place(record.topic, record.partition, record.offset)
    if record.topic == LISTENS.name:
        try:
            journey.add_event(ListenEvent.decode(record.value), place, record.timestamp)
        except BadInput:
            journey.add_unreadable(place, record.timestamp)
    elif record.topic == REQUESTS.name:
        try:
            journey.add_request(RecommendationRequest.decode(record.value), place, record.timestamp)
        except BadInput:
            journey.add_unreadable(place, record.timestamp)
    elif record.topic == SESSIONS.name:
        journey.add_snapshot(SessionSnapshot.decode(record.value), place, record.timestamp)
    elif record.topic == RECOMMENDATIONS.name:
        journey.add_list(Recommendation.decode(record.value))
    elif record.topic == OUTCOMES.name:
        journey.add_outcome(Outcome.decode(record.value))
    elif record.topic in LETTERS:
        headers = tuple(record.headers)
        journey.add_letter(
            letter_of(place, at_ms=record.timestamp, key=record.key, value=record.value, headers=headers)
        )
