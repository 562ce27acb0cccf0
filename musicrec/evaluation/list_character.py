"""What lists are like beyond whether they hit: how popular their tracks are, and how much of one artist.

Sources: Abdollahpouri, Burke, Mobasher, "Managing popularity bias in recommender systems with personalized re-ranking",
FLAIRS 2019 (average recommendation popularity); Ziegler, McNee, Konstan, Lausen, "Improving recommendation lists
through topic diversification", WWW 2005 (intra-list similarity).
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(slots=True)
class ListCharacter:
    """Means over lists.

    Attributes:
        lists: lists that held a track.
        popularity: sum over them of `popularity_of`.
        artist_lists: lists that held two tracks or more of known artists.
        diversity: sum over those of `artist_diversity`.
    """

    lists: int = 0
    popularity: float = 0.0
    artist_lists: int = 0
    diversity: float = 0.0

    def count(self, plays: NDArray[np.float64], most_plays: float, artists: NDArray[np.int32]) -> None:
        """Take in a list.

        Args:
            plays: float64, shape (n,), plays so far of each track listed.
            most_plays: plays so far of the most played track.
            artists: int32, shape (n,), index of each one's artist, -1 where it is unknown.
        """
        if len(plays):
            self.lists += 1
            self.popularity += popularity_of(plays, most_plays)
        known = artists[artists >= 0]
        if len(known) > 1:
            self.artist_lists += 1
            self.diversity += artist_diversity(known)

    def figures(self) -> dict[str, float | None]:
        """Return the means by their published keys; none where no list was of the kind."""
        return {
            "popularity@20": round(self.popularity / self.lists, 6) if self.lists else None,
            "artist_diversity@20": round(self.diversity / self.artist_lists, 6) if self.artist_lists else None,
        }


def popularity_of(plays: NDArray[np.float64], most_plays: float) -> float:
    """Return the mean share that the listed tracks have of the plays of the most played track, in [0, 1].

    >>> popularity_of(np.array([10.0, 2.0]), 20.0)
    0.3
    """
    return float(plays.mean() / max(1.0, most_plays))


def artist_diversity(artists: NDArray[np.int32]) -> float:
    """Return the share of pairs of listed tracks that are of different artists, in [0, 1]; two tracks at least.

    >>> artist_diversity(np.array([1, 1, 2], np.int32))  # of three pairs, one is of one artist
    0.6666666666666667
    """
    length = len(artists)
    counts = np.unique(artists, return_counts=True)[1]
    return 1.0 - float((counts * (counts - 1)).sum()) / (length * (length - 1))
