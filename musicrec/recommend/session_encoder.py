"""What a session's tracks say about the next one, as a direction: what the recommender asks of a trained encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.catalogue import UNKNOWN, Catalogue


class SessionEncoder(Protocol):
    """A trained network, and vectors of the tracks that it knows, by row."""

    @property
    def version(self) -> str:
        """A name that differs wherever lists may differ."""

    @property
    def trained_until_ms(self) -> int:
        """Event time up to which it has seen everything, epoch milliseconds."""

    @property
    def longest(self) -> int:
        """Newest tracks of a session that it reads."""

    @property
    def scale(self) -> float:
        """A candidate's logit is this times the cosine of its vector with the session's direction."""

    @property
    def track_ids(self) -> Sequence[str]:
        """By row."""

    @property
    def vectors(self) -> NDArray[np.float16]:
        """Unit vectors of the tracks, shape (rows, dimension)."""

    def direction(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return where the next track lies after these, the oldest first: unit length, shape (dimension,)."""

    def nearest(self, direction: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return up to `k` rows and their cosines, best first."""


class EncodedTracks:
    """One encoder's rows beside the catalogue's tracks, which grow as tracks are first heard of."""

    def __init__(self, encoder: SessionEncoder, catalogue: Catalogue, repeat_logit: float) -> None:
        self.encoder = encoder
        self._repeat_logit = repeat_logit
        self._catalogue = catalogue
        self._rows = {track_id: row for row, track_id in enumerate(encoder.track_ids)}
        self._known = 0
        self._row_of: NDArray[np.int64] = np.full(0, UNKNOWN, np.int64)
        self._track_of: NDArray[np.int64] = np.full(len(self._rows), UNKNOWN, np.int64)

    def forget(self) -> None:
        """Look all tracks up anew: the catalogue is another one."""
        self._known = 0
        self._track_of[:] = UNKNOWN

    def ask(self, newest_first: Sequence[int], k: int) -> "EncodedSession | None":
        """Return where a session goes and the `k` tracks that lie nearest; None where no track of it is known."""
        self._follow()
        known = self._row_of[newest_first]
        known = known[known != UNKNOWN][: self.encoder.longest]
        if not len(known):
            return None
        direction = self.encoder.direction(known[::-1])
        rows, cosines = self.encoder.nearest(direction, k)
        tracks = self._track_of[rows]
        listed = tracks != UNKNOWN
        tracks, logits = tracks[listed], self.encoder.scale * cosines[listed].astype(np.float64)
        heard = np.isin(tracks, newest_first)
        best = float(logits[~heard].max()) if not heard.all() else 0.0
        logits += self._repeat_logit * heard - best
        order = np.argsort(-logits, kind="stable")
        return EncodedSession(direction, best, tracks[order], logits[order])

    def logits(
        self, session: "EncodedSession", tracks: NDArray[np.int64], newest_first: Sequence[int]
    ) -> NDArray[np.float32]:
        """Return the logit of each of `tracks` as in `EncodedSession`, float32; NaN where the encoder has no vector."""
        rows = self._row_of[tracks]
        cosines = self.encoder.vectors[rows].astype(np.float32) @ session.direction
        logits = self.encoder.scale * cosines + self._repeat_logit * np.isin(tracks, newest_first) - session.best
        return np.where(rows == UNKNOWN, np.nan, logits).astype(np.float32)

    def _follow(self) -> None:
        known = len(self._catalogue)
        if len(self._row_of) < known:
            grown = np.full(self._catalogue.capacity, UNKNOWN, np.int64)
            grown[: self._known] = self._row_of[: self._known]
            self._row_of = grown
        for track in range(self._known, known):
            row = self._rows.get(self._catalogue.track_id(track), UNKNOWN)
            self._row_of[track] = row
            if row != UNKNOWN:
                self._track_of[row] = track
        self._known = known


@dataclass(frozen=True, slots=True)
class EncodedSession:
    """What an encoder says about one session.

    Attributes:
        direction: float32, shape (dimension,).
        best: logit of the nearest track that was not heard in the session.
        tracks: the nearest ones that the catalogue knows, int64, best first.
        logits: float64, how far above `best` the logit of each lies: 0 and less where it was not heard in the session.
    """

    direction: NDArray[np.float32]
    best: float
    tracks: NDArray[np.int64]
    logits: NDArray[np.float64]


class Encoders:
    """Several encoders, of which the one speaks that has seen the most, but nothing as new as the question."""

    def __init__(self, encoders: Sequence[SessionEncoder], catalogue: Catalogue, repeat_logit: float) -> None:
        """Take encoders.

        Args:
            encoders: in any order.
            catalogue: whose tracks are listed.
            repeat_logit: added for tracks of the session itself, near which its direction always lies.
        """
        newest_first = sorted(encoders, key=lambda encoder: -encoder.trained_until_ms)
        self._encoders = [EncodedTracks(encoder, catalogue, repeat_logit) for encoder in newest_first]
        self._newest_first: Sequence[int] = ()
        self._speaks: EncodedTracks | None = None
        self.session: EncodedSession | None = None
        """What was said about the session that was asked for last; None where nobody spoke."""

    def forget(self) -> None:
        """Look all tracks up anew: the catalogue is another one."""
        for each in self._encoders:
            each.forget()

    def ask(self, newest_first: Sequence[int], now_ms: int, k: int) -> EncodedSession | None:
        """Let the right encoder speak about a session, if there is one: of what it was trained on none speaks.

        Whoever learns from what was said (`Ranker`) would otherwise trust an encoder for what it knows by heart.
        """
        self._speaks = next((each for each in self._encoders if each.encoder.trained_until_ms < now_ms), None)
        self._newest_first = newest_first
        self.session = self._speaks.ask(newest_first, k) if self._speaks is not None and newest_first else None
        return self.session

    def logits(self, tracks: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Return `EncodedTracks.logits` of the session asked for last; None where nobody spoke."""
        if self._speaks is None or self.session is None:
            return None
        return self._speaks.logits(self.session, tracks, self._newest_first)
