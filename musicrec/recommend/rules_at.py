"""What rules say for one market while none begins, ends or changes, as tables that a candidate is looked up in."""

from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.catalogue import Catalogue
from musicrec.recommend.rule_checks import RuleTables, kept_out, mark_kept_out, newest_admitted
from musicrec.recommend.rule_groups import NamedGroups

NEWEST: Final = 1_000
"""Newest tracks that may be listed, kept for lists that every source left too short."""

STRETCH: Final = 100_000
"""Tracks looked through for one list, in about 6 ms: no list waits for millions."""


class RulesAt:
    """What the rules say for listeners of one market, or of an unknown one, as long as none begins, ends or changes."""

    def __init__(
        self,
        catalogue: Catalogue,
        named: tuple[NamedGroups, NamedGroups, NamedGroups],
        denied: NDArray[np.bool_],
        admitted: NDArray[np.bool_],
        fits: NDArray[np.bool_],
    ) -> None:
        """Take the tables.

        Args:
            catalogue: the tracks.
            named: which groups tracks, artists and labels are in.
            denied: bool per group.
            admitted: bool, shape (allow-lists, groups); a track has to be on each of the lists.
            fits: bool per territory, whether its tracks may be played where the listener is.
        """
        self._catalogue = catalogue
        self._named = named
        self._denied = denied
        self._admitted = admitted
        self._fits = fits
        self._newest: NDArray[np.int64] = np.zeros(0, np.int64)
        self._newest_of = 0
        self._unsearched = 0
        """Tracks below this index were not looked at."""

    def keeps_out(self, tracks: NDArray[np.int64]) -> NDArray[np.bool_]:
        """Return for each track whether no list may hold it."""
        out = np.zeros(len(tracks), np.bool_)
        kept_out(tracks, self._tables(), out)
        return out

    def mark(
        self,
        keys: NDArray[np.int64],
        counts: NDArray[np.int64],
        marks: NDArray[np.uint8],
        mark: int,
        out: NDArray[np.int64],
    ) -> NDArray[np.int64]:
        """Mark the candidates that no list may hold and that are not excluded already; return them.

        Args:
            keys: int64, shape (sources, candidates).
            counts: candidates in use per source.
            marks: per track; see `fusion`.
            mark: what is set.
            out: int64, room for all candidates.
        """
        found = mark_kept_out(keys, counts, self._tables(), self._catalogue.flags, marks, mark, out)
        return out[:found]

    def newest(self) -> NDArray[np.int64]:
        """Return the newest tracks that may be listed, the newest first, about `NEWEST` of them.

        An allow-list may hold a few tracks among millions.  So all are looked through, a stretch per call; what was
        found is kept, and tracks that came since are looked at beside it.
        """
        known = len(self._catalogue)
        if known - self._newest_of > NEWEST:
            self._newest, self._newest_of, self._unsearched = self._newest[:0], known, known
        if self._unsearched and len(self._newest) < NEWEST:
            stop, found = max(0, self._unsearched - STRETCH), np.zeros(NEWEST - len(self._newest), np.int64)
            count = newest_admitted(self._unsearched, stop, self._tables(), self._catalogue.flags, found)
            self._newest, self._unsearched = np.concatenate([self._newest, found[:count]]), stop
        tracks = np.concatenate([np.arange(known - 1, self._newest_of - 1, -1), self._newest])
        return tracks[~self.keeps_out(tracks)]

    def _tables(self) -> RuleTables:
        # The catalogue and the groups have other arrays when they have grown.
        catalogue, (tracks, artists, labels) = self._catalogue, self._named
        return RuleTables(
            catalogue.artist_of,
            catalogue.label_of,
            catalogue.territory_of,
            tracks.group_of,
            artists.group_of,
            labels.group_of,
            self._denied,
            self._admitted,
            self._fits,
        )
