"""Tracks of which the catalogue says what it says of the session's: neighbours by the cosine of their descriptions.

A track's vector has weight(term) of `Descriptions` for each of its terms.  The session's is the sum of its newest
tracks' directions, those that were skipped left out, each older one counting less.  Whoever shares no term with it has
cosine 0, so only tracks of its terms are looked at, and no more than so many: those of the terms that weigh most in it
first, which are rare ones, and those that much of the session has.

Source: Salton, Buckley, "Term-weighting approaches in automatic text retrieval", Information Processing & Management 24
(5), 1988: term weights with cosine normalisation.
"""

import math
from collections.abc import Container, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.descriptions import Descriptions
from musicrec.recommend.settings import RankingSettings
from musicrec.recommend.top_k import Scratch, take_top

FAINTEST: Final = 1e-9
"""What counts less than this beside the newest track changes no order, and must not add up to nothing."""
NOT_PROPOSED: Final = -1.0
"""Score of a track that is looked at no more, and not taken into the top."""


class MetadataNeighbours:
    """Finds them; one instance serves one list at a time."""

    def __init__(self, descriptions: Descriptions, settings: RankingSettings) -> None:
        self._descriptions = descriptions
        self._settings = settings
        self._by_term = Scratch()

    def find(
        self,
        session: Sequence[int],
        skipped: Container[int],
        by_track: Scratch,
        out_keys: NDArray[np.int64],
        out_scores: NDArray[np.float64],
    ) -> int:
        """Write the tracks nearest to the session by their descriptions, best first, and cosines; return how many.

        Args:
            session: its tracks, the newest first; they are not their own neighbours.
            skipped: those of them that say nothing of what is wanted.
            by_track: scratch per track.
        """
        described, settings = self._descriptions, self._settings
        if not len(described):
            return 0
        heard = [track for track in session if described.is_described(track) and track not in skipped]
        heard = heard[: settings.metadata_tracks]
        if not heard:
            return 0
        self._by_term.grow(described.term_capacity)
        terms, tracks = described.terms_of, described.tracks_of
        return description_cosines(
            np.array(heard, np.int64),
            settings.metadata_place_decay,
            np.array(session, np.int64),
            math.log(len(described) + 1),
            described.weighing,
            terms.values,
            terms.start,
            terms.written,
            tracks.values,
            tracks.start,
            tracks.room,
            tracks.written,
            self._by_term.scores,
            self._by_term.touched,
            by_track.scores,
            by_track.touched,
            settings.metadata_postings,
            settings.metadata_least_cosine,
            settings.candidates_per_source,
            out_keys,
            out_scores,
        )


@kernel
def description_cosines(
    heard: NDArray[np.int64],
    place_decay: float,
    session: NDArray[np.int64],
    log_described: float,
    weighing: NDArray[np.float64],
    term_values: NDArray[np.int64],
    term_start: NDArray[np.int64],
    term_count: NDArray[np.int64],
    track_values: NDArray[np.int64],
    track_start: NDArray[np.int64],
    track_room: NDArray[np.int32],
    track_written: NDArray[np.int64],
    term_scores: NDArray[np.float64],
    term_touched: NDArray[np.int64],
    track_scores: NDArray[np.float64],
    track_touched: NDArray[np.int64],
    most_postings: int,
    least_cosine: float,
    limit: int,
    out_keys: NDArray[np.int64],
    out_scores: NDArray[np.float64],
) -> int:
    """Write the tracks of largest cosine, best first; return how many.

    Args:
        heard: described tracks that say what is wanted, the newest first.
        place_decay: factor per place among them.
        session: tracks that are not proposed.
        log_described: log(tracks described + 1).
        weighing: per term, of `Descriptions`.
        term_values, term_start, term_count: the terms of each track, none of them written over another.
        track_values, track_start, track_room, track_written: the newest tracks of each term.
        term_scores: scratch per term, 0 before and after: the session's vector.
        term_touched: scratch; its terms.
        track_scores: scratch per track, 0 before and after.
        track_touched: scratch.
        most_postings: looked at in all.
        least_cosine: of what is written.
    """
    terms = session_vector(
        heard, place_decay, log_described, weighing, term_values, term_start, term_count, term_scores,
        term_touched,
    )  # fmt: skip
    length = 0.0
    for i in range(terms):
        length += term_scores[term_touched[i]] ** 2
    length = math.sqrt(length)
    touched = 0
    for track in session:
        if track_scores[track] == 0.0:
            track_scores[track] = NOT_PROPOSED
            track_touched[touched] = track
            touched += 1
    _weightiest_first(term_touched, terms, term_scores)
    left = most_postings
    for i in range(terms):
        term = term_touched[i]
        start, room, written = track_start[term], track_room[term], track_written[term]
        for back in range(min(written, room, left)):
            track = track_values[start + (written - 1 - back) % room]
            left -= 1
            if track_scores[track] != 0.0:
                continue
            product = 0.0
            squares = 0.0
            for at in range(term_start[track], term_start[track] + term_count[track]):
                of_track = term_values[at]
                weight = weighing[of_track, 1] * (log_described - weighing[of_track, 0])
                product += weight * term_scores[of_track]
                squares += weight * weight
            cosine = product / (length * math.sqrt(squares))
            track_scores[track] = cosine if cosine >= least_cosine else NOT_PROPOSED
            track_touched[touched] = track
            touched += 1
    for i in range(terms):
        term_scores[term_touched[i]] = 0.0
    return take_top(track_touched, touched, track_scores, limit, out_keys, out_scores)


@kernel
def session_vector(
    heard: NDArray[np.int64],
    place_decay: float,
    log_described: float,
    weighing: NDArray[np.float64],
    term_values: NDArray[np.int64],
    term_start: NDArray[np.int64],
    term_count: NDArray[np.int64],
    term_scores: NDArray[np.float64],
    term_touched: NDArray[np.int64],
) -> int:
    """Add up the directions of the tracks heard; return how many terms that has."""
    terms = 0
    for place in range(len(heard)):
        if place_decay**place < FAINTEST:
            break
        start = term_start[heard[place]]
        end = start + term_count[heard[place]]
        squares = 0.0
        for at in range(start, end):
            term = term_values[at]
            squares += (weighing[term, 1] * (log_described - weighing[term, 0])) ** 2
        scale = place_decay**place / math.sqrt(squares)
        for at in range(start, end):
            term = term_values[at]
            if term_scores[term] == 0.0:
                term_touched[terms] = term
                terms += 1
            term_scores[term] += scale * weighing[term, 1] * (log_described - weighing[term, 0])
    return terms


@kernel
def _weightiest_first(terms: NDArray[np.int64], count: int, term_scores: NDArray[np.float64]) -> None:
    """Sort terms by what they weigh in the session, equal ones in the order in which they stand."""
    for i in range(1, count):
        term = terms[i]
        at = i
        while at > 0 and term_scores[terms[at - 1]] < term_scores[term]:
            terms[at] = terms[at - 1]
            at -= 1
        terms[at] = term
