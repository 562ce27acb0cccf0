"""The demo's audience: people who were invented, together with everything they do.

Not data, and no evidence of how good the recommender is: whoever writes both the audience and the recommender can make
them fit.  It holds the kinds of structure that listening logs hold (tastes, favourites, albums played through, tracks
that many play after each other, personal habits, hits and a long tail, skips of what is off their taste), and as much
chance beside them, so that a list can be right for a reason and is often wrong.
"""

import heapq
from collections.abc import Iterator, Sequence
from itertools import count
from typing import Final

import numpy as np

from musicrec.contracts import EventType, ListenEvent, Track
from musicrec.demo.listener import Listener, Way
from musicrec.demo.shelf import Shelf
from musicrec.errors import BadInput
from musicrec.ids import derived_id

MEAN_SESSION_TRACKS: Final = 16
MEDIAN_PAUSE_MS: Final = 50 * 60_000
PAUSE_SPREAD: Final = 0.6
"""Standard deviation of the logarithm of a pause: a third of them is too short to end a session."""
BREAK_CHANCE: Final = 0.03
"""Chance that they put the music off for some minutes within a session."""
LONGEST_BREAK_MS: Final = 10 * 60_000
LONGEST_HUSH_MS: Final = 2_500
"""Between the end of a track and the start of the next."""
EVENTS_PER_LISTENER_S: Final = 0.0035
"""Of whoever listens and whoever does not, with tracks of 20 s."""


class Audience:
    """Invented listeners of some tracks.

    With 20 s tracks about one listener in twelve is listening at any moment; see `EVENTS_PER_LISTENER_S`.

    Args:
        tracks: as `generate_tracks` makes them: the style as first tag, with artist and duration.  A track is played
            from its `released_at_ms` on.
        listeners: how many people.
        seed: tastes, habits and all that they do are a function of it, of the tracks and of the start.

    Raises:
        BadInput: no listeners, no tracks, or a track without style, artist or duration.
    """

    def __init__(self, tracks: Sequence[Track], *, listeners: int = 1_000, seed: int = 0) -> None:
        if listeners < 1:
            raise BadInput(f"listeners {listeners}: an audience needs at least one")
        self._tracks = tuple(tracks)
        self._listeners = listeners
        self._seed = seed
        self._shelf = Shelf.of(tracks, np.random.default_rng([seed, 0x5E1F]))

    def events(self, start_ms: int) -> Iterator[ListenEvent]:
        """Yield what they do from `start_ms` (epoch milliseconds) on, in order of event time, without end.

        Whoever publishes the events waits until each is due.  Every call starts from the same people; another start
        gives other event ids.
        """
        serial = count()
        due: list[tuple[int, int, _Visit, ListenEvent]] = []
        for number in range(self._listeners):
            visit = self._arrive(number, start_ms)
            event = visit.next_listen()
            heapq.heappush(due, (event.occurred_at_ms, next(serial), visit, event))
        while True:
            _, _, visit, event = heapq.heappop(due)
            yield event
            if event.type.is_listen:
                for following in (visit.reaction(event), visit.turn(event), visit.next_listen()):
                    if following is not None:
                        heapq.heappush(due, (following.occurred_at_ms, next(serial), visit, following))

    def _arrive(self, number: int, start_ms: int) -> "_Visit":
        rng = np.random.default_rng([self._seed, number])
        listener = Listener.invent(f"demo-listener-{number:04d}", self._shelf, rng)
        visit = _Visit(listener, derived_id("demo", self._seed, start_ms))
        # As if they had always been there: some are in the midst of a session, whose remainder is as long as a whole
        # one because its length is geometric; the others come back within a pause.
        session_ms = MEAN_SESSION_TRACKS * 20_000
        since_ms = int(rng.uniform(-session_ms, MEDIAN_PAUSE_MS))
        visit.now_ms = start_ms + (since_ms if since_ms > 0 else int(rng.uniform(0, 20_000)))
        return visit


class _Visit:
    """A listener and the clock they live by."""

    def __init__(self, listener: Listener, run: str) -> None:
        self.listener = listener
        self.now_ms = 0
        self._run = run
        self._events = 0

    def next_listen(self) -> ListenEvent:
        """Return the next play or skip; the clock then stands at its end."""
        listener = self.listener
        if self._events and self._chance(1 / MEAN_SESSION_TRACKS):
            self._leave()
        elif self._events and self._chance(BREAK_CHANCE):
            self.now_ms += int(listener.rng.uniform(0, LONGEST_BREAK_MS))
        self.now_ms += int(listener.rng.uniform(200, LONGEST_HUSH_MS))
        while (choice := listener.choose(self.now_ms)) is None:
            self._leave()
        number, way = choice
        track = listener.shelf.tracks[number]
        duration_ms = track.duration_ms or 0
        skipped = listener.skips(number)
        ms_played = max(500, int(duration_ms * listener.rng.beta(1.2, 3.0))) if skipped else duration_ms
        self.now_ms += ms_played
        return self._event(
            EventType.SKIP if skipped else EventType.PLAY, track, at_ms=self.now_ms, ms_played=ms_played, way=way
        )

    def reaction(self, listen: ListenEvent) -> ListenEvent | None:
        """Return what they say about a track right after it, if anything."""
        number = self.listener.recent[-1]
        said = self.listener.reaction(number)
        if said is None:
            return None
        return self._event(said, self.listener.shelf.tracks[number], at_ms=listen.occurred_at_ms + 100)

    def turn(self, listen: ListenEvent) -> ListenEvent | None:
        """Return how they turn their discovery dial right after a listen, if they do."""
        dial = self.listener.turn_dial()
        if dial is None:
            return None
        return self._event(EventType.SET_DISCOVERY, None, at_ms=listen.occurred_at_ms + 150, discovery=dial)

    def _leave(self) -> None:
        self.now_ms += int(self.listener.rng.lognormal(np.log(MEDIAN_PAUSE_MS), PAUSE_SPREAD))
        self.listener.start_session()

    def _chance(self, probability: float) -> bool:
        return bool(self.listener.rng.random() < probability)

    def _event(
        self,
        kind: EventType,
        track: Track | None,
        *,
        at_ms: int,
        ms_played: int | None = None,
        way: Way | None = None,
        discovery: float | None = None,
    ) -> ListenEvent:
        self._events += 1
        return ListenEvent(
            event_id=derived_id("e", self._run, self.listener.user_id, self._events),
            user_id=self.listener.user_id,
            type=kind,
            occurred_at_ms=at_ms,
            track_id=track.track_id if track is not None and kind.is_about_track else None,
            artist_id=track.artist_id if track is not None else None,
            ms_played=ms_played,
            duration_ms=track.duration_ms if track is not None and ms_played is not None else None,
            discovery=discovery,
            source=None if way is None else way.value,
        )
