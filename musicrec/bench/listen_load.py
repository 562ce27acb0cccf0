"""A load of listen events: many listeners, a Zipf catalogue, seeded."""

import time
from collections.abc import Iterator

import numpy as np

from musicrec.contracts import EventType, ListenEvent

TRACKS = 50_000
LISTENERS = 10_000
"""So many that one listener's events rarely wait in the same batch: each event gets a list of its own."""


def listen_load(name: str, seed: int = 7, *, listeners_of: str | None = None) -> Iterator[ListenEvent]:
    """Yield plays without end: a random listener each, tracks by Zipf, event time moving with each listener.

    Args:
        name: makes the event ids of one phase distinct from those of another.
        seed: of the random choices.
        listeners_of: the phase whose listeners these are, hours later; None for listeners of this phase alone.
    """
    random = np.random.default_rng(seed)
    rank = np.arange(1, TRACKS + 1)
    weights = 1.0 / rank
    cumulative = np.cumsum(weights / weights.sum())
    start_ms = time.time_ns() // 1_000_000 - (86_400_000 if listeners_of is None else 43_200_000)
    plays = np.zeros(LISTENERS, np.int64)
    number = 0
    while True:
        listeners = random.integers(0, LISTENERS, 4096)
        tracks = np.minimum(np.searchsorted(cumulative, random.random(4096)), TRACKS - 1)
        for listener, track in zip(listeners.tolist(), tracks.tolist(), strict=True):
            plays[listener] += 1
            yield ListenEvent(
                event_id=f"{name}-{number}",
                user_id=f"{listeners_of or name}-listener-{listener}",
                type=EventType.PLAY,
                occurred_at_ms=int(start_ms + 200_000 * plays[listener]),
                track_id=f"track-{track}",
                artist_id=f"artist-{track % 5000}",
                ms_played=180_000,
                duration_ms=190_000,
            )
            number += 1
