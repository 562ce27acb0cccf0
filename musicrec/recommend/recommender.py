"""The ranking core's only door: learn from snapshots, answer with lists.

Pure: no I/O, no clock, no randomness.  The same calls in the same order give the same lists; time is the snapshot's.
One instance belongs to one thread at a time.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import Degradation, Mode, RecommendationRequest, RecommendedItem, SessionSnapshot, Track
from musicrec.recommend.audio_neighbours import AudioIndex
from musicrec.recommend.candidates import CandidateGenerator, Query, add_artists, query_of
from musicrec.recommend.catalogue import REMOVED, UNKNOWN
from musicrec.recommend.fusion import EXCLUDED, IN_SESSION, Source, fuse, ranks_of
from musicrec.recommend.learning import Knowledge
from musicrec.recommend.ranked_list import RankedList, item_of
from musicrec.recommend.reranking import cap_artists
from musicrec.recommend.settings import RankingSettings
from musicrec.recommend.top_k import MIN_CAPACITY

EVIDENCE = (
    Source.SESSION_KNN,
    Source.SEQUENTIAL_RULES,
    Source.LISTENER_HABIT,
    Source.SAME_ARTIST,
    Source.AUDIO_NEIGHBOURS,
)
"""Sources that speak about the session itself; without any of them an answer is degraded."""

SEARCH_LIMIT = 10_000
"""Tracks of the catalogue looked through, at most, for a list that every source left too short."""


class Recommender:
    """Next tracks for a running session, and lists on request."""

    def __init__(self, settings: RankingSettings | None = None, audio: AudioIndex | None = None) -> None:
        self.settings = settings or RankingSettings()
        self.knowledge = Knowledge(self.settings)
        self._audio = audio
        self._candidates = CandidateGenerator(self.knowledge, audio)
        self._marks: NDArray[np.uint8] = np.zeros(MIN_CAPACITY, np.uint8)
        self._artist_marks: NDArray[np.uint8] = np.zeros(MIN_CAPACITY, np.uint8)
        most = len(Source) * self.settings.candidates_per_source
        self._fused: NDArray[np.int64] = np.zeros(most, np.int64)
        self._fused_scores: NDArray[np.float64] = np.zeros(most, np.float64)
        self._places: NDArray[np.int64] = np.zeros(most, np.int64)
        self._ranks: NDArray[np.int32] = np.zeros((most, len(Source)), np.int32)
        self._session_weights = _weights(self.settings)

    def learn(self, snapshot: SessionSnapshot) -> bool:
        """Take in a snapshot; return False, changing nothing, if its revision was learned before."""
        return self.knowledge.learn(snapshot)

    def add_track(self, track: Track) -> None:
        """Take in a track of the catalogue; it can be recommended from now on."""
        self.knowledge.announce(track)

    def remove_track(self, track_id: str) -> None:
        """Take a track out of the catalogue; no list holds it from now on."""
        self.knowledge.remove(track_id)

    def rank(self, snapshot: SessionSnapshot, limit: int = 20) -> RankedList:
        """Return what to play next in this session.

        Source of the mode: `Mode.SESSION`.
        """
        query = query_of(snapshot, self.knowledge)
        self._candidates.run(query)
        marks = self._mark_session(query)
        explored = self._explorable(query, snapshot.revision) if self.settings.exploration_slots else []
        degraded = self._lacking(query, heard=bool(snapshot.entries))
        return self._list(
            limit, self._session_weights, marks, snapshot.blocked_tracks, snapshot.blocked_artists, degraded, explored
        )

    def answer(self, request: RecommendationRequest, snapshot: SessionSnapshot | None, now_ms: int) -> RankedList:
        """Return the list that a request asks for.

        Args:
            request: what is asked.
            snapshot: the listener's newest snapshot, where there is one.
            now_ms: time of the answer, epoch milliseconds.
        """
        if request.mode is Mode.SESSION and snapshot is not None and snapshot.entries:
            return self.rank(snapshot, request.limit)
        listener = self.knowledge.listeners.get(request.user_id)
        blocked_tracks: tuple[str, ...] = ()
        blocked_artists: tuple[str, ...] = ()
        if snapshot is not None:
            blocked_tracks, blocked_artists = snapshot.blocked_tracks, snapshot.blocked_artists
        elif listener is not None:
            blocked_tracks, blocked_artists = listener.blocked_tracks, listener.blocked_artists
        query = query_of(snapshot, self.knowledge) if snapshot is not None else Query(listener=listener)
        query.now_ms = now_ms
        marks: dict[int, int] = {}
        degraded: list[Degradation] = []
        weights = self._session_weights
        if request.mode is Mode.SIMILAR:
            query = Query(now_ms=now_ms)
            seed = self.knowledge.catalogue.index_of(str(request.track_id))
            if seed != UNKNOWN:
                query.tracks.append(seed)
                marks[seed] = EXCLUDED
                add_artists(query, self.knowledge)
            else:
                degraded.append(Degradation.UNKNOWN_SEED)
            if self._audio is None or not len(self._audio):
                degraded.append(Degradation.NO_AUDIO_INDEX)
        elif request.mode is Mode.POPULAR:
            query, weights = Query(now_ms=now_ms), _only(Source.POPULAR, Source.NEW)
        elif request.mode is Mode.NEW:
            query, weights = Query(now_ms=now_ms), _only(Source.NEW, Source.POPULAR)
        else:
            if not query.tracks and listener is not None:
                query.tracks = _newest_of(listener.tracks, listener.length, self.settings.query_length)
                add_artists(query, self.knowledge)
            marks = self._mark_session(query)
        self._candidates.run(query)
        if request.mode in (Mode.PERSONAL, Mode.SESSION):
            degraded = self._lacking(query, heard=False)
        return self._list(
            request.limit,
            weights,
            marks,
            blocked_tracks,
            blocked_artists,
            degraded,
            [],
            new_share=self.settings.personal_new_share if request.mode is Mode.PERSONAL else 0.0,
            listener_tracks=None if listener is None else listener.tracks[: listener.length],
        )

    def _mark_session(self, query: Query) -> dict[int, int]:
        marks = dict.fromkeys(query.tracks, IN_SESSION)
        if self.settings.exclude_skipped:
            for track in query.skipped:
                marks[track] = EXCLUDED
        if self.settings.exclude_current and query.tracks:
            marks[query.tracks[0]] = EXCLUDED
        return marks

    def _lacking(self, query: Query, *, heard: bool) -> list[Degradation]:
        lacking = []
        counts = self._candidates.counts
        if not any(counts[source] for source in EVIDENCE):
            if heard:
                lacking.append(Degradation.UNKNOWN_TRACKS)
            if query.listener is None or query.listener.length <= len(query.tracks):
                lacking.append(Degradation.NO_HISTORY)
        if self._audio is not None and not len(self._audio):
            lacking.append(Degradation.NO_AUDIO_INDEX)
        return lacking

    def _explorable(self, query: Query, turn: int) -> list[int]:
        """Return newly announced tracks for the exploration slots: of the session's artists first, then in turn."""
        knowledge = self.knowledge
        plays, flags, artist_of = knowledge.popularity.plays, knowledge.catalogue.flags, knowledge.catalogue.artist_of
        new = [
            track
            for track in knowledge.novelty.announced(self.settings.new_candidates)
            if plays[track] <= self.settings.new_max_plays and not flags[track] & REMOVED
        ]
        if not new:
            return []
        start = turn % len(new)
        turned = new[start:] + new[:start]
        return sorted(turned, key=lambda track: int(artist_of[track]) not in query.artists)

    def _list(
        self,
        limit: int,
        weights: NDArray[np.float64],
        marks: dict[int, int],
        blocked_tracks: Sequence[str],
        blocked_artists: Sequence[str],
        degraded: list[Degradation],
        explored: list[int],
        new_share: float = 0.0,
        listener_tracks: NDArray[np.int32] | None = None,
    ) -> RankedList:
        catalogue, settings = self.knowledge.catalogue, self.settings
        for track_id in blocked_tracks:
            if (track := catalogue.index_of(track_id)) != UNKNOWN:
                marks[track] = EXCLUDED
        artists = [catalogue.artist_index_of(artist_id) for artist_id in blocked_artists]
        self._set_marks(marks, artists)
        count = self._fuse(weights)
        if count < limit:
            self._search_catalogue(limit)
            count = self._fuse(weights)
        fused = self._fused[:count].copy()
        scores = self._fused_scores[:count].copy()
        listed = cap_artists(fused, count, catalogue.artist_of, settings.artist_cap, min(limit, count), self._places)
        places = self._places[:listed].copy()
        if new_share > 0.0 and listener_tracks is not None:
            places = _with_new_tracks(fused, listener_tracks, limit, new_share)
        fresh = [t for t in explored if self._may_list(t) and t not in fused[places]][: settings.exploration_slots]
        items = self._items(fused, scores, places[: max(0, limit - len(fresh))], weights)
        for track in fresh:
            score = items[-1].score if items else 0.0
            ranks = [0] * len(Source)
            ranks[Source.NEW] = 1
            items.append(item_of(catalogue.track_id(track), score, ranks, [1.0] * len(Source), settings.rank_constant))
        if fresh:
            kept = places[: limit - len(fresh)]
            places = np.concatenate([kept, np.full(len(fresh), -1, np.int64)])
        self._clear_marks(marks, artists)
        if not items:
            reason = Degradation.EVERYTHING_EXCLUDED if catalogue.available else Degradation.EMPTY_CATALOGUE
            degraded = [reason, *degraded]
        return RankedList(tuple(items), tuple(degraded), fused, scores, places)

    def _fuse(self, weights: NDArray[np.float64]) -> int:
        catalogue, candidates = self.knowledge.catalogue, self._candidates
        return fuse(
            candidates.keys,
            candidates.counts,
            weights,
            self.settings.rank_constant,
            self._marks,
            self._artist_marks,
            catalogue.artist_of,
            catalogue.flags,
            self.settings.repeat_factor,
            candidates.by_track.scores,
            candidates.by_track.touched,
            len(self._fused),
            self._fused,
            self._fused_scores,
        )

    def _items(
        self,
        fused: NDArray[np.int64],
        scores: NDArray[np.float64],
        places: NDArray[np.int64],
        weights: NDArray[np.float64],
    ) -> list[RecommendedItem]:
        candidates = self._candidates
        listed = fused[places]
        ranks_of(listed, len(listed), candidates.keys, candidates.counts, candidates.by_track.scores, self._ranks)
        ranks = self._ranks[: len(listed)].tolist()
        strengths = weights.tolist()
        constant = self.settings.rank_constant
        track_id = self.knowledge.catalogue.track_id
        return [
            item_of(track_id(track), score, row, strengths, constant)
            for track, score, row in zip(listed.tolist(), scores[places].tolist(), ranks, strict=True)
        ]

    def _search_catalogue(self, wanted: int) -> None:
        """Put tracks that no source proposed behind the new ones: a short list is filled up while there are tracks."""
        known = len(self.knowledge.catalogue)
        found: list[int] = self._candidates.keys[Source.NEW, : self._candidates.counts[Source.NEW]].tolist()
        for track in range(known - 1, max(-1, known - 1 - SEARCH_LIMIT), -1):
            if len(found) >= 2 * wanted:
                break
            if track not in found and self._may_list(track):
                found.append(track)
        self._candidates.put(Source.NEW, found)

    def _may_list(self, track: int) -> bool:
        artist = int(self.knowledge.catalogue.artist_of[track])
        return not (
            self._marks[track] & EXCLUDED
            or self.knowledge.catalogue.flags[track] & REMOVED
            or (artist != UNKNOWN and self._artist_marks[artist] & EXCLUDED)
        )

    def _set_marks(self, marks: dict[int, int], artists: list[int]) -> None:
        if len(self._marks) < self.knowledge.catalogue.capacity:
            self._marks = np.zeros(self.knowledge.catalogue.capacity, np.uint8)
        if len(self._artist_marks) < self.knowledge.catalogue.artist_capacity:
            self._artist_marks = np.zeros(self.knowledge.catalogue.artist_capacity, np.uint8)
        for track, mark in marks.items():
            self._marks[track] = mark
        for artist in artists:
            if artist != UNKNOWN:
                self._artist_marks[artist] = EXCLUDED

    def _clear_marks(self, marks: dict[int, int], artists: list[int]) -> None:
        for track in marks:
            self._marks[track] = 0
        for artist in artists:
            if artist != UNKNOWN:
                self._artist_marks[artist] = 0


def _weights(settings: RankingSettings) -> NDArray[np.float64]:
    weights = np.zeros(len(Source), np.float64)
    for source in Source:
        weights[source] = getattr(settings, f"weight_{source.label}")
    return weights


def _only(first: Source, second: Source) -> NDArray[np.float64]:
    """Return weights with which every candidate of `first` comes before every one of `second`."""
    weights = np.zeros(len(Source), np.float64)
    weights[first], weights[second] = 1.0, 1e-6
    return weights


def _newest_of(history: NDArray[np.int32], length: int, count: int) -> list[int]:
    newest = history[max(0, length - count) : length][::-1].tolist()
    return list(dict.fromkeys(newest))


def _with_new_tracks(
    ordered: NDArray[np.int64], heard: NDArray[np.int32], limit: int, new_share: float
) -> NDArray[np.int64]:
    """Return places of up to `limit` tracks in order, moved up where a prefix lacks its share of new ones."""
    is_heard = np.isin(ordered, heard)
    new = np.flatnonzero(~is_heard).tolist()
    old = np.flatnonzero(is_heard).tolist()
    places: list[int] = []
    new_taken = 0
    while len(places) < limit and (new or old):
        wants_new = new_taken < int(new_share * (len(places) + 1))
        take_new = bool(new) and (not old or wants_new or new[0] < old[0])
        places.append(new.pop(0) if take_new else old.pop(0))
        new_taken += take_new
    return np.array(places, np.int64)
