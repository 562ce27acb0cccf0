"""Public research splits as text: a session a line, tracks as numbers; a test line is a prefix and its target."""

import gzip
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Final

from musicrec.contracts import EventType, ListenOutcome, SessionEntry, SessionSnapshot, Trigger
from musicrec.errors import BadInput
from musicrec.evaluation.contest import Contest
from musicrec.recommend import Recommender

EPOCH_MS: Final = 1_600_000_000_000
"""The format has no times: sessions are set a minute apart from here, in the order of the file."""
SESSION_STEP_MS: Final = 60_000
PLAY_STEP_MS: Final = 1_000


def read_text_sessions(path: Path) -> Iterator[list[str]]:
    """Yield the lines of a plain or gzip file as lists of track ids.

    Raises:
        BadInput: the file is missing, or a line holds something else than numbers.
    """
    if not path.is_file():
        raise BadInput(f"{path}: no such file")
    return _lines(path)


def _lines(path: Path) -> Iterator[list[str]]:
    try:
        with gzip.open(path, "rt", encoding="ascii") if path.suffix == ".gz" else path.open(encoding="ascii") as lines:
            for number, line in enumerate(lines, 1):
                tracks = line.split()
                if not all(map(str.isdecimal, tracks)):
                    raise BadInput(f"{path}: line {number}: a session is a line of track numbers, not {line[:40]!r}")
                if tracks:
                    yield tracks
    except (gzip.BadGzipFile, EOFError, UnicodeDecodeError) as error:
        raise BadInput(f"{path}: cannot be read as text: {error}") from None


def snapshot_of(tracks: list[str], number: int) -> SessionSnapshot:
    """Return the session of a line as the snapshot of a listener who has nothing else.

    A track heard again has one entry, at the place of its last listen, as in every snapshot.
    """
    started_at_ms = EPOCH_MS + number * SESSION_STEP_MS
    counts: dict[str, int] = {}
    ended: dict[str, int] = {}
    for place, track in enumerate(tracks):
        counts[track] = counts.get(track, 0) + 1
        ended.pop(track, None)
        ended[track] = started_at_ms + (place + 1) * PLAY_STEP_MS
    entries = tuple(
        SessionEntry(
            track_id=track,
            listens=counts[track],
            outcome=ListenOutcome.COMPLETED,
            ms_played=PLAY_STEP_MS,
            ended_at_ms=ended_at_ms,
        )
        for track, ended_at_ms in ended.items()
    )
    return SessionSnapshot(
        user_id=f"line-{number}",
        revision=len(tracks),
        session_id=f"line-{number}",
        started_at_ms=started_at_ms,
        last_ended_at_ms=entries[-1].ended_at_ms,
        entries=entries,
        previous_track_id=tracks[-2] if len(tracks) > 1 else None,
        trigger=Trigger(
            event_id=f"line-{number}-{len(tracks)}",
            type=EventType.PLAY,
            track_id=entries[-1].track_id,
            outcome=ListenOutcome.COMPLETED,
            occurred_at_ms=entries[-1].ended_at_ms,
            published_at_ms=entries[-1].ended_at_ms,
            partition=0,
            offset=number,
        ),
    )


def evaluate_text_sessions(
    recommender: Recommender,
    train: Iterable[list[str]],
    test: Iterable[list[str]],
    progress: Callable[[], None] = lambda: None,
) -> dict[str, object]:
    """Learn every line of `train` play by play; then score every line of `test`, learning nothing of it.

    The target is the last track of the line. It counts as a repeat when the prefix holds it.

    Raises:
        BadInput: a test line has fewer than two tracks.
    """
    contest = Contest(recommender)
    number = 0
    for number, tracks in enumerate(train, 1):
        for heard in range(1, len(tracks) + 1):
            before = tracks[heard - 2] if heard > 1 else None
            contest.teach(snapshot_of(tracks[:heard], number), tracks[heard - 1 : heard], before)
        progress()
    for line, tracks in enumerate(test, 1):
        if len(tracks) < 2:
            raise BadInput(f"test line {line}: a case needs a prefix and a target, so at least two numbers")
        prefix, target = tracks[:-1], tracks[-1]
        snapshot = snapshot_of(prefix, number + 1)
        contest.ask(snapshot, prefix[::-1], target, is_repeat=target in prefix)
        progress()
    return contest.figures()
