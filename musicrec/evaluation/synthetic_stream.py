"""A seeded stream of plays that looks like a platform's: for measuring speed, where no real log is at hand.

Tracks are drawn from a Zipf law.  Half of a session's plays go on along the track's artist or album (the next index),
so that sessions share stretches, and listeners come back to what they played.  It says nothing about accuracy.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import EventType, ListenOutcome, SessionEntry, SessionSnapshot, Track, Trigger

START_MS: Final = 1_700_000_000_000
PLAY_MS: Final = 200_000
LONGEST_SESSION: Final = 40
SKIP_SHARE: Final = 0.25
TRACKS_PER_ARTIST: Final = 5
WORDS, TAGS, LABELS = 50_000, 1_000, 5_000
WORDS_PER_TITLE: Final = 3
TAGS_PER_TRACK: Final = 3


@dataclass(frozen=True, slots=True)
class StreamShape:
    """How large the stream is.

    Attributes:
        plays: how many.
        tracks: size of the catalogue.
        listeners: how many people.
        zipf: exponent of track popularity.
        seed: the same seed gives the same stream.
    """

    plays: int
    tracks: int = 380_000
    listeners: int = 20_000
    zipf: float = 0.8
    seed: int = 1


def synthetic_catalogue(tracks: int, *, described: bool = False, seed: int = 1) -> Iterator[Track]:
    """Yield the stream's tracks; with `described`, the catalogue says what they are called and like.

    Words, tags and labels are drawn from Zipf laws as well: some are in a tenth of all descriptions, most in a few.  An
    artist has one album.
    """
    random = np.random.default_rng(seed)

    def drawn(count: int, size: int) -> NDArray[np.int64]:
        cumulated = np.cumsum(1.0 / np.arange(1, size + 1))
        numbers: NDArray[np.int64] = np.searchsorted(cumulated, random.random((tracks, count)) * cumulated[-1])
        return numbers

    words, tags, labels = drawn(WORDS_PER_TITLE, WORDS), drawn(TAGS_PER_TRACK, TAGS), drawn(1, LABELS)
    for number in range(tracks):
        artist = number // TRACKS_PER_ARTIST
        track = Track(track_id=f"track-{number}", artist_id=f"artist-{artist}")
        if described:
            said = {
                "title": " ".join(f"word{word}" for word in words[number].tolist()),
                "album": f"album {artist}",
                "tags": tuple(f"tag {tag}" for tag in tags[number].tolist()),
                "label": f"label {labels[number, 0]}",
            }
            track = track.model_copy(update=said)
        yield track


def synthetic_snapshots(shape: StreamShape) -> Iterator[SessionSnapshot]:
    """Yield one session snapshot per play, sessions of different listeners one after the other."""
    random = np.random.default_rng(shape.seed)
    weights = np.arange(1, shape.tracks + 1) ** -shape.zipf
    cumulated = np.cumsum(weights / weights.sum())
    place = random.permutation(shape.tracks)
    revisions = np.zeros(shape.listeners, np.int64)
    made = 0
    session = 0
    while made < shape.plays:
        session += 1
        listener = int(random.integers(shape.listeners))
        length = min(1 + int(random.geometric(1 / 15)), LONGEST_SESSION, shape.plays - made)
        drawn = place[np.minimum(np.searchsorted(cumulated, random.random(length)), shape.tracks - 1)]
        follows = random.random(length) < 0.5
        skipped = random.random(length) < SKIP_SHARE
        started_ms = START_MS + session * 1_000
        entries: list[SessionEntry] = []
        track = -1
        for at in range(length):
            track = int((track + 1) % shape.tracks if follows[at] and track >= 0 else drawn[at])
            revisions[listener] += 1
            ended_ms = started_ms + (at + 1) * PLAY_MS
            entry = _entry(track, ended_ms, is_skip=bool(skipped[at]))
            previous = entries[-1].track_id if entries else None
            entries = [*(known for known in entries if known.track_id != entry.track_id), entry]
            yield _snapshot(f"listener-{listener}", int(revisions[listener]), session, tuple(entries), previous)
        made += length


def _entry(track: int, ended_at_ms: int, *, is_skip: bool) -> SessionEntry:
    return SessionEntry(
        track_id=f"track-{track}",
        artist_id=f"artist-{track // TRACKS_PER_ARTIST}",
        listens=1,
        outcome=ListenOutcome.SKIPPED_EARLY if is_skip else ListenOutcome.COMPLETED,
        ms_played=PLAY_MS,
        ended_at_ms=ended_at_ms,
    )


def _snapshot(
    user_id: str, revision: int, session: int, entries: tuple[SessionEntry, ...], previous: str | None
) -> SessionSnapshot:
    newest = entries[-1]
    return SessionSnapshot(
        user_id=user_id,
        revision=revision,
        session_id=f"session-{session}",
        started_at_ms=entries[0].ended_at_ms - PLAY_MS,
        last_ended_at_ms=newest.ended_at_ms,
        entries=entries,
        previous_track_id=previous,
        trigger=Trigger(
            event_id=f"{user_id}-{revision}",
            type=EventType.PLAY,
            track_id=newest.track_id,
            outcome=newest.outcome,
            occurred_at_ms=newest.ended_at_ms,
            published_at_ms=newest.ended_at_ms,
            partition=0,
            offset=revision,
        ),
    )
