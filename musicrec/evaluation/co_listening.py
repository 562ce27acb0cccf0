"""Does the sound of a track that nobody has played find the tracks that it will be listened to with?

Sounds are lent to the tracks of a log (`lent_sounds.py`).  Half of each artist's tracks are held out: vectors are
taught by the sessions of the first half of the log, without them.  Each held-out track is then asked for its company
among the played tracks; right are those with which it shares sessions of the second half more often than by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from embedder.training.co_listening import company
from musicrec.evaluation.audio import unit_rows
from musicrec.evaluation.lent_sounds import LentSounds
from musicrec.sequence.log_sessions import sessions_of

LISTED = 20


@dataclass(frozen=True, slots=True)
class CompanyTrial:
    """One half of the tracks held out.

    Attributes:
        tracks: ids, played ones and held-out ones.
        played: places of the played ones among `tracks`.
        held_out: places of the others.
        taught: company in the first half of the log, of the played tracks alone, (played, played).
        right: company in the second half, (tracks, tracks).
    """

    tracks: Sequence[str]
    played: NDArray[np.int64]
    held_out: NDArray[np.int64]
    taught: NDArray[np.float32]
    right: NDArray[np.float32]

    @classmethod
    def of(cls, lent: LentSounds, fold: int, seed: int) -> "CompanyTrial":
        """Cut a log in two, and its tracks."""
        held = lent.held_out(fold, seed)
        tracks = sorted(lent.clip_of)
        places = np.arange(len(tracks))
        is_held = np.array([track in held for track in tracks])
        half = len(lent.events) // 2
        before = [event for event in lent.events[:half] if event.track_id not in held]
        played = [track for track in tracks if track not in held]
        return cls(
            tracks=tracks,
            played=places[~is_held],
            held_out=places[is_held],
            taught=company((session.tracks for session in sessions_of(before)), played),
            right=company((session.tracks for session in sessions_of(lent.events[half:])), tracks),
        )

    def recalls(self, vectors: NDArray[np.floating], k: int = LISTED) -> list[float]:
        """Return recall@k of the company of each held-out track that has any, by the cosine of vectors.

        Args:
            vectors: (tracks, dimension), in the order of `tracks`.
            k: played tracks that are listed.
        """
        units = unit_rows(vectors)
        found = []
        for track in self.held_out:
            right = self.right[track, self.played] > 0
            if right.any():
                nearest = np.argsort(-(units[self.played] @ units[track]), kind="stable")[:k]
                found.append(float(right[nearest].sum() / min(k, right.sum())))
        return found

    def chance(self) -> float:
        """Return the recall that a draw at random is expected to have."""
        right = [(self.right[track, self.played] > 0).sum() for track in self.held_out]
        return float(np.mean([LISTED * n / len(self.played) / min(LISTED, n) for n in right if n]))
