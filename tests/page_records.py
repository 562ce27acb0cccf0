"""Records as the live page gets them."""

from typing import Any

from musicrec.contracts import (
    DeadLetter,
    EventType,
    ExcludedCandidates,
    ListenOutcome,
    Making,
    Mode,
    Outcome,
    ReasonCode,
    Recommendation,
    RecommendedItem,
    SessionEntry,
    SessionSnapshot,
    SourceRank,
    Timings,
    Trigger,
)
from musicrec.errors import DeadLetterReason

NOW_MS = 1_790_000_000_000


def snapshot(user: str = "ada", *tracks: str, revision: int = 1, **trigger: Any) -> SessionSnapshot:
    """Return a session of completed listens; `trigger` fields replace those of a play of the last track."""
    entries = tuple(
        SessionEntry(
            track_id=track, listens=1, outcome=ListenOutcome.COMPLETED, ms_played=1_000, ended_at_ms=NOW_MS + i
        )
        for i, track in enumerate(tracks)
    )
    fields: dict[str, Any] = {
        "event_id": f"{user}-{revision}",
        "type": EventType.PLAY,
        "track_id": tracks[-1] if tracks else "none",
        "outcome": ListenOutcome.COMPLETED,
        "occurred_at_ms": NOW_MS,
        "published_at_ms": NOW_MS,
        "partition": 0,
        "offset": revision,
    }
    return SessionSnapshot(
        user_id=user, revision=revision, session_id=f"s-{user}", entries=entries, trigger=Trigger(**(fields | trigger))
    )


def recommendation(user: str = "ada", *tracks: str, revision: int = 1, **fields: Any) -> Recommendation:
    """Return a list of `tracks`, each from two sources."""
    values: dict[str, Any] = {
        "list_id": f"l-{user}-{revision}",
        "user_id": user,
        "mode": Mode.SESSION,
        "items": tuple(
            RecommendedItem(
                track_id=track,
                score=1.0,
                sources=(SourceRank(source="session_knn", rank=2), SourceRank(source="popular", rank=7)),
                reason=ReasonCode.SESSIONS_LIKE_THIS,
            )
            for track in tracks
        ),
        "session_revision": revision,
        "model_version": "m",
        "index_version": "i",
        "generated_at_ms": NOW_MS,
        "timings": Timings(event_to_list_ms=7.0, ranking_ms=0.4),
    }
    return Recommendation(**(values | fields))


def outcome(event: str = "e", *, rank: int | None = None, **fields: Any) -> Outcome:
    """Return a completed listen after a list of 20."""
    values: dict[str, Any] = {
        "user_id": "ada",
        "event_id": event,
        "track_id": "t",
        "outcome": ListenOutcome.COMPLETED,
        "played_at_ms": NOW_MS,
        "list_id": "l",
        "rank": rank,
        "list_length": 20,
    }
    return Outcome(**(values | fields))


def dead_letter(offset: int, reason: DeadLetterReason = DeadLetterReason.INVALID) -> DeadLetter:
    """Return the reason that stands with a refused play."""
    return DeadLetter(
        original_topic="musicrec.listens.v1",
        original_partition=3,
        original_offset=offset,
        original_timestamp=NOW_MS,
        reason=reason,
        error_message="track_id: a play event needs it",
        app="session",
        app_version="1",
    )


def dialled(discovery: float, new: tuple[int, ...]) -> Making:
    """Return the making of a list of four for a listener whose dial stands at `discovery`, with its new places."""
    return Making(
        sources=(),
        weights=(),
        proposed=(),
        rank_constant=10.0,
        repeat_factor=0.5,
        candidates=4,
        excluded=ExcludedCandidates(),
        ranked=0,
        fusion_ranks=(1, 2, 3, 4),
        discovery=discovery,
        new_to_listener=new,
    )
