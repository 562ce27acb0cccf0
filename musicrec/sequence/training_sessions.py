"""Sessions as a network reads them: rows of track numbers, and the ids that the numbers stand for."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicrec.sequence.contexts import UNKNOWN_CONTEXT, was_skipped
from musicrec.sequence.heard_session import HeardSession

LONGEST: Final = 30
"""Newest tracks of a session that are read; what lies further back says next to nothing about the next one."""
LENGTH_JITTER: Final = 3.0
"""Sessions are batched with those of about their length, in another company in every epoch."""


class Batch(NamedTuple):
    """Some sessions beside each other."""

    tracks: NDArray[np.int64]
    """Shape (sessions, longest of them); -1 behind the end of a shorter one."""
    contexts: NDArray[np.int64]
    """Of the same shape."""


@dataclass(frozen=True, slots=True)
class TrainingSessions:
    """Sessions in the order of time.

    Attributes:
        sessions: int64 track numbers each, the oldest first, two or more.
        contexts: int64, how each of their plays was heard; see `contexts.py`.
        track_ids: by number.
    """

    sessions: Sequence[NDArray[np.int64]]
    contexts: Sequence[NDArray[np.int64]]
    track_ids: Sequence[str]

    @classmethod
    def of(cls, sessions: Iterable[HeardSession]) -> "TrainingSessions":
        """Number the tracks of sessions; a long one is read in pieces that overlap by one track."""
        numbers: dict[str, int] = {}
        pieces: list[NDArray[np.int64]] = []
        contexts: list[NDArray[np.int64]] = []
        for session in sessions:
            tracks = np.array([numbers.setdefault(track, len(numbers)) for track in session.tracks], np.int64)
            for start in range(0, max(1, len(tracks) - 1), LONGEST - 1):
                if len(piece := tracks[start : start + LONGEST]) > 1:
                    pieces.append(piece)
                    contexts.append(np.array(session.contexts[start : start + LONGEST], np.int64))
        return cls(pieces, contexts, list(numbers))

    @property
    def plays(self) -> NDArray[np.int64]:
        """Plays of each track, int64, shape (tracks,)."""
        counts = np.zeros(len(self.track_ids), np.int64)
        for session in self.sessions:
            np.add.at(counts, session, 1)
        return counts

    def batches(self, most_places: int, random: np.random.Generator) -> list[Batch]:
        """Return all sessions, drawn anew, as rows of batches.

        Args:
            most_places: rows times columns of a batch, at most.
            random: of the order.
        """
        lengths = np.array([len(session) for session in self.sessions])
        order = np.argsort(lengths + LENGTH_JITTER * random.random(len(lengths)))
        batches = [self._padded(rows) for rows in _runs(order, lengths, most_places)]
        random.shuffle(batches)
        return batches

    def _padded(self, rows: Sequence[int]) -> Batch:
        longest = max(len(self.sessions[row]) for row in rows)
        tracks = np.full((len(rows), longest), -1, np.int64)
        contexts = np.full((len(rows), longest), UNKNOWN_CONTEXT, np.int64)
        for place, row in enumerate(rows):
            tracks[place, : len(self.sessions[row])] = self.sessions[row]
            contexts[place, : len(self.sessions[row])] = self.contexts[row]
        return Batch(tracks, contexts)


def _runs(order: NDArray[np.int64], lengths: NDArray[np.int64], most_places: int) -> Iterator[list[int]]:
    run: list[int] = []
    longest = 0
    for row in order.tolist():
        longest = max(longest, int(lengths[row]))
        if run and (len(run) + 1) * longest > most_places:
            yield run
            run, longest = [], int(lengths[row])
        run.append(row)
    if run:
        yield run


@dataclass(frozen=True, slots=True)
class NextTrackCases:
    """What a held-out session asks: its tracks so far, and the one that came next and was not skipped.

    Attributes:
        sessions: int64 track numbers each, the oldest first, at least one.
        contexts: int64, how each of their plays was heard.
        targets: int64, shape (cases,); -1 for a track that training did not see.
    """

    sessions: Sequence[NDArray[np.int64]]
    contexts: Sequence[NDArray[np.int64]]
    targets: NDArray[np.int64]

    @classmethod
    def of(
        cls, held_out: Iterable[HeardSession], track_ids: Sequence[str], most: int, random: np.random.Generator
    ) -> "NextTrackCases":
        """Return up to `most` places of held-out sessions, drawn at random, where any track before is known."""
        numbers = {track: number for number, track in enumerate(track_ids)}
        sessions: list[NDArray[np.int64]] = []
        contexts: list[NDArray[np.int64]] = []
        targets: list[int] = []
        for session in held_out:
            rows = np.array([numbers.get(track, -1) for track in session.tracks], np.int64)
            heard = np.array(session.contexts, np.int64)
            for end in range(1, len(rows)):
                known = np.flatnonzero(rows[:end] >= 0)[-LONGEST:]
                if len(known) and not was_skipped(session.contexts[end]):
                    sessions.append(rows[known])
                    contexts.append(heard[known])
                    targets.append(int(rows[end]))
        drawn = np.sort(random.permutation(len(targets))[:most])
        return cls(
            [sessions[case] for case in drawn],
            [contexts[case] for case in drawn],
            np.array(targets, np.int64)[drawn],
        )
