"""What the recommender knows, and how one snapshot changes it."""

import numpy as np

from musicrec.contracts import ListenOutcome, SessionEntry, SessionSnapshot, Track
from musicrec.recommend.catalogue import UNKNOWN, Catalogue
from musicrec.recommend.catalogue_rules import CatalogueRules
from musicrec.recommend.description_terms import terms_of
from musicrec.recommend.descriptions import Descriptions
from musicrec.recommend.listener_memory import ListenerMemory
from musicrec.recommend.listeners_state import listeners_state, restored_listeners
from musicrec.recommend.novelty import Novelty
from musicrec.recommend.popularity import Popularity
from musicrec.recommend.session_store import SessionStore
from musicrec.recommend.settings import RankingSettings
from musicrec.recommend.skip_likeness import turned_away
from musicrec.recommend.state import Pieces, State, batches, named, numbers, texts

PARTS = ("catalogue", "descriptions", "sessions", "popularity", "novelty")


class Knowledge:
    """Catalogue, descriptions, sessions, popularity and listeners; everything is bounded, and updated per event.

    Attributes:
        listeners: by user id, who was heard from last at the end.
        rules: on what lists may hold; no part of the state, since nothing that is learned depends on them.
    """

    def __init__(self, settings: RankingSettings) -> None:
        self.settings = settings
        self.catalogue = Catalogue(settings.max_tracks, settings.tracks_per_artist)
        self.descriptions = Descriptions(settings.max_terms, settings.tracks_per_term)
        self.rules = CatalogueRules(self.catalogue)
        self.sessions = SessionStore(settings.max_sessions, settings.session_row_length, settings.sessions_per_track)
        self.popularity = Popularity(settings.popularity_half_life_ms, settings.popular_candidates)
        self.novelty = Novelty(settings.new_tracks_kept)
        self.listeners: dict[str, ListenerMemory] = {}
        self._row_of_session: dict[str, int] = {}
        self._listeners_seen = 0
        self._strength = {
            ListenOutcome.COMPLETED: 1.0,
            ListenOutcome.PARTIAL: settings.partial_strength,
            ListenOutcome.SKIPPED_LATE: settings.late_skip_strength,
            ListenOutcome.SKIPPED_EARLY: settings.early_skip_strength,
        }
        self._capacity = 0
        self._grow()

    def learn(self, snapshot: SessionSnapshot) -> bool:
        """Take in a snapshot; return False, changing nothing, if its revision was learned before."""
        if self.was_learned(snapshot):
            return False
        listener = self._listener(snapshot.user_id)
        trigger = snapshot.trigger
        follows_on = 0 < listener.revision == snapshot.revision - 1
        known_until_ms = listener.newest_ms
        listener.revision = snapshot.revision
        listener.newest_ms = max(known_until_ms, trigger.occurred_at_ms)
        listener.blocked_tracks = snapshot.blocked_tracks
        listener.blocked_artists = snapshot.blocked_artists
        listener.discovery = snapshot.discovery
        listener.market = snapshot.market
        if snapshot.session_id is not None and snapshot.session_id != listener.session_id:
            if listener.session_id in snapshot.supersedes:
                listener.session_id = snapshot.session_id
            else:
                listener.begin_session(snapshot.session_id)
        if not follows_on:
            self._catch_up(listener, snapshot, known_until_ms)
        if trigger.type.is_listen:
            self._learn_listen(listener, snapshot)
        elif trigger.track_id is not None:
            self._learn_feedback(listener, snapshot)
        return True

    def was_learned(self, snapshot: SessionSnapshot) -> bool:
        """Whether this revision was learned before.

        A lower revision with a newer event time is not a repetition: the session store lost its state and counts anew.
        """
        listener = self.listeners.get(snapshot.user_id)
        return (
            listener is not None
            and snapshot.revision <= listener.revision
            and snapshot.trigger.occurred_at_ms <= listener.newest_ms
        )

    def session_number(self, session_id: str | None) -> int:
        """Return the number of the session's rows; -1 where it has none."""
        serial = self._row_of_session.get(session_id, -1) if session_id is not None else -1
        if not self.sessions.is_kept(serial):
            return -1
        return int(self.sessions.session[serial % self.sessions.rows])

    def announce(self, track: Track) -> None:
        """Take in a track of the catalogue."""
        index, is_new = self.catalogue.announce(track)
        self._grow()
        if index == UNKNOWN:
            return
        self.descriptions.describe(index, terms_of(track))
        if is_new:
            self.novelty.announce(index)

    def remove(self, track_id: str) -> None:
        """Take a track out of the catalogue; it is not recommended again until it is announced again."""
        index = self.catalogue.remove(track_id)
        if index != UNKNOWN:
            self.popularity.forget(index)
            self.descriptions.forget(index)

    def strength_of(self, entry: SessionEntry) -> float:
        """Return what the entry counts as a positive: 1 for a completed listen, 0 for what was disliked."""
        return max(0.0, self._strength[entry.outcome] + self.settings.feedback_strength * entry.feedback)

    def state(self) -> Pieces:
        """Yield all that is known; dicts keep their order, which says what is forgotten first. See `Stateful`."""
        for name in PARTS:
            yield from named(name, getattr(self, name).state())
        yield from named("listeners", listeners_state(self.listeners))
        yield from numbers("listeners_seen", self._listeners_seen)
        yield from texts("session_ids", self._row_of_session)
        for batch in batches(self._row_of_session.values()):
            yield "session_rows", np.array(batch, np.int64)

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        for name in PARTS:
            getattr(self, name).restore(state.part(name))
        self.listeners = restored_listeners(state.part("listeners"))
        (self._listeners_seen,) = state.array("listeners_seen", np.int64, 1).tolist()
        session_ids = state.texts("session_ids")
        rows = state.array("session_rows", np.int64, len(session_ids)).tolist()
        self._row_of_session = dict(zip(session_ids, rows, strict=True))
        self._grow()

    def _listener(self, user_id: str) -> ListenerMemory:
        listener = self.listeners.pop(user_id, None)
        if listener is None:
            self._listeners_seen += 1
            listener = ListenerMemory(self._listeners_seen)
            if len(self.listeners) >= self.settings.max_listeners:
                self.listeners.pop(next(iter(self.listeners)))
        self.listeners[user_id] = listener
        return listener

    def _catch_up(self, listener: ListenerMemory, snapshot: SessionSnapshot, known_until_ms: int) -> None:
        """Learn listens whose own snapshots were not seen: a worker that starts in the middle, a session as a whole."""
        for entry in snapshot.entries:
            is_trigger = snapshot.trigger.type.is_listen and entry.track_id == snapshot.trigger.track_id
            if entry.ended_at_ms > known_until_ms and not is_trigger:
                self._learn_entry(listener, snapshot, entry)

    def _learn_listen(self, listener: ListenerMemory, snapshot: SessionSnapshot) -> None:
        trigger = snapshot.trigger
        for entry in reversed(snapshot.entries):
            if entry.track_id == trigger.track_id:
                self._learn_entry(listener, snapshot, entry)
                return

    def _learn_entry(self, listener: ListenerMemory, snapshot: SessionSnapshot, entry: SessionEntry) -> None:
        known = len(self.catalogue)
        track = self.catalogue.see(entry.track_id, entry.artist_id, entry.ended_at_ms)
        if track == UNKNOWN:
            return
        if track == known:
            self._grow()
            self.novelty.first_play(track)
        strength = self.strength_of(entry)
        self.popularity.count(track, strength, entry.ended_at_ms)
        listener.hear(track, entry.ended_at_ms, turned_away=turned_away(entry))
        listener.remember(track, entry.ended_at_ms, strength, self.settings.history_length)
        if snapshot.session_id is not None:
            serial = self.sessions.listen(self._row(listener, snapshot), track, strength, entry.ended_at_ms)
            self._row_of_session[snapshot.session_id] = serial

    def _learn_feedback(self, listener: ListenerMemory, snapshot: SessionSnapshot) -> None:
        track = self.catalogue.index_of(str(snapshot.trigger.track_id))
        if track == UNKNOWN:
            return
        for entry in snapshot.entries:
            if entry.track_id == snapshot.trigger.track_id:
                listener.revalue(track, self.strength_of(entry))
                serial = self._row_of_session.get(str(snapshot.session_id), -1)
                if self.sessions.is_kept(serial):
                    self.sessions.set_strength(serial, track, self.strength_of(entry))
                return

    def _row(self, listener: ListenerMemory, snapshot: SessionSnapshot) -> int:
        """Return the serial of the session's newest row, opening one where there is none."""
        session_id = str(snapshot.session_id)
        serial = self._row_of_session.get(session_id, -1)
        if self.sessions.is_kept(serial):
            return serial
        for former_id in snapshot.supersedes:  # a late event gave the session another id
            serial = self._row_of_session.pop(former_id, -1)
            if self.sessions.is_kept(serial):
                self._row_of_session[session_id] = serial
                return serial
        if len(self._row_of_session) >= self.sessions.rows:
            self._row_of_session.pop(next(iter(self._row_of_session)))
        serial = self.sessions.open_row(self.sessions.new_session(), listener.number)
        self._row_of_session[session_id] = serial
        return serial

    def _grow(self) -> None:
        if self.catalogue.capacity > self._capacity:
            self._capacity = self.catalogue.capacity
            self.sessions.grow(self._capacity)
            self.popularity.grow(self._capacity)
