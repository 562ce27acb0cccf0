"""What a session's tracks say about the next one, as a direction: what the recommender asks of a trained encoder."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.catalogue import UNKNOWN, Catalogue
from musicrec.recommend.kernel import fast_kernel, kernel

LARGEST_CODE: Final = 127

FORMER_UNASKED: Final = 10_000
"""Lists and lessons in a row; a partition that lags by hours, among others that do not, brings one more often."""


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
    def codes(self) -> "Codes":
        """Unit vectors of the tracks."""

    def direction(self, rows: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return where the next track lies after these, the oldest first: unit length, shape (dimension,)."""

    def nearest(self, direction: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return up to `k` rows and their cosines, best first."""


@dataclass(frozen=True, slots=True)
class Codes:
    """Unit vectors in a byte per component, each with a step of its own; a cosine is off by some thousandths.

    A list looks at a hundred of them in as many places of the memory: a quarter of the bytes is a quarter of the wait.

    Attributes:
        values: int8, shape (rows, dimension).
        steps: float32, shape (rows,); a vector is its values times its step.
    """

    values: NDArray[np.int8]
    steps: NDArray[np.float32]

    @classmethod
    def of(cls, vectors: NDArray[np.float16], rows_at_once: int = 65_536) -> "Codes":
        """Encode vectors, shape (rows, dimension), all of them finite."""
        values = np.zeros(vectors.shape, np.int8)
        steps = np.zeros(len(vectors), np.float32)
        for first in range(0, len(vectors), rows_at_once):
            block = vectors[first : first + rows_at_once].astype(np.float32)
            step = np.maximum(np.abs(block).max(axis=1), 1e-12) / LARGEST_CODE
            values[first : first + rows_at_once] = np.rint(block / step[:, np.newaxis])
            steps[first : first + rows_at_once] = step
        return cls(values, steps)


class EncodedTracks:
    """One encoder's rows beside the catalogue's tracks, which grow as tracks are first heard of."""

    def __init__(self, encoder: SessionEncoder, catalogue: Catalogue) -> None:
        self.encoder = encoder
        self._codes = encoder.codes
        self._catalogue = catalogue
        self._rows = {track_id: row for row, track_id in enumerate(encoder.track_ids)}
        self._known = 0
        self._row_of: NDArray[np.int64] = np.full(0, UNKNOWN, np.int64)
        self._track_of: NDArray[np.int64] = np.full(len(self._rows), UNKNOWN, np.int64)

    def forget(self) -> None:
        """Look all tracks up anew: the catalogue is another one."""
        self._known = 0
        self._track_of[:] = UNKNOWN

    def ask(self, newest_first: NDArray[np.int64], k: int, repeat_logit: float) -> "EncodedSession | None":
        """Return where a session goes and the `k` tracks that lie nearest; None where no track of it is known.

        Args:
            newest_first: tracks of the session.
            k: how many.
            repeat_logit: added for tracks of the session itself, near which its direction always lies.
        """
        self.follow()
        known = self._row_of[newest_first]
        known = known[known != UNKNOWN][: self.encoder.longest]
        if not len(known):
            return None
        direction = self.encoder.direction(known[::-1])
        rows, cosines = self.encoder.nearest(direction, k)
        tracks, logits = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.float64)
        count, best = place_found(
            rows, cosines, self._track_of, newest_first, self.encoder.scale, repeat_logit, tracks, logits
        )
        return EncodedSession(direction, best, tracks[:count], logits[:count], repeat_logit)

    def logits(
        self, session: "EncodedSession", tracks: NDArray[np.int64], newest_first: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return the logit of each of `tracks` as in `EncodedSession`, float32; NaN where the encoder has no vector."""
        out = np.zeros(len(tracks), np.float32)
        write_logits(
            tracks,
            self._row_of,
            self._codes.values,
            self._codes.steps,
            session.direction,
            newest_first,
            self.encoder.scale,
            session.repeat_logit,
            session.best,
            out,
        )
        return out

    def vectors(self, tracks: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the unit vectors of `tracks`, shape (tracks, dimension); zeros where the encoder has none."""
        self.follow()
        rows = self._row_of[tracks]
        steps = np.where(rows == UNKNOWN, np.float32(0.0), self._codes.steps[rows])
        return np.asarray(self._codes.values[rows] * steps[:, np.newaxis], np.float32)

    def follow(self) -> None:
        """Look up the tracks that the catalogue has heard of since the last time; it may grow meanwhile."""
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
        repeat_logit: what was added for those that were.
    """

    direction: NDArray[np.float32]
    best: float
    tracks: NDArray[np.int64]
    logits: NDArray[np.float64]
    repeat_logit: float


class Encoders:
    """Several encoders, of which the one speaks that has seen the most, but nothing as new as the question.

    An encoder that is put in place of another speaks about what came after its training.  About older questions, those
    of a worker that catches up or of late events, it would say what it knows by heart; so the former one goes on
    speaking about these, as long as they come: after `FORMER_UNASKED` questions without one of them what lay behind is
    worked off, and its memory, as large as that of the new one, is given back.  A former one that was trained until the
    same time or later would never speak, and goes at once: so does what is taken back.
    """

    def __init__(self, encoders: Sequence[SessionEncoder], catalogue: Catalogue) -> None:
        """Take encoders.

        Args:
            encoders: in any order.
            catalogue: whose tracks are listed.
        """
        newest_first = sorted(encoders, key=lambda encoder: -encoder.trained_until_ms)
        self._catalogue = catalogue
        self._encoders = [EncodedTracks(encoder, catalogue) for encoder in newest_first]
        self._newest_first: NDArray[np.int64] = np.zeros(0, np.int64)
        self._former: EncodedTracks | None = None
        self._unasked = 0
        self._speaks: EncodedTracks | None = None
        self.session: EncodedSession | None = None
        """What was said about the session that was asked for last; None where nobody spoke."""

    @property
    def version(self) -> str | None:
        """Of the encoder whose turn it was with the last question; None where it was nobody's."""
        return self._speaks.encoder.version if self._speaks is not None else None

    def prepared(self, encoder: SessionEncoder) -> EncodedTracks:
        """Return what `use` takes, all tracks looked up.

        That can take a second: another thread may do it, while this one answers and the catalogue grows.
        """
        encoded = EncodedTracks(encoder, self._catalogue)
        encoded.follow()
        return encoded

    def use(self, encoded: EncodedTracks | None) -> None:
        """Put one encoder, or none, in place of what speaks now: with the next question, whole."""
        before = self._encoders[0] if self._encoders else None
        self._former, self._unasked = None, 0
        if encoded is not None and before is not None:
            was_trained_earlier = before.encoder.trained_until_ms < encoded.encoder.trained_until_ms
            self._former = before if was_trained_earlier else None
        self._encoders = [each for each in (encoded, self._former) if each is not None]
        self._speaks = self.session = None

    def forget(self) -> None:
        """Look all tracks up anew: the catalogue is another one."""
        for each in self._encoders:
            each.forget()

    def ask(self, newest_first: Sequence[int], now_ms: int, k: int, repeat_logit: float) -> EncodedSession | None:
        """Let the right encoder speak about a session, if there is one: of what it was trained on none speaks.

        Whoever learns from what was said (`Ranker`) would otherwise trust an encoder for what it knows by heart.
        """
        self._speaks = next((each for each in self._encoders if each.encoder.trained_until_ms < now_ms), None)
        self._drop_former()
        self.session = None
        if self._speaks is not None and newest_first:
            self._newest_first = np.array(newest_first, np.int64)
            self.session = self._speaks.ask(self._newest_first, k, repeat_logit)
        return self.session

    def ask_nobody(self) -> None:
        """Leave the next list to the other sources."""
        self._speaks = self.session = None

    def logits(self, tracks: NDArray[np.int64]) -> NDArray[np.float32] | None:
        """Return `EncodedTracks.logits` of the session asked for last; None where nobody spoke."""
        if self._speaks is None or self.session is None:
            return None
        return self._speaks.logits(self.session, tracks, self._newest_first)

    def vectors(self, tracks: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return `EncodedTracks.vectors` of whose turn it was with the last question; no column where nobody's."""
        return np.zeros((len(tracks), 0), np.float32) if self._speaks is None else self._speaks.vectors(tracks)

    def _drop_former(self) -> None:
        """Drop the former encoder once it has not been asked for long."""
        self._unasked = 0 if self._speaks is self._former else self._unasked + 1
        if self._former is not None and self._unasked >= FORMER_UNASKED:
            self._encoders.remove(self._former)
            self._former = None


@kernel
def place_found(
    rows: NDArray[np.int64],
    cosines: NDArray[np.float32],
    track_of: NDArray[np.int64],
    session: NDArray[np.int64],
    scale: float,
    repeat_logit: float,
    out_tracks: NDArray[np.int64],
    out_logits: NDArray[np.float64],
) -> tuple[int, float]:
    """Write what was found as tracks and logits above the best new one; return how many, and that one's logit.

    Args:
        rows, cosines: what was found, best first.
        track_of: per row, the catalogue's track or -1.
        session: tracks of the session.
        scale: logit per cosine.
        repeat_logit: added for tracks of the session.
    """
    count = 0
    best = 0.0
    has_new = False
    for i in range(len(rows)):
        track = track_of[rows[i]]
        if track < 0:
            continue
        logit = scale * cosines[i]
        is_heard = False
        for place in range(len(session)):
            if session[place] == track:
                is_heard = True
                break
        if is_heard:
            logit += repeat_logit
        elif not has_new:
            has_new = True
            best = logit
        at = count  # nearly in order already: only tracks of the session move
        while at > 0 and out_logits[at - 1] < logit:
            out_logits[at] = out_logits[at - 1]
            out_tracks[at] = out_tracks[at - 1]
            at -= 1
        out_logits[at] = logit
        out_tracks[at] = track
        count += 1
    for i in range(count):
        out_logits[i] -= best
    return count, best


@fast_kernel
def write_logits(
    tracks: NDArray[np.int64],
    row_of: NDArray[np.int64],
    values: NDArray[np.int8],
    steps: NDArray[np.float32],
    direction: NDArray[np.float32],
    session: NDArray[np.int64],
    scale: float,
    repeat_logit: float,
    best: float,
    out: NDArray[np.float32],
) -> None:
    """Write the logit of each of `tracks` above `best`; NaN where `row_of` has no row for it. See `EncodedTracks`."""
    for i in range(len(tracks)):
        row = row_of[tracks[i]]
        if row < 0:
            out[i] = np.nan
            continue
        cosine = np.float32(0.0)
        for component in range(len(direction)):
            cosine += direction[component] * np.float32(values[row, component])
        logit = scale * cosine * steps[row] - best
        for place in range(len(session)):
            if session[place] == tracks[i]:
                logit += repeat_logit
                break
        out[i] = logit
