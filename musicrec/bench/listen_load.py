"""A load of listen events: many listeners, a Zipf catalogue, seeded."""

import time
from collections.abc import Iterator

import numpy as np

from musicrec.contracts import EventType, ListenEvent

TRACKS = 50_000
ARTISTS = 5_000
LISTENERS = 10_000
"""So many that one listener's events rarely wait in the same batch: each event gets a list of its own."""
BREAK_MS = 3_600_000
"""Between two sessions."""
PLAYS_PER_SESSION = 20.0
"""The mean of the 158,731 sessions, 40 minutes apart, in the listening log that lists are evaluated on."""
IN_SESSION = 1_000
"""Listeners of sessions as long as real ones: few, so that they are soon in the middle of one."""
LEAD_IN = round(PLAYS_PER_SESSION * IN_SESSION)
"""Plays after which they are."""


def artist_of(track: int) -> int:
    """Return who made a track, by its number."""
    return track % ARTISTS


def listen_load(
    name: str,
    seed: int = 7,
    *,
    listeners_of: str | None = None,
    listeners: int = LISTENERS,
    plays_per_session: float | None = None,
) -> Iterator[ListenEvent]:
    """Yield plays without end: a random listener each, tracks by Zipf, event time moving with each listener.

    Args:
        name: makes the event ids of one phase distinct from those of another.
        seed: of the random choices.
        listeners_of: the phase whose listeners these are, hours later; None for listeners of this phase alone.
        listeners: how many there are.
        plays_per_session: on the average, of a geometric distribution; None for sessions without end.
    """
    random = np.random.default_rng(seed)
    rank = np.arange(1, TRACKS + 1)
    weights = 1.0 / rank
    cumulative = np.cumsum(weights / weights.sum())
    start_ms = time.time_ns() // 1_000_000 - (86_400_000 if listeners_of is None else 43_200_000)
    played_ms = np.full(listeners, start_ms, np.int64)
    break_share = 1 / plays_per_session if plays_per_session is not None else 0.0
    number = 0
    while True:
        players = random.integers(0, listeners, 4096)
        tracks = np.minimum(np.searchsorted(cumulative, random.random(4096)), TRACKS - 1)
        breaks = BREAK_MS * (random.random(4096) < break_share)
        for listener, track, break_ms in zip(players.tolist(), tracks.tolist(), breaks.tolist(), strict=True):
            played_ms[listener] += 200_000 + break_ms
            yield ListenEvent(
                event_id=f"{name}-{number}",
                user_id=f"{listeners_of or name}-listener-{listener}",
                type=EventType.PLAY,
                occurred_at_ms=int(played_ms[listener]),
                track_id=f"track-{track}",
                artist_id=f"artist-{artist_of(track)}",
                ms_played=180_000,
                duration_ms=190_000,
            )
            number += 1


def sessions_load(name: str) -> Iterator[ListenEvent]:
    """Yield plays of few listeners in sessions as long as real ones; after `LEAD_IN` plays they are in the middle."""
    return listen_load(name, listeners=IN_SESSION, plays_per_session=PLAYS_PER_SESSION)
