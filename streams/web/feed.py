"""From the records of a topic to the board."""

import logging
import time
from collections.abc import Callable, Sequence

from aiokafka import ConsumerRecord

from musicrec.contracts import DeadLetter, EmbeddingHead, Outcome, Recommendation, SessionSnapshot, Track
from musicrec.errors import BadInput
from musicrec.model_announcements import announcement_in
from musicrec.published_rules import rule_in
from musicrec.topics import (
    DEAD_LETTERS,
    EMBEDDINGS,
    LISTENS,
    MODELS,
    OUTCOMES,
    RECOMMENDATIONS,
    REQUESTS,
    RULES,
    SESSIONS,
    TRACKS,
)
from streams.web.board import Board
from streams.web.journeys import Journeys

log = logging.getLogger(__name__)

FROM_THE_BEGINNING = (TRACKS.name, EMBEDDINGS.name, MODELS.name, RULES.name)
"""State: every title counts, however old."""
FROM_NOW_ON = (
    LISTENS.name,
    REQUESTS.name,
    SESSIONS.name,
    RECOMMENDATIONS.name,
    OUTCOMES.name,
    *(topic.name for topic in DEAD_LETTERS),
)
"""Happenings: the page shows those that come while it runs."""


class Feed:
    """Handler of `TopicFollower`: decodes each record and hands it to the board; one that cannot be is passed over."""

    def __init__(self, board: Board, journeys: Journeys | None = None) -> None:
        """Make it.

        Args:
            board: takes what the page shows of everybody.
            journeys: takes what comes of the listeners that somebody looks at.
        """
        self._board = board
        self._journeys = journeys
        self.passed_over = 0
        self._takers: dict[str, Callable[[ConsumerRecord, int], None]] = {
            SESSIONS.name: lambda r, now_ms: board.add_session(SessionSnapshot.decode(r.value), now_ms),
            RECOMMENDATIONS.name: lambda r, now_ms: board.add_recommendation(Recommendation.decode(r.value), now_ms),
            OUTCOMES.name: lambda r, now_ms: board.add_outcome(Outcome.decode(r.value)),
            TRACKS.name: self._take_track,
            EMBEDDINGS.name: self._take_embedding,
            MODELS.name: lambda r, now_ms: board.standing.announce(*announcement_in(r.key, r.value)),
            RULES.name: lambda r, now_ms: board.standing.put_rule(*rule_in(r.key, r.value)),
            LISTENS.name: _of_one_listener,
            REQUESTS.name: _of_one_listener,
        } | dict.fromkeys((topic.name for topic in DEAD_LETTERS), self._take_dead_letter)

    def __call__(self, records: Sequence[ConsumerRecord]) -> None:
        """Take a slice of records."""
        now_ms = time.time_ns() // 1_000_000
        for record in records:
            if self._journeys is not None:
                self._journeys.take(record)
            try:
                self._takers[record.topic](record, now_ms)
            except BadInput as error:
                # Not raised: the follower would hand the whole slice over again, and count the good ones twice.
                self.passed_over += 1
                log.debug("%s[%d]@%d: %s", record.topic, record.partition, record.offset, error)

    def _take_track(self, record: ConsumerRecord, now_ms: int) -> None:
        if record.value is None:
            self._board.names.forget(_key(record))
        else:
            self._board.add_track(Track.decode(record.value))

    def _take_embedding(self, record: ConsumerRecord, now_ms: int) -> None:
        if record.value is None:
            self._board.names.forget_embedding(_key(record))
        else:
            self._board.names.learn_embedding(EmbeddingHead.decode(record.value))

    def _take_dead_letter(self, record: ConsumerRecord, now_ms: int) -> None:
        topic = record.topic.removesuffix(".dlq")
        try:
            letter = DeadLetter.from_headers(list(record.headers))
        except BadInput:
            place = f"{record.topic}[{record.partition}]@{record.offset}"
            self._board.add_unreadable_dead_letter(topic, place, now_ms)
        else:
            self._board.add_dead_letter(topic, letter, now_ms)


def _of_one_listener(record: ConsumerRecord, now_ms: int) -> None:
    """What comes in is counted by what comes of it; the topic is followed for journeys alone."""


def _key(record: ConsumerRecord) -> str:
    return (record.key or b"").decode(errors="replace")
