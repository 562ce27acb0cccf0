"""One invented listener: a taste, habits, and what they do next."""

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import EventType
from musicrec.demo.shelf import Shelf

STYLE_CONCENTRATION: Final = 0.25
"""Dirichlet parameter of a taste: most listeners have one to three styles."""
FAVOURITES: Final = 8
SHORT_TERM_TRACKS: Final = 4
"""A listener does not choose one of the last few tracks again, unless they press repeat."""
OFF_TASTE_SKIP: Final = 0.6
ON_TASTE_SKIP: Final = 0.06
"""Chance that a track is skipped, at the two ends of taste; a line between them."""


class Way(StrEnum):
    """How a listener came to a track; the `source` of the event."""

    ALBUM = "album"
    HABIT = "habit"
    FAVOURITES = "favourites"
    STYLE = "style-radio"
    COMPANION = "companion"
    NEW = "new-releases"
    CHARTS = "charts"
    REPEAT = "repeat"


WAYS: Final[dict[Way, float]] = {
    Way.ALBUM: 0.24,
    Way.COMPANION: 0.18,
    Way.FAVOURITES: 0.18,
    Way.STYLE: 0.18,
    Way.HABIT: 0.10,
    Way.CHARTS: 0.06,
    Way.NEW: 0.04,
    Way.REPEAT: 0.02,
}
"""Chance of each way: plausible, not fitted to anything.  About half of what follows from it nobody could predict."""
_WAY_NAMES: Final = tuple(WAYS)
_WAY_BOUNDS: Final = np.cumsum(list(WAYS.values()))

CURIOUS: Final = 0.3
"""Share of listeners who turn the discovery dial at all."""
TURN_CHANCE: Final = 0.05
"""Chance that they do after a listen: about once in every other session, often enough to be seen."""
DIAL_STOPS: Final = (-1.0, -0.5, 0.0, 0.5, 1.0)

FEEDBACK_ON_PLAY: Final = (
    (EventType.LIKE, 0.03),
    (EventType.SAVE, 0.015),
    (EventType.SHARE, 0.004),
    (EventType.PURCHASE, 0.002),
)
FEEDBACK_ON_SKIP: Final = ((EventType.DISLIKE, 0.04), (EventType.BLOCK_TRACK, 0.01), (EventType.BLOCK_ARTIST, 0.003))


@dataclass(slots=True)
class Listener:
    """Taste, habits and the running session of one person."""

    user_id: str
    rng: np.random.Generator
    shelf: Shelf
    fit: NDArray[np.float64]
    """How much a track is to their taste, in [0, 1]; shape (tracks,)."""
    favourites: NDArray[np.int64]
    habit: dict[int, int]
    """Favourite ▸ the favourite they usually play after it."""
    mood: int
    """Style of the running session."""
    recent: list[int] = field(default_factory=list)
    blocked: set[int] = field(default_factory=set)
    pressed_skip: bool = False
    dial: float | None = None
    """Where their discovery dial stands; None as long as they have not touched it."""
    is_curious: bool = False

    @classmethod
    def invent(cls, user_id: str, shelf: Shelf, rng: np.random.Generator) -> "Listener":
        """Draw a person."""
        taste = rng.dirichlet(np.full(len(shelf.styles), STYLE_CONCENTRATION))
        artists = rng.uniform(0.5, 1.0, int(shelf.artist.max()) + 1)
        fit = np.sqrt(taste[shelf.style] / taste.max()) * artists[shelf.artist]
        wanted = fit * np.sqrt(shelf.popularity) + 1e-9
        count = min(FAVOURITES, len(shelf.tracks))
        favourites = rng.choice(len(shelf.tracks), count, replace=False, p=wanted / wanted.sum())
        fit[favourites] = 1.0
        habit = dict(zip(favourites.tolist(), np.roll(favourites, -1).tolist(), strict=True))
        mood = int(rng.choice(taste.size, p=taste))
        return cls(user_id, rng, shelf, fit, favourites, habit, mood, is_curious=bool(rng.random() < CURIOUS))

    def start_session(self) -> None:
        """Come back after a while: another mood, nothing in the ear."""
        self.recent.clear()
        self.pressed_skip = False
        self._change_mood()

    def choose(self, now_ms: int) -> tuple[int, Way] | None:
        """Return the next track's number and how they came to it; None where nothing is left to play."""
        way = _WAY_NAMES[min(int(np.searchsorted(_WAY_BOUNDS, self.rng.random())), len(_WAY_NAMES) - 1)]
        playable = self._playable(now_ms)
        track = self._by(way, playable, now_ms)
        if track is None or not (playable[track] or way is Way.REPEAT):
            way, track = Way.STYLE, self._draw(playable * (self.fit + 0.01) * self._in_mood())
        if track is None:
            return None
        self.recent = [*self.recent, track][-SHORT_TERM_TRACKS:]
        return track, way

    def skips(self, track: int) -> bool:
        """Decide whether they press skip; two in a row bring another mood."""
        skip_chance = OFF_TASTE_SKIP + (ON_TASTE_SKIP - OFF_TASTE_SKIP) * float(self.fit[track])
        pressed = bool(self.rng.random() < skip_chance)
        if pressed and self.pressed_skip:
            self._change_mood()
        self.pressed_skip = pressed
        return pressed

    def reaction(self, track: int) -> EventType | None:
        """Return what they say about the track just heard, mostly nothing, and remember what they block."""
        if self.pressed_skip:
            said = self._one_of(FEEDBACK_ON_SKIP, 1.0 - float(self.fit[track]))
        else:
            said = self._one_of(FEEDBACK_ON_PLAY, float(self.fit[track]))
        if said is EventType.BLOCK_TRACK:
            return said if self._block([track]) else None
        if said is EventType.BLOCK_ARTIST:
            return said if self._block(np.flatnonzero(self.shelf.artist == self.shelf.artist[track]).tolist()) else None
        return said

    def turn_dial(self) -> float | None:
        """Return where they turn the discovery dial right now; None, mostly, where they leave it alone."""
        if not self.is_curious or self.rng.random() >= TURN_CHANCE:
            return None
        self.dial = float(self.rng.choice([stop for stop in DIAL_STOPS if stop != self.dial]))
        return self.dial

    def _block(self, tracks: list[int]) -> bool:
        """Block tracks, unless they would be left with less than half of the music."""
        blocked = self.blocked.union(tracks)
        if 2 * len(blocked) > len(self.shelf.tracks):
            return False
        self.blocked = blocked
        return True

    def _change_mood(self) -> None:
        favourite = self._draw(self.fit**2)
        if favourite is not None:
            self.mood = int(self.shelf.style[favourite])

    def _one_of(self, kinds: tuple[tuple[EventType, float], ...], weight: float) -> EventType | None:
        chance = float(self.rng.random())
        for kind, probability in kinds:
            chance -= probability * weight
            if chance < 0:
                return kind
        return None

    def _by(self, way: Way, playable: NDArray[np.bool_], now_ms: int) -> int | None:
        last = self.recent[-1] if self.recent else None
        shelf = self.shelf
        if way is Way.FAVOURITES:
            return int(self.favourites[int(self.rng.integers(self.favourites.size) * self.rng.random())])
        if way is Way.CHARTS:
            return self._draw(playable * shelf.popularity)
        if way is Way.NEW:
            week_ms = 7 * 86_400_000
            return self._draw(playable * self.fit * (shelf.released_at_ms > now_ms - week_ms))
        if last is None or way is Way.STYLE:
            return None
        if way is Way.REPEAT:
            return None if self.pressed_skip or last in self.blocked else last
        if way is Way.HABIT:
            return self.habit.get(last)
        return (
            None if self.pressed_skip else int((shelf.companion if way is Way.COMPANION else shelf.next_on_album)[last])
        )

    def _playable(self, now_ms: int) -> NDArray[np.bool_]:
        playable = self.shelf.released_at_ms <= now_ms
        playable[[*self.blocked, *self.recent]] = False
        return playable

    def _in_mood(self) -> NDArray[np.float64]:
        """A style radio plays the mood's style, known tracks more often, and now and then something else."""
        in_style: NDArray[np.bool_] = self.shelf.style == self.mood
        return np.asarray((0.05 + in_style) * np.sqrt(self.shelf.popularity), np.float64)

    def _draw(self, weights: NDArray[np.float64]) -> int | None:
        """Draw a track's number by weight; None where every weight is 0."""
        bounds = np.cumsum(weights)
        if bounds[-1] <= 0:
            return None
        return min(int(np.searchsorted(bounds, self.rng.random() * bounds[-1], side="right")), weights.size - 1)
