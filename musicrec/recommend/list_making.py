"""From candidates to a list: exclusions, fusion, the ranker's order, artist cap, records."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import Making, RecommendedItem
from musicrec.contracts.recommendation import MAX_LIST_LENGTH
from musicrec.recommend.candidates import CandidateGenerator, Query
from musicrec.recommend.catalogue import REMOVED, UNKNOWN
from musicrec.recommend.dials import Turned, mark_played, turned_scores
from musicrec.recommend.diversity import varied_places
from musicrec.recommend.exploration import Drawn
from musicrec.recommend.fused_candidates import Exclusions, FusedCandidates
from musicrec.recommend.fusion import EXCLUDED, Cause, Source, excluded_for, fuse, ranks_of
from musicrec.recommend.learning import Knowledge
from musicrec.recommend.listener_company import write_company
from musicrec.recommend.listener_memory import SCORED_SOURCES, ListenerMemory
from musicrec.recommend.making import MakingRecorder
from musicrec.recommend.ranked_list import ItemMaker
from musicrec.recommend.ranker import Ranker, put_in_order
from musicrec.recommend.ranking_features import (
    COMPANY_COLUMN,
    FEATURES,
    OTHERS_COLUMN,
    OWN_COLUMN,
    SKIP_COLUMN,
    write_features,
)
from musicrec.recommend.reranking import cap_artists
from musicrec.recommend.rules_at import RulesAt
from musicrec.recommend.settings import RankingSettings
from musicrec.recommend.skip_forecast import SkipForecast
from musicrec.recommend.skip_likeness import LOOK, clear_skip_likeness, write_skip_likeness
from musicrec.recommend.successions import write_others_successions, write_own_successions
from musicrec.recommend.top_k import MIN_CAPACITY
from musicrec.recommend.track_sounds import TrackSounds

HEAD: Final = 20
"""Places of a source's list in which a play counts as foreseen."""
HIT_RATE: Final = 0.1
"""Weight of the newest lesson in a source's hit share; lessons are a fraction of the plays."""
NOBODY: Final = ListenerMemory(number=-1)
"""Stands in where nothing is known of a listener; it never learns."""
RULED_OUT: Final = excluded_for(Cause.RULED_OUT)
SEARCH_LIMIT: Final = 10_000
"""Tracks of the catalogue looked through, at most, for a list that every source left too short; where there are rules,
`RulesAt.newest` gives them."""


class ListMaker:
    """Orders candidates; one instance serves one list at a time."""

    def __init__(
        self,
        knowledge: Knowledge,
        settings: RankingSettings,
        candidates: CandidateGenerator,
        ranker: Ranker,
        skips: SkipForecast,
        sounds: TrackSounds,
    ) -> None:
        self._knowledge = knowledge
        self._settings = settings
        self._candidates = candidates
        self._ranker = ranker
        self._skips = skips
        self._sounds = sounds
        most = candidates.keys.size
        self._fused: NDArray[np.int64] = np.zeros(most, np.int64)
        self._fused_scores: NDArray[np.float64] = np.zeros(most, np.float64)
        self._excluded: NDArray[np.int64] = np.zeros(len(Cause), np.int64)
        self._ruled_out: NDArray[np.int64] = np.zeros(most, np.int64)
        self._places: NDArray[np.int64] = np.zeros(most, np.int64)
        self._records = ItemMaker(candidates.keys.shape[1], self._settings.rank_constant)
        self._makings = MakingRecorder(self._settings)
        self._ranks: NDArray[np.int32] = np.zeros((MAX_LIST_LENGTH, len(Source)), np.int32)
        ranked = max(1, self._settings.ranked_candidates)
        self._features: NDArray[np.float32] = np.zeros((ranked, FEATURES), np.float32)
        self._ranker_scores: NDArray[np.float64] = np.zeros(ranked, np.float64)
        self._plays_of: NDArray[np.float32] = np.zeros(ranked, np.float32)
        self._skips_of: NDArray[np.float32] = np.zeros(ranked, np.float32)
        self._last_play_of: NDArray[np.int32] = np.zeros(ranked, np.int32)
        self._first_play_of: NDArray[np.int32] = np.zeros(ranked, np.int32)
        self._day_plays_of: NDArray[np.float32] = np.zeros(ranked, np.float32)
        self._week_plays_of: NDArray[np.float32] = np.zeros(ranked, np.float32)
        self._artist_plays: NDArray[np.int16] = np.zeros(MIN_CAPACITY, np.int16)
        self._marks: NDArray[np.uint8] = np.zeros(MIN_CAPACITY, np.uint8)
        self._artist_marks: NDArray[np.uint8] = np.zeros(MIN_CAPACITY, np.uint8)
        self._place_of: NDArray[np.int16] = np.zeros(MIN_CAPACITY, np.int16)

    def fuse(self, weights: NDArray[np.float64], exclusions: Exclusions, wanted: int) -> FusedCandidates:
        """Return the fused candidates that may be listed; where they are fewer than `wanted`, the catalogue adds some.

        Args:
            weights: float64 per source.
            exclusions: what may not be listed.
            wanted: length of the list to be.
        """
        self._set_marks(exclusions)
        ruled_out, rules, candidates = self._ruled_out[:0], exclusions.rules, self._candidates
        if rules is not None:
            ruled_out = rules.mark(candidates.keys, candidates.counts, self._marks, RULED_OUT, self._ruled_out)
        count = self._fuse(weights)
        if count < wanted:
            self._search_catalogue(rules)
            count = self._fuse(weights)
        self._marks[ruled_out] = 0
        self._clear_marks(exclusions)
        tracks, scores = self._fused[:count].copy(), self._fused_scores[:count].copy()
        return FusedCandidates(tracks, scores, weights, exclusions, self._excluded.copy(), np.arange(count))

    def order(self, fused: FusedCandidates, query: Query) -> FusedCandidates:
        """Return the best fused candidates in the ranker's order, and behind them the rest in the fusion's."""
        count = min(len(fused.tracks), len(self._features))
        if count == 0 or not query.tracks:
            return fused
        self._write_features(fused, count, query)
        self._ranker.score(self._features, fused.scores, count, self._ranker_scores)
        if self._settings.skip_aversion > 0:
            self._skips.lower(self._features, count, self._settings.skip_aversion, self._ranker_scores)
        tracks, scores, places = fused.tracks.copy(), fused.scores.copy(), fused.fusion_places.copy()
        put_in_order(self._ranker_scores, count, tracks, scores, places)
        return FusedCandidates(tracks, scores, fused.weights, fused.exclusions, fused.excluded, places, count)

    def turn(self, fused: FusedCandidates, query: Query, discovery: float | None) -> FusedCandidates:
        """Return the candidates in the order that the dials give; the same order where all stand in the middle.

        Args:
            fused: in the ranker's order, or, for a list without a session, in the fusion's.
            query: whose listener's plays count.
            discovery: where the listener's dial stands; None where nobody set one.
        """
        turned = Turned.of(self._settings, discovery)
        if turned.changes_nothing:
            return fused if discovery is None else replace(fused, discovery=discovery)
        scores = fused.scores if fused.has_log_scores else np.log(fused.scores)
        is_played = self._is_played(fused.tracks, query)
        scores = turned_scores(scores, is_played, self._knowledge.popularity.plays[fused.tracks], turned)
        order = np.argsort(-scores, kind="stable")
        return replace(
            fused,
            tracks=fused.tracks[order],
            scores=scores[order],
            fusion_places=fused.fusion_places[order],
            discovery=discovery,
            ranker_places=order,
        )

    def teach(self, fused: FusedCandidates, query: Query, played: int, *, was_skipped: bool) -> None:
        """Let both networks learn that `played` was played, where it was among the candidates.

        Args:
            fused: candidates, as they were before the play.
            query: likewise.
            played: the track.
            was_skipped: whether the play was.
        """
        count = min(len(fused.tracks), len(self._features))
        rows = np.flatnonzero(fused.tracks[:count] == played)
        if len(rows):
            self._write_features(fused, count, query)
            weight = self._settings.ranker_skip_weight if was_skipped else 1.0
            self._ranker.train(self._features, fused.scores, count, int(rows[0]), weight, self._ranker_scores)
            self._skips.train(self._features, int(rows[0]), was_skipped=was_skipped)

    def count_hits(self, listener: ListenerMemory, played: int) -> None:
        """Have the listener's memory keep which sources of the last candidates foresaw that `played` was played."""
        heads = self._candidates.keys[:SCORED_SOURCES, :HEAD]
        filled = np.arange(heads.shape[1]) < self._candidates.counts[:SCORED_SOURCES, None]
        held = ((heads == played) & filled).any(axis=1)
        listener.source_hits += np.float32(HIT_RATE) * (held - listener.source_hits)

    def cut(self, fused: FusedCandidates, limit: int) -> NDArray[np.int64]:
        """Return the places in `fused` of the tracks to list, int64, in order."""
        count = len(fused.tracks)
        artist_of, cap = self._knowledge.catalogue.artist_of, self._settings.artist_cap
        order = self.varied(fused)
        listed = cap_artists(fused.tracks[order], count, artist_of, cap, min(limit, count), self._places)
        return order[self._places[:listed]]

    def varied(self, fused: FusedCandidates) -> NDArray[np.int64]:
        """Return the places in `fused` of all candidates, int64, in an order that has as much variety as is set."""
        order = np.arange(len(fused.tracks))
        count = min(len(order), self._settings.diversity_candidates)
        if self._settings.diversity > 0 and count > 0:
            tracks, scores = fused.tracks[:count], fused.scores[:count]
            order[:count] = varied_places(
                scores if fused.has_log_scores else np.log(scores),
                self._knowledge.catalogue.artist_of[tracks],
                self._candidates.encoders.vectors(tracks),
                self._sounds.vectors(tracks),
                self._settings.diversity,
            )
        return order

    def items(self, fused: FusedCandidates, places: NDArray[np.int64]) -> list[RecommendedItem]:
        """Return the records of the candidates in `places`; no score is above that of the place before.

        An artist cap or the share of new tracks places a track below others with lower scores.  It then gets the
        lowest so far: whoever sorts the items by score keeps their order.
        """
        candidates = self._candidates
        listed = fused.tracks[places]
        ranks_of(listed, len(listed), candidates.keys, candidates.counts, candidates.by_track.scores, self._ranks)
        track_id = self._knowledge.catalogue.track_id
        ids = [track_id(track) for track in listed.tolist()]
        scores = np.minimum.accumulate(fused.scores[places]).tolist()
        return self._records.items(ids, scores, self._ranks[: len(listed)], fused.weights)

    def new_item(self, drawn: Drawn, score: float) -> RecommendedItem:
        """Return the record of a track that stands in a list because it is new."""
        return self._records.new_item(self._knowledge.catalogue.track_id(drawn.track), score, drawn.propensity)

    def making(
        self,
        fused: FusedCandidates,
        places: NDArray[np.int64],
        added: Sequence[Drawn],
        query: Query,
        *,
        new_share: float = 0.0,
    ) -> Making:
        """Return how the list came to be that holds the candidates in `places` and, behind them, the tracks `added`."""
        new_to_listener = None
        if fused.discovery is not None:
            listed = np.concatenate([fused.tracks[places], np.array([drawn.track for drawn in added], np.int64)])
            new_to_listener = tuple((np.flatnonzero(~self._is_played(listed, query)) + 1).tolist())
        skips = None
        if fused.ranked and self._settings.skip_aversion > 0:
            stood = places if fused.ranker_places is None else fused.ranker_places[places]
            skips = self._skips.moved(fused.fusion_places[places], stood, fused.ranked)
        counts, market = self._candidates.counts, query.market
        return self._makings.record(fused, places, len(added), counts, new_share, new_to_listener, skips, market)

    def _fuse(self, weights: NDArray[np.float64]) -> int:
        catalogue, candidates = self._knowledge.catalogue, self._candidates
        return fuse(
            candidates.keys,
            candidates.counts,
            weights,
            self._settings.rank_constant,
            self._marks,
            self._artist_marks,
            catalogue.artist_of,
            catalogue.flags,
            self._settings.repeat_factor,
            candidates.by_track.scores,
            candidates.by_track.touched,
            self._excluded,
            len(self._fused),
            self._fused,
            self._fused_scores,
        )

    def _is_played(self, tracks: NDArray[np.int64], query: Query) -> NDArray[np.bool_]:
        self._make_room()
        listener = query.listener or NOBODY
        is_played = np.zeros(len(tracks), np.bool_)
        session = np.array(query.tracks, np.int64)
        mark_played(tracks, len(tracks), listener.tracks, listener.length, session, self._place_of, is_played)
        return is_played

    def _make_room(self) -> None:
        if len(self._place_of) < self._knowledge.catalogue.capacity:
            self._place_of = np.zeros(self._knowledge.catalogue.capacity, np.int16)

    def _write_features(self, fused: FusedCandidates, count: int, query: Query) -> None:
        knowledge, candidates = self._knowledge, self._candidates
        listener = query.listener or NOBODY
        self._make_room()
        if len(self._artist_plays) < knowledge.catalogue.artist_capacity:
            self._artist_plays = np.zeros(knowledge.catalogue.artist_capacity, np.int16)
        session = np.array(query.tracks, np.int64)
        write_features(
            fused.tracks,
            count,
            candidates.keys,
            candidates.scores,
            candidates.counts,
            *candidates.encoder_logits(fused.tracks[:count]),
            session,
            len(session),
            len(query.skipped),
            query.tracks[0] in query.skipped,
            query.new_share,
            listener.tracks,
            listener.ended_at_s,
            listener.strengths,
            listener.length,
            self._settings.ranker_history,
            listener.exploration,
            listener.source_hits,
            query.now_ms // 1000,
            knowledge.catalogue.artist_of,
            knowledge.popularity.plays,
            knowledge.catalogue.first_seen_ms,
            self._place_of,
            self._plays_of,
            self._skips_of,
            self._last_play_of,
            self._first_play_of,
            self._day_plays_of,
            self._week_plays_of,
            self._artist_plays,
            self._features,
        )
        if self._settings.knows_company:
            self._write_company(fused, count, session, listener, query.now_ms // 1000)
        if self._settings.knows_successions:
            self._write_successions(fused, count, session, listener, query.session)
        if self._settings.knows_skip_likeness:
            self._write_skip_likeness(fused.tracks[:count], session[:LOOK], query)

    def _write_company(
        self, fused: FusedCandidates, count: int, session: NDArray[np.int64], listener: ListenerMemory, now_s: int
    ) -> None:
        write_company(
            fused.tracks,
            count,
            session,
            len(session),
            listener.tracks,
            listener.ended_at_s,
            listener.length,
            self._settings.ranker_history,
            self._settings.habit_gap_s,
            now_s,
            self._place_of,
            self._candidates.weight_of,
            COMPANY_COLUMN,
            self._features,
        )

    def _write_successions(
        self, fused: FusedCandidates, count: int, session: NDArray[np.int64], listener: ListenerMemory, number: int
    ) -> None:
        write_own_successions(
            fused.tracks,
            count,
            session,
            len(session),
            listener.tracks,
            listener.ended_at_s,
            listener.length,
            self._settings.ranker_history,
            self._settings.habit_gap_s,
            self._place_of,
            OWN_COLUMN,
            self._features,
        )
        store = self._knowledge.sessions
        postings = store.rows_of
        write_others_successions(
            fused.tracks,
            count,
            session,
            len(session),
            number,
            listener.number,
            store.tracks,
            store.lengths,
            store.session,
            store.listener,
            store.next_serial,
            postings.values,
            postings.start,
            postings.room,
            postings.written,
            self._settings.rule_rows_per_track,
            self._place_of,
            OTHERS_COLUMN,
            self._features,
        )

    def _write_skip_likeness(self, tracks: NDArray[np.int64], session: NDArray[np.int64], query: Query) -> None:
        away = [query.skipped.get(track, 0.0) for track in session.tolist()]
        if not any(away):
            clear_skip_likeness(len(tracks), SKIP_COLUMN, self._features)
            return
        both = np.concatenate([tracks, session])
        artists, encoded = self._knowledge.catalogue.artist_of[both], self._candidates.encoders.vectors(both)
        sounds, count = self._sounds.vectors(both), len(tracks)
        write_skip_likeness(
            artists[:count],
            encoded[:count],
            sounds[:count],
            artists[count:],
            encoded[count:],
            sounds[count:],
            np.array(away, np.float32),
            SKIP_COLUMN,
            self._features,
        )

    def _search_catalogue(self, rules: RulesAt | None) -> None:
        """Put tracks that no source proposed behind the new ones: a short list is filled up while there are tracks."""
        catalogue = self._knowledge.catalogue
        known = len(catalogue)
        found: list[int] = self._candidates.keys[Source.NEW, : self._candidates.counts[Source.NEW]].tolist()
        newest = range(known - 1, max(-1, known - 1 - SEARCH_LIMIT), -1)
        for track in newest if rules is None else rules.newest().tolist():
            if len(found) >= self._candidates.keys.shape[1]:
                break
            artist = int(catalogue.artist_of[track])
            is_blocked = artist != UNKNOWN and self._artist_marks[artist] & EXCLUDED
            may_list = not (is_blocked or self._marks[track] & EXCLUDED or catalogue.flags[track] & REMOVED)
            if may_list and track not in found:
                found.append(track)
        self._candidates.put(Source.NEW, found)

    def _set_marks(self, exclusions: Exclusions) -> None:
        catalogue = self._knowledge.catalogue
        if len(self._marks) < catalogue.capacity:
            self._marks = np.zeros(catalogue.capacity, np.uint8)
        if len(self._artist_marks) < catalogue.artist_capacity:
            self._artist_marks = np.zeros(catalogue.artist_capacity, np.uint8)
        for track, mark in exclusions.marks.items():
            self._marks[track] = mark
        for artist in exclusions.artists:
            self._artist_marks[artist] = EXCLUDED

    def _clear_marks(self, exclusions: Exclusions) -> None:
        for track in exclusions.marks:
            self._marks[track] = 0
        for artist in exclusions.artists:
            self._artist_marks[artist] = 0
