"""Public research splits as text: a session a line, tracks as numbers; a test line is a prefix and its target."""

import gzip
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

from musicrec.contracts import EventType, ListenOutcome, SessionEntry, SessionSnapshot, Trigger
from musicrec.errors import BadInput
from musicrec.evaluation.baselines.baseline import Baselines
from musicrec.evaluation.contest import Contest
from musicrec.evaluation.metrics import Group
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


def ended_at_ms(number: int) -> int:
    """Return a time after the last play of session `number` and before the next session, epoch milliseconds."""
    return EPOCH_MS + (number + 1) * SESSION_STEP_MS - 1


def snapshot_of(tracks: list[str], number: int, name: str = "") -> SessionSnapshot:
    """Return the session of a line as the snapshot of a listener who has nothing else.

    A track heard again has one entry, at the place of its last listen, as in every snapshot.

    Args:
        tracks: what was played.
        number: place in time, in sessions since the first one of the training file.
        name: who they are, where not the number says so.
    """
    name = name or f"line-{number}"
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
        user_id=name,
        revision=len(tracks),
        session_id=name,
        started_at_ms=started_at_ms,
        last_ended_at_ms=entries[-1].ended_at_ms,
        entries=entries,
        previous_track_id=tracks[-2] if len(tracks) > 1 else None,
        trigger=Trigger(
            event_id=f"{name}-{len(tracks)}",
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
    *,
    baselines: Baselines | None = None,
    learn_lag: int | None = None,
    progress: Callable[[], None] = lambda: None,
) -> dict[str, object]:
    """Learn every line of `train` play by play; then score every line of `test`.

    The target is the last track of the line. It counts as a repeat when the prefix holds it.

    Args:
        recommender: ours.
        train: sessions, the oldest first.
        test: cases; those of one session stand together, the longest prefix first.
        baselines: what stands beside it; the usual ones if not given.
        learn_lag: a test session is learned once so many later ones have ended; never, if not given.
        progress: called once a line.

    Raises:
        BadInput: a test line has fewer than two tracks.
    """
    contest = Contest(recommender, baselines)
    trained = 0
    for trained, tracks in enumerate(train, 1):
        _teach(contest, tracks, trained)
        progress()
    ended: deque[tuple[int, list[str]]] = deque()
    for number, lines in enumerate(cases_by_session(test), 1):
        # Nothing is learned in a frozen test, so no time goes by in it either.
        now = trained + (1 if learn_lag is None else number)
        for tracks in lines:
            snapshot = snapshot_of(tracks[:-1], now, f"test-{number}")
            contest.ask(snapshot, tracks[-2::-1], tracks[-1], _groups(tracks))
            progress()
        ended.append((now, lines[0]))
        while learn_lag is not None and len(ended) > learn_lag:
            ended_at, session = ended.popleft()
            _teach(contest, session, ended_at)
    return contest.figures()


def cases_by_session(lines: Iterable[list[str]]) -> Iterator[list[list[str]]]:
    """Yield the cases of each session: a line that is the one before it without its last track belongs to the same.

    Raises:
        BadInput: a line has fewer than two tracks.

    >>> list(cases_by_session([["1", "2", "3"], ["1", "2"], ["4", "2"]]))
    [[['1', '2', '3'], ['1', '2']], [['4', '2']]]
    """
    session: list[list[str]] = []
    for number, tracks in enumerate(lines, 1):
        if len(tracks) < 2:
            raise BadInput(f"test line {number}: a case needs a prefix and a target, so at least two numbers")
        if session and tracks != session[-1][:-1]:
            yield session
            session = []
        session.append(tracks)
    if session:
        yield session


def validation_cases(train: Sequence[list[str]], sessions: int) -> tuple[Sequence[list[str]], list[list[str]]]:
    """Cut off the newest `sessions` of `train`; return what is left, and the cases of those cut off.

    Raises:
        BadInput: nothing would be left to learn.

    >>> validation_cases([["1", "2"], ["3"], ["4", "5", "6"]], 2)
    ([['1', '2']], [['4', '5', '6'], ['4', '5']])
    """
    if sessions >= len(train):
        raise BadInput(f"{sessions} sessions for validation of {len(train)} in all: none would be left to learn")
    cut = len(train) - sessions
    return train[:cut], [tracks[:end] for tracks in train[cut:] for end in range(len(tracks), 1, -1)]


def _teach(contest: Contest, tracks: list[str], number: int) -> None:
    for heard in range(1, len(tracks) + 1):
        before = tracks[heard - 2] if heard > 1 else None
        contest.teach(snapshot_of(tracks[:heard], number), tracks[heard - 1], before)


def _groups(tracks: list[str]) -> list[Group]:
    groups = [Group.REPEAT if tracks[-1] in tracks[:-1] else Group.NEW, Group.COMPLETED]
    return [*groups, Group.EARLY] if len(tracks) == 2 else groups
