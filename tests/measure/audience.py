"""Listeners who come, listen for a while, and are never seen again."""

import time
from collections.abc import Iterator

import numpy as np

from musicrec.bench.listen_load import TRACKS
from musicrec.contracts import EventType, ListenEvent

LISTENING_AT_ONCE = 200
TRACK_MS = 200_000
DAY_MS = 86_400_000


def passing_listeners(name: str, plays_each: int = 10, seed: int = 7) -> Iterator[ListenEvent]:
    """Yield plays without end: whoever has heard `plays_each` tracks is replaced by somebody new."""
    random = np.random.default_rng(seed)
    start_ms = time.time_ns() // 1_000_000 - DAY_MS
    played = [0] * LISTENING_AT_ONCE
    came = [0] * LISTENING_AT_ONCE
    while True:
        seats = random.integers(0, LISTENING_AT_ONCE, 4096).tolist()
        tracks = (random.pareto(1.0, 4096) * 10).astype(np.int64) % TRACKS
        for seat, track in zip(seats, tracks.tolist(), strict=True):
            user = f"{name}-{seat}-{came[seat]}"
            yield ListenEvent(
                event_id=f"{user}-{played[seat]}",
                user_id=user,
                type=EventType.PLAY,
                occurred_at_ms=start_ms + TRACK_MS * (played[seat] + 1),
                track_id=f"track-{track}",
                artist_id=f"artist-{track % 5000}",
                ms_played=180_000,
                duration_ms=190_000,
            )
            played[seat] += 1
            if played[seat] == plays_each:
                played[seat] = 0
                came[seat] += 1
