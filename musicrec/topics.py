"""The one table of topics: name, key, partitions, retention, compaction, who writes, who reads.

The AsyncAPI document, the README table, topic creation and the tests are all made from it.
"""

from dataclasses import dataclass
from typing import Final

from musicrec.contracts import (
    CatalogueRule,
    ListenEvent,
    ModelAnnouncement,
    Outcome,
    Recommendation,
    RecommendationRequest,
    SessionSnapshot,
    ShadowRecommendation,
    Track,
    TrackEmbedding,
    VersionedRecord,
)

DAY_MS: Final = 86_400_000

USER_PARTITIONS: Final = 12
"""Topics keyed by listener share one count, so that a listener has the same partition on each of them."""
TRACK_PARTITIONS: Final = 6

REASON_BYTES: Final = 16 * 1024
"""Room for the headers of a dead letter: what just fits its topic has to fit the dead-letter topic with its reason."""


@dataclass(frozen=True, slots=True)
class Topic:
    """One topic."""

    name: str
    record: type[VersionedRecord] | None
    """What its values are; none for dead letters, which hold whatever was refused, byte for byte."""
    key: str
    """Field of the record that is the message key."""
    partitions: int
    cleanup: str
    """Kafka's cleanup.policy."""
    retention_ms: int | None
    """None keeps for ever (compacted topics)."""
    written_by: str
    read_by: str
    purpose: str
    stamped_by_broker: bool = False
    """Message timestamps are the broker's: one clock for lateness, and the same decision when a message comes again."""
    dead_letters_of: "Topic | None" = None
    """Topic whose refused messages lie here."""

    @property
    def dead_letters(self) -> str:
        """Name of the topic for what could not be taken from this one."""
        return f"{self.name}.dlq"

    @property
    def max_message_bytes(self) -> int:
        """Largest message that the broker takes."""
        if self.dead_letters_of is not None:
            return self.dead_letters_of.max_message_bytes + REASON_BYTES
        # Room for headers and for what a publisher sends too large, so that it can be refused with a reason.
        return max(1_048_588, 2 * self.record.MAX_BYTES if self.record is not None else 0)

    @property
    def config(self) -> dict[str, str]:
        """Kafka's topic configuration."""
        config = {
            "cleanup.policy": self.cleanup,
            "min.insync.replicas": "1",
            "max.message.bytes": str(self.max_message_bytes),
        }
        if self.stamped_by_broker:
            config["message.timestamp.type"] = "LogAppendTime"
        if self.retention_ms is not None:
            config["retention.ms"] = str(self.retention_ms)
        return config


LISTENS: Final = Topic(
    name="musicrec.listens.v1",
    record=ListenEvent,
    key="user_id",
    partitions=USER_PARTITIONS,
    cleanup="delete",
    retention_ms=7 * DAY_MS,
    written_by="platform, gateway",
    read_by="session agent, session-ranking agent, page",
    purpose="plays, skips and feedback",
    stamped_by_broker=True,
)
TRACKS: Final = Topic(
    name="musicrec.tracks.v1",
    record=Track,
    key="track_id",
    partitions=TRACK_PARTITIONS,
    cleanup="compact",
    retention_ms=None,
    written_by="platform, gateway",
    read_by="embedder, re-embedder, ranking agent, session-ranking agent, page",
    purpose="the catalogue; a tombstone removes a track",
)
SESSIONS: Final = Topic(
    name="musicrec.sessions.v1",
    record=SessionSnapshot,
    key="user_id",
    partitions=USER_PARTITIONS,
    cleanup="delete",
    retention_ms=7 * DAY_MS,
    written_by="session agent, session-ranking agent",
    read_by="ranking agent, session-ranking agent, outcome agent, page",
    purpose="a listener's session after each applied event",
)
REQUESTS: Final = Topic(
    name="musicrec.requests.v1",
    record=RecommendationRequest,
    key="user_id",
    partitions=USER_PARTITIONS,
    cleanup="delete",
    retention_ms=DAY_MS,
    written_by="platform, gateway",
    read_by="ranking agent, session-ranking agent, page",
    purpose="explicit requests for a list",
)
EMBEDDINGS: Final = Topic(
    name="musicrec.track-embeddings.v1",
    record=TrackEmbedding,
    key="track_id",
    partitions=TRACK_PARTITIONS,
    cleanup="compact",
    retention_ms=None,
    written_by="embedder, re-embedder",
    read_by="ranking agent, session-ranking agent, page",
    purpose="a vector per track; rebuilds the index anywhere",
)
RECOMMENDATIONS: Final = Topic(
    name="musicrec.recommendations.v1",
    record=Recommendation,
    key="user_id",
    partitions=USER_PARTITIONS,
    cleanup="delete",
    retention_ms=DAY_MS,
    written_by="ranking agent, session-ranking agent",
    read_by="platform, gateway, page",
    purpose="lists, for an event or a request",
)
SHADOW_RECOMMENDATIONS: Final = Topic(
    name="musicrec.shadow-recommendations.v1",
    record=ShadowRecommendation,
    key="user_id",
    partitions=USER_PARTITIONS,
    cleanup="delete",
    retention_ms=DAY_MS,
    written_by="ranking agent, session-ranking agent",
    read_by="operators",
    purpose="lists of variants that nobody is shown",
)
OUTCOMES: Final = Topic(
    name="musicrec.outcomes.v1",
    record=Outcome,
    key="user_id",
    partitions=USER_PARTITIONS,
    cleanup="delete",
    retention_ms=7 * DAY_MS,
    written_by="outcome agent",
    read_by="platform, page",
    purpose="what was played after each list",
)

MODELS: Final = Topic(
    name="musicrec.models.v1",
    record=ModelAnnouncement,
    key="name",
    partitions=1,
    cleanup="compact",
    retention_ms=None,
    written_by="`musicrec model`",
    read_by="ranking agent, session-ranking agent, page, `musicrec model`",
    purpose="trained models to load, and variants of the ranking; a tombstone withdraws one",
)
RULES: Final = Topic(
    name="musicrec.rules.v1",
    record=CatalogueRule,
    key="name",
    partitions=1,
    cleanup="compact",
    retention_ms=None,
    written_by="`musicrec rules`",
    read_by="ranking agent, session-ranking agent, page, `musicrec rules`",
    purpose="what lists must not hold, where and when; a tombstone withdraws a rule",
)

RECORD_TOPICS: Final = (
    LISTENS,
    TRACKS,
    SESSIONS,
    REQUESTS,
    EMBEDDINGS,
    RECOMMENDATIONS,
    SHADOW_RECOMMENDATIONS,
    OUTCOMES,
    MODELS,
    RULES,
)


def dead_letter_topic(source: Topic, written_by: str) -> Topic:
    """Return the dead-letter topic of `source`: the same keys and partitions, kept for 14 days."""
    return Topic(
        name=source.dead_letters,
        record=None,
        key=source.key,
        partitions=source.partitions,
        cleanup="delete",
        retention_ms=14 * DAY_MS,
        written_by=written_by,
        read_by="operators, page",
        purpose=f"what could not be taken from {source.name}, byte for byte, with the reason in headers",
        dead_letters_of=source,
    )


DEAD_LETTERS: Final = (
    dead_letter_topic(LISTENS, "session agent, session-ranking agent"),
    dead_letter_topic(TRACKS, "embedder, re-embedder"),
    dead_letter_topic(SESSIONS, "ranking agent, session-ranking agent, outcome agent"),
    dead_letter_topic(REQUESTS, "ranking agent, session-ranking agent"),
)

TOPICS: Final = RECORD_TOPICS + DEAD_LETTERS
