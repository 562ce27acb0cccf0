"""How a list came to be, as the record that is published with it."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import ExcludedCandidates, Making
from musicrec.contracts.recommendation import MAX_LIST_LENGTH
from musicrec.recommend.fused_candidates import FusedCandidates
from musicrec.recommend.fusion import IN_SESSION, Source
from musicrec.recommend.settings import RankingSettings


class MakingRecorder:
    """Records how lists of one recommender come to be; what they have in common is worked out once."""

    def __init__(self, settings: RankingSettings) -> None:
        self._settings = settings
        self._in_order = list(range(MAX_LIST_LENGTH))
        self._used = _UsedSources(np.zeros(len(Source)), settings)

    def record(
        self,
        fused: FusedCandidates,
        places: NDArray[np.int64],
        added: int,
        proposed: NDArray[np.int64],
        new_share: float,
        new_to_listener: tuple[int, ...] | None,
        skips: list[list[int]] | None,
        market: str | None,
    ) -> Making:
        """Return the record of a list.

        Args:
            fused: its candidates, in the order that the rules on whole lists were applied to.
            places: int64, place in `fused` of each item, from 0.
            added: newly announced tracks behind them.
            proposed: int64 per source, how many candidates it had.
            new_share: least share of tracks that the listener never played.
            new_to_listener: places, from 1, of tracks that the listener never played; None where nobody set a dial.
            skips: what `SkipForecast.moved` says of the items in `places`; None where no skip was foreseen.
            market: where the listener was taken to be; None where nobody said.
        """
        settings = self._settings
        if self._used.of is not fused.weights:
            self._used = _UsedSources(fused.weights, settings)
        # Lists, not arrays: for twenty numbers a call of NumPy costs more than what it does.
        marks, at = fused.exclusions.marks, places.tolist()
        counts, from_elsewhere = proposed.tolist(), [0] * added
        fusion_ranks = [place + 1 for place in fused.fusion_places[places].tolist()]
        before = at if fused.ranker_places is None else fused.ranker_places[places].tolist()
        in_order = before == self._in_order[: len(at)]
        heard = [
            place for place, track in enumerate(fused.tracks[places].tolist(), 1) if marks.get(track) == IN_SESSION
        ]
        has_rules, is_turned = fused.exclusions.rules is not None, fused.ranker_places is not None
        # A copy: what all these lists have in common costs as much to check as all the rest.
        return self._used.making.model_copy(
            update={
                "proposed": tuple([counts[source] for source in self._used.sources]),
                "candidates": len(fused.tracks),
                "excluded": _excluded(*fused.excluded.tolist(), has_rules=has_rules),
                "ranked": fused.ranked,
                "fusion_ranks": tuple(fusion_ranks + from_elsewhere),
                "ranker_ranks": () if in_order else tuple([place + 1 for place in before] + from_elsewhere),
                "heard": tuple(heard),
                "new_share": new_share,
                "discovery": fused.discovery,
                "dial_ranks": self._dial_ranks(fused, at, from_elsewhere),
                "popularity_dial": (settings.popularity_dial or None) if is_turned else None,
                "new_to_listener": new_to_listener,
                "skips_per_1000": None if skips is None else tuple(skips[0] + from_elsewhere),
                "skip_moves": None if skips is None else tuple(skips[1] + from_elsewhere),
                "market": market,
            }
        )

    def _dial_ranks(self, fused: FusedCandidates, at: list[int], from_elsewhere: list[int]) -> tuple[int, ...] | None:
        if fused.ranker_places is None:
            return None
        return () if at == self._in_order[: len(at)] else tuple([place + 1 for place in at] + from_elsewhere)


class _UsedSources:
    """The sources that have a weight, and the record of a list of theirs; most lists of a recommender have the same."""

    def __init__(self, weights: NDArray[np.float64], settings: RankingSettings) -> None:
        self.of = weights
        self.sources = np.flatnonzero(weights > 0.0).tolist()
        self.making = Making(
            sources=tuple(Source(source).label for source in self.sources),
            weights=tuple(weights[self.sources].tolist()),
            proposed=(),
            rank_constant=settings.rank_constant,
            repeat_factor=settings.repeat_factor,
            candidates=0,
            excluded=ExcludedCandidates(),
            ranked=0,
            fusion_ranks=(),
            artist_cap=settings.artist_cap,
            diversity=settings.diversity or None,
        )


@lru_cache(maxsize=4_096)
def _excluded(
    playing: int, skipped: int, blocked: int, artist_blocked: int, removed: int, ruled_out: int, *, has_rules: bool
) -> ExcludedCandidates:
    # Immutable, and the same few again and again.
    return ExcludedCandidates(
        playing=playing,
        skipped=skipped,
        blocked=blocked,
        artist_blocked=artist_blocked,
        removed=removed,
        ruled_out=ruled_out if has_rules else None,
    )
