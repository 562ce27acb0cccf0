"""The ranking core's only door: learn from snapshots, answer with lists.

Pure: no I/O, no clock, no unseeded randomness.  The same calls in the same order give the same lists; time is the
snapshot's.  One instance belongs to one thread at a time.
"""

from collections.abc import Sequence
from copy import copy
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import (
    CatalogueRule,
    Degradation,
    Mode,
    RecommendationRequest,
    SessionSnapshot,
    Track,
)
from musicrec.recommend.audio_neighbours import AudioIndex
from musicrec.recommend.beginning import Beginning
from musicrec.recommend.candidates import CandidateGenerator, Query, add_artists, query_before, query_of
from musicrec.recommend.catalogue import UNKNOWN
from musicrec.recommend.encoded_tracks import EncodedTracks
from musicrec.recommend.encoders import Encoders
from musicrec.recommend.exploration import Drawn, draw, may_be_drawn
from musicrec.recommend.fused_candidates import Exclusions, FusedCandidates
from musicrec.recommend.fusion import EXCLUDED, Cause, Source, excluded_for
from musicrec.recommend.learning import Knowledge
from musicrec.recommend.list_making import ListMaker
from musicrec.recommend.ranked_list import RankedList
from musicrec.recommend.ranker import Ranker
from musicrec.recommend.ranking_features import FEATURES, LATE_COLUMNS
from musicrec.recommend.session_encoder import SessionEncoder
from musicrec.recommend.settings import RankingSettings
from musicrec.recommend.skip_forecast import SkipForecast
from musicrec.recommend.state import Pieces, State, joined, named
from musicrec.recommend.track_sounds import TrackSounds

EVIDENCE = (
    Source.SESSION_KNN,
    Source.SEQUENTIAL_RULES,
    Source.LISTENER_HABIT,
    Source.SAME_ARTIST,
    Source.SESSION_ENCODER,
    Source.AUDIO_NEIGHBOURS,
    Source.METADATA_NEIGHBOURS,
)
"""Sources that speak about the session itself; without any of them an answer is degraded."""


class Recommender:
    """Next tracks for a running session, and lists on request."""

    def __init__(
        self,
        settings: RankingSettings | None = None,
        audio: AudioIndex | None = None,
        encoders: Sequence[SessionEncoder] = (),
    ) -> None:
        """Make one that has learned nothing.

        Args:
            settings: the defaults if not given.
            audio: vectors of tracks' sound, where there are any.
            encoders: trained ones; of several the one speaks that has seen the most, but nothing as new as the
                session.
        """
        self.variant: str | None = None
        self.knowledge = Knowledge(settings or RankingSettings())
        self._sounds = TrackSounds(audio, self.knowledge.catalogue)
        self._rank_by(self.knowledge.settings, Encoders(encoders, self.knowledge.catalogue, audio))

    def varied(self, variant: str, settings: RankingSettings) -> "Recommender":
        """Return one that shares what is known, and ranks in its own way; only `teach` it, `learn` is this one's.

        Its ranker begins as a copy of this one's, where it has the same shape: a beginner beside one that has learned
        for weeks would say nothing of the settings.

        Args:
            variant: its name, as its lists tell it.
            settings: its own; those of the knowledge are this one's, see `RankingSettings.varied`.
        """
        other = copy(self)
        other.variant = variant
        other._rank_by(settings, self._candidates.encoders)
        if settings.ranker_hidden == self.settings.ranker_hidden:
            other.ranker.restore(State(joined(self.ranker.state())))
            other.beginning = self.beginning
        if settings.skip_hidden == self.settings.skip_hidden:
            other.skips.restore(State(joined(self.skips.state())))
        return other

    def _rank_by(self, settings: RankingSettings, encoders: Encoders) -> None:
        self.settings = settings
        self.ranker = Ranker(FEATURES, settings.ranker_hidden, settings.ranker_step, silent=LATE_COLUMNS)
        self.skips = SkipForecast(FEATURES, settings.skip_hidden, settings.skip_step)
        self.beginning = Beginning()
        self._candidates = CandidateGenerator(self.knowledge, settings, self._sounds, encoders)
        self._lists = ListMaker(self.knowledge, settings, self._candidates, self.ranker, self.skips, self._sounds)
        self._weights = _source_weights(settings)
        self._version = settings.version()

    def learn(self, snapshot: SessionSnapshot) -> bool:
        """Take in a snapshot; return False, changing nothing, if its revision was learned before."""
        if self.knowledge.was_learned(snapshot):
            return False
        self.teach(snapshot)
        return self.knowledge.learn(snapshot)

    def teach(self, snapshot: SessionSnapshot) -> None:
        """Let the ranker learn from a snapshot that the knowledge has not learned from yet."""
        if self._is_lesson(snapshot):
            self._teach_ranker(snapshot)

    def add_track(self, track: Track) -> None:
        """Take in a track of the catalogue; it can be recommended from now on."""
        self.knowledge.announce(track)

    def remove_track(self, track_id: str) -> None:
        """Take a track out of the catalogue; no list holds it from now on."""
        self.knowledge.remove(track_id)

    def put_rule(self, rule: CatalogueRule) -> None:
        """Obey a rule in every list from now on, in the place of the one of that name."""
        self.knowledge.rules.put(rule)

    def withdraw_rule(self, name: str) -> None:
        """Obey the rule of that name no longer."""
        self.knowledge.rules.withdraw(name)

    def rank(self, snapshot: SessionSnapshot, limit: int = 20) -> RankedList:
        """Return what to play next in this session, best first."""
        return self._continue(snapshot, limit, snapshot.market, snapshot.trigger.occurred_at_ms)

    def answer(self, request: RecommendationRequest, snapshot: SessionSnapshot | None, now_ms: int) -> RankedList:
        """Return the list that a request asks for.

        Args:
            request: what is asked.
            snapshot: the listener's newest snapshot, where there is one.
            now_ms: time of the answer, epoch milliseconds.
        """
        if request.mode is Mode.SESSION and snapshot is not None and snapshot.entries:
            return self._continue(snapshot, request.limit, self._market(request, snapshot), now_ms)
        if request.mode is Mode.SIMILAR:
            return self._similar(request, snapshot, now_ms)
        if request.mode is Mode.POPULAR:
            weights = _only(Source.POPULAR, Source.NEW)
            return self._from_catalogue(request, weights, snapshot, now_ms)
        if request.mode is Mode.NEW:
            weights = _only(Source.NEW, Source.POPULAR)
            return self._from_catalogue(request, weights, snapshot, now_ms)
        return self._personal(request, snapshot, now_ms)

    def encoded(self, encoder: SessionEncoder) -> EncodedTracks:
        """Return a trained encoder as `use_encoder` takes it; may run in another thread, see `Encoders.prepared`."""
        return self._candidates.encoders.prepared(encoder)

    def use_encoder(self, encoded: EncodedTracks | None) -> None:
        """Make lists with this encoder from the next one on, or without any; see `Encoders` for what the former does.

        What the ranker has learned stays: it knows what an encoder's word was worth, not whose it was.
        """
        self._candidates.encoders.use(encoded)

    def begin_with(self, networks: State, beginning: Beginning) -> None:
        """Go on from networks that were taught elsewhere, from the next list on; what ours have learned is gone.

        Args:
            networks: the state of a ranker and of a skip forecast, as `networks_state` yields them.
            beginning: what they are.

        Raises:
            Incompatible: they have other shapes; this recommender is then good for nothing; `TrainedRanker.try_out`.
        """
        self.ranker.restore(networks.part("ranker"))
        self.skips.restore(networks.part("skips"))
        self.beginning = beginning

    def state(self) -> Pieces:
        """Yield all that was learned, for a snapshot; see `Stateful`. Lists may be made meanwhile."""
        yield from named("knowledge", self.knowledge.state())
        yield from self.taught_state()

    def restore(self, state: State) -> None:
        """Become what `state` was taken from: every later list is the same; see `Stateful`."""
        self.knowledge.restore(state.part("knowledge"))
        self.restore_taught(state)
        self._candidates.forget()

    def taught_state(self) -> Pieces:
        """Yield what lessons taught, the part that is not shared with variants; see `Stateful`."""
        yield from self.networks_state()
        yield from named("beginning", self.beginning.state())

    def restore_taught(self, state: State) -> None:
        """Become as taught as what `state` was taken from."""
        self.begin_with(state, Beginning.restored(state.part("beginning")))

    def networks_state(self) -> Pieces:
        """Yield both networks, without what they began with."""
        yield from named("ranker", self.ranker.state())
        yield from named("skips", self.skips.state())

    def _continue(self, snapshot: SessionSnapshot, limit: int, market: str | None, ruled_at_ms: int) -> RankedList:
        query = query_of(snapshot, self.knowledge, self.settings)
        query.market = market
        self._candidates.run(query)
        exclusions = Exclusions.of_session(query, self.settings)
        exclusions.block(self.knowledge, snapshot.blocked_tracks, snapshot.blocked_artists)
        exclusions.rules = self.knowledge.rules.at(market, ruled_at_ms)
        fused = self._lists.fuse(self._weights, exclusions, limit)
        if self.settings.ranked_candidates > 0:
            fused = self._lists.order(fused, query)
        fused = self._lists.turn(fused, query, self._discovery(snapshot.discovery))
        places = self._lists.cut(fused, limit)
        explored = self._explored(query, exclusions, fused.tracks[places].tolist(), snapshot)
        degraded = self._lacking(query, heard=bool(snapshot.entries))
        return self._list(fused, places, limit, query, degraded, explored)

    def _personal(self, request: RecommendationRequest, snapshot: SessionSnapshot | None, now_ms: int) -> RankedList:
        listener = self.knowledge.listeners.get(request.user_id)
        query = query_of(snapshot, self.knowledge, self.settings) if snapshot is not None else Query(listener=listener)
        query.now_ms, query.market = now_ms, self._market(request, snapshot)
        exclusions = Exclusions.of_session(query, self.settings)
        blocked = self._blocked(request, snapshot, now_ms)
        exclusions.marks.update(blocked.marks)
        exclusions.artists.extend(blocked.artists)
        exclusions.rules = blocked.rules
        if not query.tracks and listener is not None:
            query.tracks = _newest_of(listener.tracks, listener.length, self.settings.query_length)
            add_artists(query, self.knowledge, self.settings)
        self._candidates.run(query)
        fused = self._lists.fuse(self._weights, exclusions, request.limit)
        known = snapshot or listener
        fused = self._lists.turn(fused, query, self._discovery(known.discovery if known is not None else None))
        lacking = self._lacking(query, heard=False)
        if listener is None:
            return self._list(fused, self._lists.cut(fused, request.limit), request.limit, query, lacking)
        heard, new_share = listener.tracks[: listener.length], self.settings.personal_new_share
        order = self._lists.varied(fused)
        places = order[_with_new_tracks(fused.tracks[order], heard, request.limit, new_share)]
        return self._list(fused, places, request.limit, query, lacking, new_share=new_share)

    def _similar(self, request: RecommendationRequest, snapshot: SessionSnapshot | None, now_ms: int) -> RankedList:
        degraded = []
        query = Query(now_ms=now_ms, market=self._market(request, snapshot))
        exclusions = self._blocked(request, snapshot, now_ms)
        seed = self.knowledge.catalogue.index_of(str(request.track_id))
        if seed == UNKNOWN:
            degraded.append(Degradation.UNKNOWN_SEED)
        else:
            query.tracks.append(seed)
            exclusions.marks[seed] = excluded_for(Cause.PLAYING)
            add_artists(query, self.knowledge, self.settings)
        if not len(self._sounds):
            degraded.append(Degradation.NO_AUDIO_INDEX)
        self._candidates.run(query)
        fused = self._lists.fuse(self._weights, exclusions, request.limit)
        return self._list(fused, self._lists.cut(fused, request.limit), request.limit, query, degraded)

    def _from_catalogue(
        self,
        request: RecommendationRequest,
        weights: NDArray[np.float64],
        snapshot: SessionSnapshot | None,
        now_ms: int,
    ) -> RankedList:
        query = Query(now_ms=now_ms, market=self._market(request, snapshot))
        self._candidates.run(query)
        fused = self._lists.fuse(weights, self._blocked(request, snapshot, now_ms), request.limit)
        return self._list(fused, self._lists.cut(fused, request.limit), request.limit, query, [])

    def _list(
        self,
        fused: FusedCandidates,
        places: NDArray[np.int64],
        limit: int,
        query: Query,
        degraded: list[Degradation],
        explored: Sequence[Drawn] = (),
        *,
        new_share: float = 0.0,
    ) -> RankedList:
        kept = places[: max(0, limit - len(explored))]
        items = self._lists.items(fused, kept)
        added = explored[: limit - len(kept)]
        for drawn in added:
            items.append(self._lists.new_item(drawn, items[-1].score if items else 0.0))
        if not items:
            has_tracks = self.knowledge.catalogue.available > 0
            degraded = [
                Degradation.EVERYTHING_EXCLUDED if has_tracks else Degradation.EMPTY_CATALOGUE,
                *degraded,
            ]
        return RankedList(
            items=tuple(items),
            degraded=tuple(degraded),
            making=self._lists.making(fused, kept, added, query, new_share=new_share),
            candidates=fused.tracks,
            candidate_scores=fused.scores,
            places=np.append(kept, np.full(len(added), -1, np.int64)) if added else kept,
            model_version=self._model_version(),
            variant=self.variant,
        )

    def _model_version(self) -> str:
        models = (self._candidates.encoders.version, self.beginning.version)
        return "+".join([self._version, *filter(None, models)])

    def _discovery(self, chosen: float | None) -> float | None:
        """Return where the dial stands that a listener set at `chosen`; None where nobody set one."""
        return chosen if chosen is not None else self.settings.discovery or None

    def _market(self, request: RecommendationRequest, snapshot: SessionSnapshot | None) -> str | None:
        known = snapshot or self.knowledge.listeners.get(request.user_id)
        return request.market or (known.market if known is not None else None)

    def _blocked(self, request: RecommendationRequest, snapshot: SessionSnapshot | None, now_ms: int) -> Exclusions:
        """Return what neither the listener nor an operator wants in any list."""
        exclusions = Exclusions(rules=self.knowledge.rules.at(self._market(request, snapshot), now_ms))
        known = snapshot or self.knowledge.listeners.get(request.user_id)
        if known is not None:
            exclusions.block(self.knowledge, known.blocked_tracks, known.blocked_artists)
        return exclusions

    def _lacking(self, query: Query, *, heard: bool) -> list[Degradation]:
        lacking = []
        counts = self._candidates.counts.tolist()
        if not any([counts[source] for source in EVIDENCE]):
            if heard:
                lacking.append(Degradation.UNKNOWN_TRACKS)
            if query.listener is None or query.listener.length <= len(query.tracks):
                lacking.append(Degradation.NO_HISTORY)
        if self._sounds.has_index and not len(self._sounds):
            lacking.append(Degradation.NO_AUDIO_INDEX)
        return lacking

    def _explored(
        self, query: Query, exclusions: Exclusions, listed: list[int], snapshot: SessionSnapshot
    ) -> list[Drawn]:
        """Return newly announced tracks for the exploration slots, those of the session's artists more often."""
        settings, knowledge = self.settings, self.knowledge
        if settings.exploration_slots == 0:
            return []
        new = self._candidates.new
        if exclusions.rules is not None:
            new = new.taken(~exclusions.rules.keeps_out(new.tracks))
        excluded = [track for track, mark in exclusions.marks.items() if mark & EXCLUDED]
        near = np.zeros(len(new.tracks), np.bool_)
        places = may_be_drawn(
            new.tracks,
            knowledge.catalogue.flags,
            knowledge.catalogue.artist_of,
            np.array([*listed, *excluded], np.int64),
            np.array(exclusions.artists, np.int64),
            np.array(query.artists, np.int64),
            near,
        )[: settings.exploration_choice]
        weights = new.odds(settings.exploration_fit)
        weights[near] *= settings.exploration_artist_weight
        # The length first: no listener and revision can be taken for another pair.
        occasion = f"{len(snapshot.user_id)}:{snapshot.user_id}{snapshot.revision}:{self._version}"
        return draw(new.tracks[places], weights[places], settings.exploration_slots, occasion)

    def _is_lesson(self, snapshot: SessionSnapshot) -> bool:
        settings, before = self.settings, snapshot.previous_track_id
        # Which plays are lessons depends on the play alone: replicas that follow the same topic learn the same.
        turn = crc32(snapshot.user_id.encode()) + snapshot.revision
        if settings.ranked_candidates == 0 or turn % settings.ranker_lesson_every:
            return False
        if before is None or not snapshot.trigger.type.is_listen:
            return False
        return not settings.exclude_current or before != snapshot.trigger.track_id

    def _teach_ranker(self, snapshot: SessionSnapshot) -> None:
        """Make the list anew as it was before the play, and let the ranker learn what was played."""
        played = self.knowledge.catalogue.index_of(str(snapshot.trigger.track_id))
        query = query_before(snapshot, self.knowledge, self.settings)
        if played == UNKNOWN or query is None:
            return
        self._candidates.run(query)
        if snapshot.trigger.published_at_ms >= self.beginning.announced_at_ms:
            fused = self._lists.fuse(self._weights, Exclusions.of_session(query, self.settings), 0)
            outcome = snapshot.trigger.outcome
            self._lists.teach(fused, query, played, was_skipped=outcome is not None and outcome.is_skip)
        # What sources lately foresaw is known of the listener, and counted once.
        if self.variant is None and query.listener is not None:
            self._lists.count_hits(query.listener, played)


def _source_weights(settings: RankingSettings) -> NDArray[np.float64]:
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
    newest: list[int] = history[max(0, length - count) : length][::-1].tolist()
    return list(dict.fromkeys(newest))


def _with_new_tracks(
    ordered: NDArray[np.int64], heard: NDArray[np.int32], limit: int, new_share: float
) -> NDArray[np.int64]:
    """Return places of up to `limit` tracks in order, moved up where a prefix lacks its share of new ones."""
    is_heard = np.isin(ordered, heard)
    new: list[int] = np.flatnonzero(~is_heard).tolist()
    old: list[int] = np.flatnonzero(is_heard).tolist()
    places: list[int] = []
    new_taken = 0
    while len(places) < limit and (new or old):
        wants_new = new_taken < int(new_share * (len(places) + 1))
        take_new = bool(new) and (not old or wants_new or new[0] < old[0])
        places.append(new.pop(0) if take_new else old.pop(0))
        new_taken += take_new
    return np.array(places, np.int64)
