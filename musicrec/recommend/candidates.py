"""Candidate generation: every source's own list for one session, in preallocated memory."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import SessionSnapshot
from musicrec.contracts.recommendation import MAX_LIST_LENGTH
from musicrec.recommend.audio_neighbours import mean_direction
from musicrec.recommend.catalogue import UNKNOWN
from musicrec.recommend.encoders import Encoders
from musicrec.recommend.fusion import Source
from musicrec.recommend.learning import Knowledge
from musicrec.recommend.listener_memory import ListenerMemory, base_level_scores, habit_scores
from musicrec.recommend.metadata_neighbours import MetadataNeighbours
from musicrec.recommend.novelty import few_played
from musicrec.recommend.same_artist import artist_scores
from musicrec.recommend.sequential_rules import rule_scores
from musicrec.recommend.session_encoder import SessionPlays
from musicrec.recommend.session_knn import knn_votes
from musicrec.recommend.settings import RankingSettings
from musicrec.recommend.skip_likeness import turned_away
from musicrec.recommend.top_k import MIN_CAPACITY, Scratch
from musicrec.recommend.track_sounds import TrackSounds


@dataclass(slots=True)
class Query:
    """What a list is asked for.

    Attributes:
        tracks: known tracks of the session, the newest first.
        artists: their artists, the newest first, each once.
        skipped: tracks whose last listen in this session was a skip, and which share of each was not heard.
        ended_at_s: event time of the last listen of each of `tracks`, epoch seconds; empty where they are unknown.
        session: number of the session in the session store; -1 for none.
        listener: memory of the listener, where there is one.
        now_ms: event time, epoch milliseconds.
        market: where the listener is; None where nobody said.
    """

    tracks: list[int] = field(default_factory=list)
    artists: list[int] = field(default_factory=list)
    skipped: dict[int, float] = field(default_factory=dict)
    ended_at_s: list[int] = field(default_factory=list)
    session: int = -1
    listener: ListenerMemory | None = None
    now_ms: int = 0
    market: str | None = None

    @property
    def plays(self) -> SessionPlays:
        """What was heard, as an encoder is asked."""
        tracks, ended_at_s = np.array(self.tracks, np.int64), np.zeros(len(self.tracks), np.int64)
        ended_at_s[: len(self.ended_at_s)] = self.ended_at_s
        skipped: NDArray[np.bool_] = np.array([track in self.skipped for track in self.tracks], np.bool_)
        return SessionPlays(tracks, skipped, ended_at_s)

    @property
    def new_share(self) -> float:
        """Share of the session's plays that were new to the listener."""
        listener = self.listener
        return listener.session_new / listener.session_plays if listener is not None and listener.session_plays else 0.0


def query_of(snapshot: SessionSnapshot, knowledge: Knowledge, settings: RankingSettings) -> Query:
    """Turn a snapshot into indices."""
    catalogue = knowledge.catalogue
    query = Query(
        session=knowledge.session_number(snapshot.session_id),
        listener=knowledge.listeners.get(snapshot.user_id) if settings.knows_listeners else None,
        now_ms=snapshot.trigger.occurred_at_ms,
        market=snapshot.market,
    )
    for entry in reversed(snapshot.entries):
        track = catalogue.index_of(entry.track_id)
        if track == UNKNOWN:
            continue
        query.tracks.append(track)
        query.ended_at_s.append(entry.ended_at_ms // 1000)
        if entry.outcome.is_skip:
            query.skipped[track] = turned_away(entry)
    add_artists(query, knowledge, settings)
    return query


def query_before(snapshot: SessionSnapshot, knowledge: Knowledge, settings: RankingSettings) -> Query | None:
    """Return the query as it stood before the snapshot's own play; None where nothing of the session was known."""
    listener = knowledge.listeners.get(snapshot.user_id)
    if listener is None or not listener.session or listener.session_id != snapshot.session_id:
        return None
    heard = dict(reversed(listener.session.items()))
    query = Query(
        tracks=list(heard),
        skipped={track: listen.turned_away for track, listen in heard.items() if listen.turned_away > 0.0},
        ended_at_s=[listen.ended_at_s for listen in heard.values()],
        session=knowledge.session_number(snapshot.session_id),
        listener=listener if settings.knows_listeners else None,
        now_ms=listener.newest_ms,
    )
    add_artists(query, knowledge, settings)
    return query


def add_artists(query: Query, knowledge: Knowledge, settings: RankingSettings) -> None:
    """Fill in the artists of the query's tracks."""
    most = settings.artists_of_session
    for track in query.tracks[: settings.query_length]:
        artist = int(knowledge.catalogue.artist_of[track])
        if artist != UNKNOWN and artist not in query.artists:
            query.artists.append(artist)
            if len(query.artists) == most:
                return


class NewTracks(NamedTuple):
    """Newest tracks that are candidates."""

    tracks: NDArray[np.int64]
    """Announced ones before others, the newest first; or those that fit the session best."""
    fits: NDArray[np.float32] | None
    """Logit of the encoder for each, 0 for its best new one, NaN where it places none; None where it does not speak."""

    def taken(self, which: NDArray[np.int64] | NDArray[np.bool_] | slice) -> "NewTracks":
        """Return some of them, or all in another order."""
        return NewTracks(self.tracks[which], None if self.fits is None else self.fits[which])

    def odds(self, fit: float) -> NDArray[np.float64]:
        """Return the odds of each in a draw: e to the power of `fit` times its own; those without one as the lowest."""
        if self.fits is None or (has_none := np.isnan(self.fits)).all():
            return np.ones(len(self.tracks), np.float64)
        lowest = self.fits[~has_none].min()
        odds: NDArray[np.float64] = np.exp(fit * np.where(has_none, lowest, self.fits)).astype(np.float64)
        return odds


class CandidateGenerator:
    """Runs the sources; one instance serves one list at a time.

    Attributes:
        keys: int64, shape (sources, candidates), each row best first.
        counts: int64 per source, candidates in use.
        encoders: what the trained ones say; variants share them, and ask one after the other.
        by_track: scratch per track, shared with fusion.
        weight_of: scratch per track, shared with the ranker's features; 0 between uses.
        new: the newest tracks, as the newest query has them.
    """

    def __init__(
        self, knowledge: Knowledge, settings: RankingSettings, sounds: TrackSounds, encoders: Encoders
    ) -> None:
        self._knowledge = knowledge
        self._settings = settings
        self._sounds = sounds
        self.encoders = encoders
        # Wider than the candidates of a source: where all of them are few, one row fills the longest list there is.
        width = settings.candidates_per_source + MAX_LIST_LENGTH
        self.keys: NDArray[np.int64] = np.zeros((len(Source), width), np.int64)
        self.scores: NDArray[np.float64] = np.zeros((len(Source), width), np.float64)
        self.counts: NDArray[np.int64] = np.zeros(len(Source), np.int64)
        self.by_track = Scratch()
        self._totals = Scratch()
        self._by_row = Scratch(settings.max_sessions)
        self._row_match: NDArray[np.int32] = np.zeros(settings.max_sessions, np.int32)
        self._neighbours: NDArray[np.int64] = np.zeros(settings.knn_neighbours, np.int64)
        self._neighbour_scores: NDArray[np.float64] = np.zeros(settings.knn_neighbours, np.float64)
        self._query: NDArray[np.int64] = np.zeros(max(1, settings.query_length), np.int64)
        self._artists: NDArray[np.int64] = np.zeros(max(1, settings.artists_of_session), np.int64)
        self._decay = base_level_decay(settings)
        self._by_description = MetadataNeighbours(knowledge.descriptions, settings)
        self.weight_of: NDArray[np.float32] = np.zeros(MIN_CAPACITY, np.float32)
        self.new = NewTracks(np.zeros(0, np.int64), None)

    def run(self, query: Query) -> None:
        """Fill `keys` and `counts` for this query."""
        capacity = max(MIN_CAPACITY, self._knowledge.catalogue.capacity)
        self.by_track.grow(capacity)
        self._totals.grow(capacity)
        if len(self.weight_of) < capacity:
            self.weight_of = np.zeros(capacity, np.float32)
        self.counts[:] = 0
        length = min(len(query.tracks), len(self._query))
        self._query[:length] = query.tracks[:length]
        self._from_encoder(query)
        if length:
            self._from_sessions(query, length)
            self._from_artists(query)
            self._from_audio(query)
            self._from_descriptions(query)
        if query.listener is not None and query.listener.length:
            self._from_listener(query, query.listener, length)
        self._popular()
        self._new()

    def forget(self) -> None:
        """Keep nothing of what the knowledge was before it was restored."""
        self.encoders.forget()
        self._sounds.forget()

    def put(self, source: Source, tracks: Sequence[int] | NDArray[np.int64]) -> None:
        """Make `tracks`, best first, the candidates of `source`."""
        count = min(len(tracks), self.keys.shape[1])
        self.keys[source, :count] = tracks[:count]
        self.counts[source] = count

    def encoder_logits(self, tracks: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the encoder's logit of each track, 0 for its best new one, and whether it was trained on the track.

        Returns:
            float32, NaN where it has none; bool.
        """
        said = self.encoders.logits(tracks)
        return said or (np.full(len(tracks), np.nan, np.float32), np.zeros(len(tracks), np.bool_))

    def _from_encoder(self, query: Query) -> None:
        settings = self._settings
        if settings.weight_session_encoder <= 0 or self.encoders.is_empty:
            self.encoders.ask_nobody()
            return
        said = self.encoders.ask(
            query.plays, query.now_ms, settings.candidates_per_source, settings.encoder_repeat_logit
        )
        if said is not None:
            row, count = Source.SESSION_ENCODER, len(said.tracks)
            self.counts[row] = count
            self.keys[row, :count] = said.tracks
            self.scores[row, :count] = np.exp(said.logits)

    def _from_sessions(self, query: Query, length: int) -> None:
        settings, store = self._settings, self._knowledge.sessions
        postings = store.rows_of
        listener = query.listener.number if query.listener is not None else -1
        if settings.weight_session_knn > 0:
            row = Source.SESSION_KNN
            self.counts[row] = knn_votes(
                self._query,
                length,
                query.session,
                listener,
                query.now_ms,
                store.tracks,
                store.strengths,
                store.lengths,
                store.ended_at_ms,
                store.session,
                store.listener,
                store.next_serial,
                postings.values,
                postings.start,
                postings.room,
                postings.written,
                self._by_row.scores,
                self._by_row.touched,
                self._row_match,
                self.by_track.scores,
                self.by_track.touched,
                self._neighbours,
                self._neighbour_scores,
                settings.knn_rows_per_track,
                settings.knn_position_decay,
                settings.knn_match_decay,
                settings.knn_distance_decay,
                settings.knn_before_match,
                settings.knn_idf,
                settings.knn_recency_ms,
                settings.knn_recency_power,
                settings.knn_own_boost,
                settings.knn_repeat_factor,
                settings.candidates_per_source,
                self.keys[row],
                self.scores[row],
            )
        if settings.weight_sequential_rules > 0:
            row = Source.SEQUENTIAL_RULES
            self.counts[row] = rule_scores(
                self._query,
                min(length, settings.rule_antecedents),
                length,
                query.session,
                query.now_ms,
                store.tracks,
                store.strengths,
                store.lengths,
                store.ended_at_ms,
                store.session,
                store.next_serial,
                postings.values,
                postings.start,
                postings.room,
                postings.written,
                self.by_track.scores,
                self.by_track.touched,
                self._totals.scores,
                self._totals.touched,
                settings.rule_rows_per_track,
                settings.rule_longest_step,
                settings.rule_decay,
                settings.rule_recency_ms,
                settings.rule_recency_power,
                settings.rule_repeat_factor,
                settings.candidates_per_source,
                self.keys[row],
                self.scores[row],
            )

    def _from_listener(self, query: Query, listener: ListenerMemory, length: int) -> None:
        settings = self._settings
        if settings.weight_listener_habit > 0 and length:
            row = Source.LISTENER_HABIT
            self.counts[row] = habit_scores(
                listener.tracks,
                listener.ended_at_s,
                listener.strengths,
                listener.length,
                self._query,
                min(length, settings.habit_antecedents),
                query.now_ms // 1000,
                self.by_track.scores,
                self.by_track.touched,
                settings.habit_longest_step,
                settings.habit_step_decay,
                settings.habit_decay,
                settings.habit_context_bonus,
                settings.habit_gap_s,
                settings.habit_recency_s,
                settings.habit_recency_power,
                settings.candidates_per_source,
                self.keys[row],
                self.scores[row],
            )
        if settings.weight_listener_memory > 0:
            row = Source.LISTENER_MEMORY
            self.counts[row] = base_level_scores(
                listener.tracks,
                listener.strengths,
                listener.length,
                self._decay,
                self.by_track.scores,
                self.by_track.touched,
                settings.candidates_per_source,
                self.keys[row],
                self.scores[row],
            )

    def _from_artists(self, query: Query) -> None:
        settings = self._settings
        if settings.weight_same_artist <= 0 or not query.artists:
            return
        postings = self._knowledge.catalogue.tracks_of
        count = min(len(query.artists), len(self._artists))
        self._artists[:count] = query.artists[:count]
        row = Source.SAME_ARTIST
        self.counts[row] = artist_scores(
            self._artists,
            count,
            postings.values,
            postings.start,
            postings.room,
            postings.written,
            self._knowledge.popularity.plays,
            settings.artist_place_decay,
            self.by_track.scores,
            self.by_track.touched,
            settings.candidates_per_source,
            self.keys[row],
            self.scores[row],
        )

    def _from_audio(self, query: Query) -> None:
        if self._settings.weight_audio_neighbours <= 0 or not len(self._sounds):
            return
        heard = [track for track in query.tracks if track not in query.skipped][: self._settings.audio_tracks]
        direction = mean_direction(self._sounds.vectors(np.array(heard, np.int64)))
        if direction is not None:
            self.put(Source.AUDIO_NEIGHBOURS, self._sounds.nearest(direction, self._settings.candidates_per_source))

    def _from_descriptions(self, query: Query) -> None:
        if self._settings.weight_metadata_neighbours > 0:
            row = Source.METADATA_NEIGHBOURS
            self.counts[row] = self._by_description.find(
                query.tracks, query.skipped, self.by_track, self.keys[row], self.scores[row]
            )

    def _popular(self) -> None:
        popularity = self._knowledge.popularity
        count = min(popularity.top_length, self.keys.shape[1])
        self.keys[Source.POPULAR, :count] = popularity.top[:count]
        self.counts[Source.POPULAR] = count

    def _new(self) -> None:
        """Look through the newest tracks: what the encoder, where it speaks, places near the session comes first."""
        settings, knowledge = self._settings, self._knowledge
        looked_at = settings.new_looked_at if self.encoders.session is not None else settings.new_candidates
        newest = few_played(
            knowledge.novelty.newest(max(looked_at, settings.new_candidates)),
            knowledge.catalogue.flags,
            knowledge.popularity.plays,
            settings.new_max_plays,
        )
        said = self.encoders.logits(newest)
        new = NewTracks(newest, None)
        if said is not None:
            new = NewTracks(newest, said[0]).taken(np.argsort(-said[0], kind="stable"))  # NaN goes to the end
        self.new = new.taken(slice(settings.new_candidates))
        self.put(Source.NEW, self.new.tracks)


def base_level_decay(settings: RankingSettings) -> NDArray[np.float64]:
    """Return (plays since)^-d by plays since, float64, shape (memory_length,)."""
    since = np.arange(1, settings.memory_length + 1, dtype=np.float64)
    decay: NDArray[np.float64] = since**-settings.memory_decay
    return decay
