"""The metrics of a worker, and of the gateway: names, labels, meanings; and the table of deploy/metrics.md from them.

Names follow Prometheus: base units, `_total`, `_seconds`.  Labels are bounded: topics, partitions, reasons, never a
listener or a track.
"""

from collections.abc import Iterable, Iterator
from enum import StrEnum
from typing import Final, Literal, NamedTuple

from musicrec.documents.member_docs import member_docs
from musicrec.errors import DeadLetterReason


class Metric(NamedTuple):
    """One metric family."""

    name: str
    kind: Literal["counter", "gauge", "histogram", "info"]
    labels: tuple[str, ...]
    meaning: str


class EventOutcome(StrEnum):
    """What became of a message; the outcomes of a topic add up to its messages."""

    APPLIED = "applied"
    """A listen event was applied to its session."""
    DUPLICATE = "duplicate"
    """A listen event had been applied before."""
    LISTED = "listed"
    """A session snapshot was answered by a list."""
    PASSED_OVER = "passed_over"
    """A session snapshot was answered by the list of a newer one of the same listener."""
    STALE = "stale"
    """A session snapshot was older than `MUSICREC_RANKING__STALE_AFTER_MS` and got no list."""
    ANSWERED = "answered"
    """A request was answered by a list."""
    ANSWERED_BEFORE = "answered_before"
    """A session snapshot came again after a newer list of the listener, which answers it too."""
    HIT = "hit"
    """The track that was played stood in the list before it."""
    MISS = "miss"
    """The track that was played did not stand in the list before it."""
    WITHOUT_LIST = "without_list"
    """No list came before the track that was played."""
    EMBEDDED = "embedded"
    """A track got a vector."""
    UNCHANGED = "unchanged"
    """A track came again with the same audio, and keeps its vector."""
    REMOVED = "removed"
    """A track was removed, and its vector with it."""
    WITHOUT_AUDIO = "without_audio"
    """A track names no audio and got no vector."""
    DEAD_LETTERED = "dead_lettered"
    """A message was refused; it stands in the topic's dead-letter topic with the reason."""
    IGNORED = "ignored"
    """A message asked for nothing: feedback where only listens are joined, an older version of a track."""


class ModelOutcome(StrEnum):
    """What became of an announced model."""

    IN_USE = "in_use"
    """It was loaded, and makes the lists."""
    WITHDRAWN = "withdrawn"
    """It was taken back: the encoder that the setting names makes the lists, a ranker goes on with what it learned."""
    MISSING = "missing"
    """A file is not there or cannot be read; it is tried again every half minute, the old one stays."""
    REFUSED = "refused"
    """It is damaged, another one than announced, or outside the directory; the old one stays."""


EVENTS: Final = Metric(
    "musicrec_events_total", "counter", ("topic", "outcome"), "Messages finished, by what became of them."
)
DUPLICATES: Final = Metric("musicrec_duplicates_total", "counter", ("topic",), "Messages that had been applied before.")
DEAD_LETTERS: Final = Metric(
    "musicrec_dlq_total", "counter", ("topic", "reason"), "Messages refused, by topic that they came from."
)
RETRIES: Final = Metric(
    "musicrec_retries_total",
    "counter",
    ("topic",),
    "Times that a batch was tried again because Redis or Kafka was away, or another worker was ahead.",
)
LEARNED: Final = Metric("musicrec_learned_total", "counter", (), "Listens that the ranking state has learned from.")
UNREADABLE: Final = Metric(
    "musicrec_unreadable_total",
    "counter",
    ("topic",),
    "Records passed over by what follows the topic, because they break the contract.",
)
PROCESSING: Final = Metric(
    "musicrec_event_processing_seconds",
    "histogram",
    ("topic",),
    "From a message's turn to its acknowledgement: decided, delivered, saved.",
)
EVENT_TO_LIST: Final = Metric(
    "musicrec_event_to_recommendation_seconds",
    "histogram",
    (),
    "From the publication of a listen event to the delivery of the list that answers it.",
)
REDIS_CALLS: Final = Metric(
    "musicrec_redis_call_seconds", "histogram", ("op",), "Round trips to Redis, those that fail included."
)
REDIS_ERRORS: Final = Metric(
    "musicrec_redis_errors_total",
    "counter",
    ("op",),
    "Round trips to Redis that failed: no answer within the deadline, or a refusal.",
)
MEMORY_FAILURES: Final = Metric(
    "musicrec_embedding_memory_failures_total",
    "counter",
    (),
    "Times that Redis did not say or take what is known of tracks' audio; they are embedded anew.",
)
LAST_EVENT: Final = Metric(
    "musicrec_last_event_timestamp_seconds",
    "gauge",
    ("topic",),
    "Broker's timestamp of the newest message finished, Unix time.",
)
LAG: Final = Metric(
    "musicrec_consumer_lag_messages",
    "gauge",
    ("topic", "partition"),
    "Messages published and not finished, of the partitions that the worker is assigned.",
)
LAST_FETCH: Final = Metric(
    "musicrec_last_fetch_timestamp_seconds",
    "gauge",
    ("topic",),
    "When the broker last answered a fetch, of the partition that has waited longest; Unix time.",
)
FOLLOWER_LAG: Final = Metric(
    "musicrec_follower_lag_messages", "gauge", ("topic",), "Records published and not taken into the worker's state."
)
OVERTAKEN: Final = Metric(
    "musicrec_overtaken_total",
    "counter",
    ("topic",),
    "Messages finished ahead of what lags before them in their partition, because somebody waits.",
)
INDEX_VECTORS: Final = Metric("musicrec_index_vectors", "gauge", (), "Tracks in the vector index that answers.")
INDEX_NEWEST: Final = Metric(
    "musicrec_index_newest_timestamp_seconds",
    "gauge",
    (),
    "When the newest of these vectors was made, Unix time; NaN without vectors.",
)
SNAPSHOT: Final = Metric(
    "musicrec_snapshot_timestamp_seconds",
    "gauge",
    (),
    "When the newest snapshot of what the ranking has learned was written, Unix time; NaN without one.",
)
STARTUP: Final = Metric(
    "musicrec_startup_seconds",
    "gauge",
    (),
    "From the worker's start to its readiness: state restored, joined its group; NaN before.",
)
EMBED: Final = Metric(
    "musicrec_embed_seconds",
    "histogram",
    (),
    "From the fetch of a track's audio to its vector, waits for decoder and network included.",
)
GROUP_LAG: Final = Metric(
    "musicrec_group_lag_messages",
    "gauge",
    ("agent", "topic", "partition"),
    "Messages published and not committed by the agent's group, as the page asks the broker: also where no worker is.",
)
PAGE_STREAMS: Final = Metric("musicrec_page_streams", "gauge", (), "Live pages that are open.")
RE_EMBEDDING_REMAINING: Final = Metric(
    "musicrec_re_embedding_remaining_messages",
    "gauge",
    (),
    "Messages that the topic of tracks had at the start and that the re-embedder's group has not finished.",
)
RE_EMBEDDING_WAITS: Final = Metric(
    "musicrec_re_embedding_waits", "gauge", (), "Whether the re-embedder lets the embedder go first: 1 or 0."
)
RULES: Final = Metric("musicrec_rules", "gauge", ("effect",), "Rules that lists obey while they are in force.")
MODEL_LOADS: Final = Metric(
    "musicrec_model_loads_total", "counter", ("outcome",), "What became of announced models, as below."
)
MODEL: Final = Metric(
    "musicrec_model_info", "info", ("version",), "Session encoder that makes the lists, `none` without one; always 1."
)
TRAINED_RANKER: Final = Metric(
    "musicrec_ranker_info",
    "info",
    ("version",),
    "Trained ranker that the ranking's networks began with, `none` without one; always 1.",
)
VARIANT_LISTENS: Final = Metric(
    "musicrec_variant_listens_total",
    "counter",
    ("variant",),
    "Listens that had a list before them, by the variant of the ranking that made it; `default` without one.",
)
VARIANT_HITS: Final = Metric(
    "musicrec_variant_hits_total", "counter", ("variant",), "Those whose track was among the first 20: HR@20 of these."
)
VARIANT_RECIPROCAL_RANKS: Final = Metric(
    "musicrec_variant_reciprocal_ranks_total", "counter", ("variant",), "Sum of 1 / place of the hits: MRR@20 of these."
)
VARIANT_SKIPS: Final = Metric("musicrec_variant_skips_total", "counter", ("variant",), "Those that were skipped.")
VARIANT_RANKING: Final = Metric(
    "musicrec_variant_ranking_seconds", "histogram", ("variant",), "Time of one list: candidates, ranker, re-ranking."
)
GATEWAY_REQUESTS: Final = Metric(
    "musicrec_gateway_requests_total",
    "counter",
    ("route", "method", "status"),
    "Requests that the gateway has answered; a WebSocket counts when it ends, with status 101.",
)
GATEWAY_SECONDS: Final = Metric(
    "musicrec_gateway_request_seconds", "histogram", ("route",), "From a request to its answer; streams are left out."
)
GATEWAY_RECORDS: Final = Metric(
    "musicrec_gateway_records_total",
    "counter",
    ("topic", "status"),
    "Records posted to the gateway: accepted, refused, or unknown where the broker did not say.",
)
GATEWAY_STREAMS: Final = Metric(
    "musicrec_gateway_streams", "gauge", ("kind",), "Open streams of lists: websocket, events."
)
GATEWAY_CUTS: Final = Metric(
    "musicrec_gateway_streams_ended_total",
    "counter",
    ("reason",),
    "Streams that have ended: gone, slow, token, stopping, speaks.",
)
REBALANCES: Final = Metric(
    "musicrec_rebalances_total", "counter", (), "Rebalances of the group that this worker has been through."
)
SERVER_UP: Final = Metric(
    "musicrec_server_up", "gauge", ("server",), "Whether Kafka and Redis answered when last asked: 1 or 0."
)
READY: Final = Metric("musicrec_ready", "gauge", (), "What /readyz says: 1 or 0.")
BUILD: Final = Metric("musicrec_build_info", "info", ("agent", "version", "python"), "Always 1.")

METRICS: Final = (
    EVENTS,
    DUPLICATES,
    DEAD_LETTERS,
    RETRIES,
    PROCESSING,
    EVENT_TO_LIST,
    LAST_EVENT,
    LAST_FETCH,
    LAG,
    OVERTAKEN,
    REBALANCES,
    REDIS_CALLS,
    REDIS_ERRORS,
    MEMORY_FAILURES,
    SERVER_UP,
    READY,
    STARTUP,
    LEARNED,
    UNREADABLE,
    FOLLOWER_LAG,
    SNAPSHOT,
    EMBED,
    RE_EMBEDDING_REMAINING,
    RE_EMBEDDING_WAITS,
    INDEX_VECTORS,
    INDEX_NEWEST,
    VARIANT_LISTENS,
    VARIANT_HITS,
    VARIANT_RECIPROCAL_RANKS,
    VARIANT_SKIPS,
    VARIANT_RANKING,
    MODEL,
    TRAINED_RANKER,
    MODEL_LOADS,
    RULES,
    GATEWAY_REQUESTS,
    GATEWAY_SECONDS,
    GATEWAY_RECORDS,
    GATEWAY_STREAMS,
    GATEWAY_CUTS,
    GROUP_LAG,
    PAGE_STREAMS,
    BUILD,
)

HEADING: Final = "<!-- Generated by `musicrec worker --metrics`; a test fails where it differs from the code. -->"


def metrics_document() -> str:
    """Return all metrics as a Markdown document."""
    rows = [(f"`{m.name}`", m.kind, ", ".join(m.labels) or "none", m.meaning) for m in METRICS]
    outcomes = [(f"`{value}`", meaning) for value, meaning in member_docs(EventOutcome).items()]
    reasons = [(f"`{value}`", meaning) for value, meaning in member_docs(DeadLetterReason).items()]
    loads = [(f"`{value}`", meaning) for value, meaning in member_docs(ModelOutcome).items()]
    parts = [
        HEADING,
        *_table(("metric", "type", "labels", "meaning"), rows),
        "",
        "Beside them stand `process_*` and `python_*` of the Prometheus client. `outcome` is one of",
        "",
        *_table(("outcome", "meaning"), outcomes),
        "",
        "and `reason` one of",
        "",
        *_table(("reason", "meaning"), reasons),
        "",
        "`outcome` of `musicrec_model_loads_total` is one of",
        "",
        *_table(("outcome", "meaning"), loads),
    ]
    return "\n".join([parts[0], "", *parts[1:], ""])


def _table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    for row in (head, tuple("---" for _ in head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
