"""Descriptions of tracks, in bounded memory: the terms of each track, and the newest tracks of each term.

Everything follows what the catalogue says now: a track that is described anew or removed leaves nothing behind, and a
term that no track has is forgotten.  How rare a term is changes with every track, so no weight is stored:

    weight(term) = kind's weight * log((tracks described + 1) / tracks that have the term)

is put together where it is asked for.  The 1 keeps a term that all tracks have from weighing nothing, and tracks that
have nothing else from having no direction.

Source: Salton, Buckley, "Term-weighting approaches in automatic text retrieval", Information Processing & Management 24
(5), 1988: binary term weights, inverse document frequency.
"""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.description_terms import MOST_TERMS, Term
from musicrec.recommend.posting_lists import PostingLists
from musicrec.recommend.state import Pieces, State, batches, copied, named, numbers
from musicrec.recommend.top_k import MIN_CAPACITY

COLUMNS = ("digests", "tracks", "weighing")
"""Per term."""


class Descriptions:
    """What the catalogue says of tracks, by their index.

    Attributes:
        terms_of: each track's terms, in the order of their digests: what says the same is the same to the last bit.
        tracks_of: each term's tracks, the newest kept.
        digests: int64 per term.
        tracks: int64 per term, how many tracks have it, those not kept included.
        weighing: float64, shape (terms, 2), the logarithm of that and the kind's weight; side by side in memory, since
            both are asked for together, of terms that lie far apart.
        terms: how many terms have a number, forgotten ones included; numbers are given again.
    """

    def __init__(self, max_terms: int, tracks_per_term: int) -> None:
        """Make one that knows nothing.

        Args:
            max_terms: further ones are not taken in before others are forgotten.
            tracks_per_term: newest tracks kept per term, a power of two.
        """
        self._max_terms = max_terms
        self.terms_of = PostingLists(MOST_TERMS)
        self.tracks_of = PostingLists(tracks_per_term, MIN_CAPACITY)
        self.digests: NDArray[np.int64] = np.zeros(MIN_CAPACITY, np.int64)
        self.tracks: NDArray[np.int64] = np.zeros(MIN_CAPACITY, np.int64)
        self.weighing: NDArray[np.float64] = np.zeros((MIN_CAPACITY, 2), np.float64)
        self.terms = 0
        self._described = 0
        self._term_of_digest: dict[int, int] = {}
        self._free: list[int] = []

    def __len__(self) -> int:
        """Return how many tracks are described."""
        return self._described

    @property
    def terms_in_use(self) -> int:
        """How many terms some track has."""
        return len(self._term_of_digest)

    @property
    def term_capacity(self) -> int:
        """Return a number that every term lies below."""
        return len(self.tracks)

    def describe(self, track: int, terms: Sequence[Term]) -> None:
        """Take the newest word on a track; with no terms it is not described any more."""
        former = self._terms_of(track)
        if not terms and not former:
            return
        said = dict(sorted((term.digest, term.kind.weight) for term in terms[:MOST_TERMS]))
        kept = {term for term in former if int(self.digests[term]) in said}
        for term in former:
            if term not in kept:
                self._take_from(term, track)
        numbered = [self._number(digest, weight) for digest, weight in said.items()]
        numbered = [term for term in numbered if term >= 0]
        self._give_to([term for term in numbered if term not in kept], track)
        self._described += bool(numbered) - bool(former)
        if track >= len(self.terms_of.start):
            self.terms_of.grow(max(track + 1, 2 * len(self.terms_of.start)))
        self.terms_of.clear(track)
        self.terms_of.append_each(np.full(len(numbered), track), np.array(numbered, np.int64))

    def forget(self, track: int) -> None:
        """Take a track out."""
        self.describe(track, ())

    def is_described(self, track: int) -> bool:
        """Return whether anything is known of the track."""
        return track < len(self.terms_of.start) and bool(self.terms_of.written[track])

    def state(self) -> Pieces:
        """Yield terms, and what has them; see `Stateful`."""
        yield from numbers("described", self._described)
        for name in COLUMNS:
            yield from copied(name, getattr(self, name)[: self.terms])
        for batch in batches(self._free):
            yield "free", np.array(batch, np.int64)
        yield from named("terms_of", self.terms_of.state())
        yield from named("tracks_of", self.tracks_of.state())

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        (self._described,) = state.array("described", np.int64, 1).tolist()
        self.terms = len(state.array("digests", np.int64, None))
        while self.term_capacity < self.terms:
            self._grow()
        for name in COLUMNS:
            column = getattr(self, name)
            column[: self.terms] = state.array(name, column.dtype, self.terms, *column.shape[1:])
        in_use = np.flatnonzero(self.tracks[: self.terms]).tolist()
        self._term_of_digest = dict(zip(self.digests[in_use].tolist(), in_use, strict=True))
        self._free = state.array("free", np.int64, None).tolist()
        self.terms_of.restore(state.part("terms_of"))
        self.tracks_of.restore(state.part("tracks_of"))

    def _terms_of(self, track: int) -> list[int]:
        return self.terms_of.newest_first(track)[::-1] if self.is_described(track) else []

    def _number(self, digest: int, weight: float) -> int:
        """Return the term's number, giving it one where it has none; -1 when there are as many as may be."""
        known = self._term_of_digest.get(digest)
        if known is not None:
            return known
        if self._free:
            term = self._free.pop()
        elif self.terms < self._max_terms:
            term = self.terms
            self.terms += 1
            if term >= self.term_capacity:
                self._grow()
        else:
            return -1
        self._term_of_digest[digest] = term
        self.digests[term], self.weighing[term, 1] = digest, weight
        return term

    def _give_to(self, terms: Sequence[int], track: int) -> None:
        given = np.array(terms, np.int64)
        self.tracks_of.append_each(given, np.full(len(given), track))
        count_terms(given, 1, self.tracks, self.weighing)

    def _take_from(self, term: int, track: int) -> None:
        self.tracks_of.remove(term, track)
        count_terms(np.array([term]), -1, self.tracks, self.weighing)
        if self.tracks[term] == 0:
            del self._term_of_digest[int(self.digests[term])]
            self.digests[term] = 0
            self.weighing[term] = 0.0
            self._free.append(term)

    def _grow(self) -> None:
        for name in COLUMNS:
            column = getattr(self, name)
            setattr(self, name, np.concatenate([column, np.zeros_like(column)]))
        self.tracks_of.grow(self.term_capacity)


@kernel
def count_terms(terms: NDArray[np.int64], more: int, tracks: NDArray[np.int64], weighing: NDArray[np.float64]) -> None:
    """Count `more` tracks of each of `terms`; the logarithms are these machine instructions' alone, to the last bit."""
    for term in terms:
        tracks[term] += more
        weighing[term, 0] = math.log(max(1, tracks[term]))
