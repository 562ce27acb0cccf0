"""Candidates of all sources in one order, and what must not be among them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.candidates import Query
from musicrec.recommend.catalogue import UNKNOWN
from musicrec.recommend.fusion import IN_SESSION, Cause, excluded_for
from musicrec.recommend.learning import Knowledge
from musicrec.recommend.rules_at import RulesAt
from musicrec.recommend.settings import RankingSettings


@dataclass(slots=True)
class Exclusions:
    """What must not be listed, and what was heard in this session.

    Attributes:
        marks: by track, IN_SESSION or `excluded_for` a cause.
        artists: artists that are excluded.
        rules: what operators' rules keep out, and the tracks' own markets; None where they keep out nothing.
    """

    marks: dict[int, int] = field(default_factory=dict)
    artists: list[int] = field(default_factory=list)
    rules: RulesAt | None = None

    @classmethod
    def of_session(cls, query: Query, settings: RankingSettings) -> "Exclusions":
        """Return what the session itself rules out."""
        marks = dict.fromkeys(query.tracks, IN_SESSION)
        if settings.exclude_skipped:
            resting = list(query.skipped)
            if settings.skipped_rests:
                newest = set(query.tracks[: settings.skipped_rests])
                resting = [track for track in resting if track in newest]
            marks.update(dict.fromkeys(resting, excluded_for(Cause.SKIPPED)))
        if settings.exclude_current and query.tracks:
            marks[query.tracks[0]] = excluded_for(Cause.PLAYING)
        return cls(marks)

    def block(self, knowledge: Knowledge, tracks: Sequence[str], artists: Sequence[str]) -> None:
        """Add what the listener blocked."""
        for track_id in tracks:
            if (track := knowledge.catalogue.index_of(track_id)) != UNKNOWN:
                self.marks[track] = excluded_for(Cause.BLOCKED)
        for artist_id in artists:
            if (artist := knowledge.catalogue.artist_index_of(artist_id)) != UNKNOWN:
                self.artists.append(artist)


@dataclass(slots=True)
class FusedCandidates:
    """Candidates that may be listed, best first, and how they were found.

    Attributes:
        tracks: int64.
        scores: float64, what orders them.
        weights: float64 per source, with which they were fused.
        exclusions: what must not be among them.
        excluded: int64 per `Cause`, proposed tracks that are not among them.
        fusion_places: int64, place of each in the order of the fusion, from 0.
        ranked: so many of the first have the ranker's order.
        discovery: where the listener's dial stood; None where nobody set one.
        ranker_places: int64, place of each before the dials, from 0; None where they changed nothing.
    """

    tracks: NDArray[np.int64]
    scores: NDArray[np.float64]
    weights: NDArray[np.float64]
    exclusions: Exclusions
    excluded: NDArray[np.int64]
    fusion_places: NDArray[np.int64]
    ranked: int = 0
    discovery: float | None = None
    ranker_places: NDArray[np.int64] | None = None

    @property
    def has_log_scores(self) -> bool:
        """Whether the scores are logarithms: the ranker's and those of turned dials are, the fusion's are not."""
        return self.ranked > 0 or self.ranker_places is not None
