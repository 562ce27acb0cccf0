"""What a session's tracks say about the next one, as a direction: what the recommender asks of a trained encoder."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.audio_neighbours import AudioIndex
from musicrec.recommend.catalogue import UNKNOWN, Catalogue
from musicrec.recommend.kernel import fast_kernel, kernel
from musicrec.recommend.top_k import MIN_CAPACITY

LARGEST_CODE: Final = 127

MOST_UNHEARD: Final = 10_000
"""Tracks that wait for their sound; the newest ones."""
TRIED_AGAIN: Final = 4
"""Of these, with each question; at a hundred questions a second all of them have their turn within half a minute."""
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

    @property
    def artist_ids(self) -> Sequence[str]:
        """By row of `artist_codes`."""

    @property
    def artist_codes(self) -> "Codes":
        """Unit vectors of artists: where their tracks lie."""

    @property
    def sound_version(self) -> str | None:
        """Of the embedder whose vectors `placed` understands; None for none."""

    def placed(self, artist_id: str | None, sound: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """Return where a track lies that it does not know, unit length, shape (dimension,); None if nothing says it."""

    def direction(
        self, places: NDArray[np.float32], skipped: NDArray[np.bool_], gaps_s: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Return where the next track lies, unit length, shape (dimension,).

        Args:
            places: float32, shape (length, dimension), vectors of the tracks before it, the oldest first; overwritten.
            skipped: bool per place, whether that track was.
            gaps_s: int64 per place, seconds from the end of the play before it to its own; 0 where they are unknown.
        """

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

    def grown(self) -> "Codes":
        """Return the same with room for twice as many."""
        return Codes(np.concatenate([self.values, 0 * self.values]), np.concatenate([self.steps, 0 * self.steps]))


class SessionPlays(NamedTuple):
    """What was heard in a session, the newest first."""

    tracks: NDArray[np.int64]
    """Of the catalogue."""
    skipped: NDArray[np.bool_]
    """Whether each was."""
    ended_at_s: NDArray[np.int64]
    """Event time of each, epoch seconds; 0 where it is unknown."""


class Places(NamedTuple):
    """Where tracks lie, as kernels read it."""

    row_of: NDArray[np.int64]
    """Per track, its row; those from `len(steps)` on are among the placed ones; UNKNOWN for none."""
    values: NDArray[np.int8]
    """Of trained tracks, see `Codes`."""
    steps: NDArray[np.float32]
    placed_values: NDArray[np.int8]
    """Of tracks that were placed by their sound."""
    placed_steps: NDArray[np.float32]
    artist_of: NDArray[np.int32]
    """Per track; UNKNOWN for none."""
    artist_row_of: NDArray[np.int64]
    """Per artist; UNKNOWN for none."""
    artist_values: NDArray[np.int8]
    """Of artists: there lies a track without a row."""
    artist_steps: NDArray[np.float32]


class EncodedTracks:
    """One encoder's vectors of the catalogue's tracks, which grow as tracks are first heard of.

    A track that training did not see lies where its artist does, or is placed by its sound too.  It is scored then, and
    read in sessions, but not searched for: all new tracks of an artist lie close together, and would crowd out those
    with a place of their own.
    """

    def __init__(self, encoder: SessionEncoder, catalogue: Catalogue, audio: AudioIndex | None = None) -> None:
        self.encoder = encoder
        self._codes = encoder.codes
        self._catalogue = catalogue
        self._audio = audio
        self._rows = {track_id: row for row, track_id in enumerate(encoder.track_ids)}
        self._artist_rows = {artist_id: row for row, artist_id in enumerate(encoder.artist_ids)}
        dimension = self._codes.values.shape[1]
        self._placed = Codes(np.zeros((MIN_CAPACITY, dimension), np.int8), np.zeros(MIN_CAPACITY, np.float32))
        self._places: NDArray[np.float32] = np.zeros((encoder.longest, dimension), np.float32)
        self._skipped: NDArray[np.bool_] = np.zeros(encoder.longest, np.bool_)
        self._gaps_s: NDArray[np.int64] = np.zeros(encoder.longest, np.int64)
        self._track_of: NDArray[np.int64] = np.full(len(self._rows), UNKNOWN, np.int64)
        self._forget()

    def forget(self) -> None:
        """Look all tracks up anew: the catalogue is another one."""
        self._track_of[:] = UNKNOWN
        self._forget()

    def _forget(self) -> None:
        self._known = self._known_artists = self._placed_count = 0
        self._row_of: NDArray[np.int64] = np.full(0, UNKNOWN, np.int64)
        self._artist_row_of: NDArray[np.int64] = np.full(0, UNKNOWN, np.int64)
        self._unheard: deque[int] = deque(maxlen=MOST_UNHEARD)

    @property
    def _places_of(self) -> "Places":
        return Places(
            self._row_of,
            self._codes.values,
            self._codes.steps,
            self._placed.values,
            self._placed.steps,
            self._catalogue.artist_of,
            self._artist_row_of,
            self.encoder.artist_codes.values,
            self.encoder.artist_codes.steps,
        )

    def ask(self, session: "SessionPlays", k: int, repeat_logit: float) -> "EncodedSession | None":
        """Return where a session goes and the `k` tracks that lie nearest; None where no track of it has a vector.

        Args:
            session: what was heard.
            k: how many.
            repeat_logit: added for tracks of the session itself, near which its direction always lies.
        """
        self.follow()
        length = read_session(
            session.tracks,
            session.skipped,
            session.ended_at_s,
            self._places_of,
            self._places,
            self._skipped,
            self._gaps_s,
        )
        if not length:
            return None
        first = self.encoder.longest - length
        direction = self.encoder.direction(self._places[first:], self._skipped[first:], self._gaps_s[first:])
        rows, cosines = self.encoder.nearest(direction, k)
        tracks, logits = np.zeros(len(rows), np.int64), np.zeros(len(rows), np.float64)
        count, best = place_found(
            rows, cosines, self._track_of, session.tracks, self.encoder.scale, repeat_logit, tracks, logits
        )
        return EncodedSession(direction, best, tracks[:count], logits[:count], repeat_logit)

    def logits(
        self, session: "EncodedSession", tracks: NDArray[np.int64], newest_first: NDArray[np.int64]
    ) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
        """Return the logit of each of `tracks` as in `EncodedSession`, and whether training saw the track.

        Returns:
            float32, NaN where there is no vector; bool.
        """
        out, was_trained = np.zeros(len(tracks), np.float32), np.zeros(len(tracks), np.bool_)
        write_logits(
            tracks,
            self._places_of,
            session.direction,
            newest_first,
            self.encoder.scale,
            session.repeat_logit,
            session.best,
            out,
            was_trained,
        )
        return out, was_trained

    def vectors(self, tracks: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the unit vectors of `tracks`, shape (tracks, dimension); zeros where the encoder has none."""
        self.follow()
        out = np.zeros((len(tracks), self._codes.values.shape[1]), np.float32)
        read_vectors(tracks, self._places_of, out)
        return out

    def follow(self) -> None:
        """Look up the tracks that the catalogue has heard of since the last time; it may grow meanwhile."""
        known, artists = len(self._catalogue), self._catalogue.artists
        self._row_of = grown(self._row_of, known, self._catalogue.capacity)
        self._artist_row_of = grown(self._artist_row_of, artists, self._catalogue.artist_capacity)
        for artist in range(self._known_artists, artists):
            self._artist_row_of[artist] = self._artist_rows.get(self._catalogue.artist_id(artist), UNKNOWN)
        self._known_artists = artists
        for _ in range(min(TRIED_AGAIN, len(self._unheard))):  # a sound comes some seconds after its track
            self._place_by_sound(self._unheard.popleft())
        for track in range(self._known, known):
            row = self._rows.get(self._catalogue.track_id(track), UNKNOWN)
            if row != UNKNOWN:
                self._row_of[track] = row
                self._track_of[row] = track
            else:
                self._place_by_sound(track)
        self._known = known

    def _place_by_sound(self, track: int) -> None:
        audio, encoder = self._audio, self.encoder
        if audio is None or encoder.sound_version is None:
            return
        sound = audio.vector(self._catalogue.track_id(track)) if audio.model_version == encoder.sound_version else None
        place = encoder.placed(self._catalogue.artist_id_of(track), sound) if sound is not None else None
        if place is None:
            self._unheard.append(track)
            return
        if self._placed_count == len(self._placed.steps):
            self._placed = self._placed.grown()
        encode(place, self._placed.values, self._placed.steps, self._placed_count)
        self._row_of[track] = len(self._codes.steps) + self._placed_count
        self._placed_count += 1


def grown(rows: NDArray[np.int64], used: int, capacity: int) -> NDArray[np.int64]:
    """Return `rows` with room for `capacity` where `used` no longer fit; UNKNOWN stands in the new ones."""
    if len(rows) >= used:
        return rows
    larger = np.full(capacity, UNKNOWN, np.int64)
    larger[: len(rows)] = rows
    return larger


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

    def __init__(
        self, encoders: Sequence[SessionEncoder], catalogue: Catalogue, audio: AudioIndex | None = None
    ) -> None:
        """Take encoders.

        Args:
            encoders: in any order.
            catalogue: whose tracks are listed.
            audio: what tracks sound like, where that is known.
        """
        newest_first = sorted(encoders, key=lambda encoder: -encoder.trained_until_ms)
        self._catalogue = catalogue
        self._audio = audio
        self._encoders = [EncodedTracks(encoder, catalogue, audio) for encoder in newest_first]
        self._asked: SessionPlays | None = None
        self._former: EncodedTracks | None = None
        self._unasked = 0
        self._speaks: EncodedTracks | None = None
        self.session: EncodedSession | None = None
        """What was said about the session that was asked for last; None where nobody spoke."""

    @property
    def version(self) -> str | None:
        """Of the encoder whose turn it was with the last question; None where it was nobody's."""
        return self._speaks.encoder.version if self._speaks is not None else None

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not self._encoders

    def prepared(self, encoder: SessionEncoder) -> EncodedTracks:
        """Return what `use` takes, all tracks looked up.

        That can take a second: another thread may do it, while this one answers and the catalogue grows.
        """
        encoded = EncodedTracks(encoder, self._catalogue, self._audio)
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

    def ask(self, session: SessionPlays, now_ms: int, k: int, repeat_logit: float) -> EncodedSession | None:
        """Let the right encoder speak about a session, if there is one: of what it was trained on none speaks.

        Whoever learns from what was said (`Ranker`) would otherwise trust an encoder for what it knows by heart.
        """
        self._speaks = next((each for each in self._encoders if each.encoder.trained_until_ms < now_ms), None)
        self._drop_former()
        self.session = None
        if self._speaks is not None and len(session.tracks):
            self._asked = session
            self.session = self._speaks.ask(session, k, repeat_logit)
        return self.session

    def ask_nobody(self) -> None:
        """Leave the next list to the other sources."""
        self._speaks = self.session = None

    def logits(self, tracks: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """Return `EncodedTracks.logits` of the session asked for last; None where nobody spoke."""
        if self._speaks is None or self.session is None or self._asked is None:
            return None
        return self._speaks.logits(self.session, tracks, self._asked.tracks)

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


@kernel
def place_of(track: int, places: Places) -> tuple[int, int]:
    """Return which of the three tables holds a track, 0 trained, 1 placed, 2 artists, and its row; -1 for none."""
    row = places.row_of[track]
    trained = len(places.steps)
    if row >= trained:
        return 1, row - trained
    if row >= 0:
        return 0, row
    artist = places.artist_of[track]
    if artist >= 0 and places.artist_row_of[artist] >= 0:
        return 2, places.artist_row_of[artist]
    return -1, -1


@kernel
def read_vector(table: int, row: int, places: Places, out: NDArray[np.float32]) -> None:
    """Write the vector of a row of a table of `place_of`."""
    values, steps = places.values, places.steps
    if table == 1:
        values, steps = places.placed_values, places.placed_steps
    elif table == 2:
        values, steps = places.artist_values, places.artist_steps
    for j in range(len(out)):
        out[j] = np.float32(values[row, j]) * steps[row]


@kernel
def read_vectors(tracks: NDArray[np.int64], places: Places, out: NDArray[np.float32]) -> None:
    """Write the vectors of `tracks`; those without one are left as they are."""
    for i in range(len(tracks)):
        table, row = place_of(tracks[i], places)
        if table >= 0:
            read_vector(table, row, places, out[i])


@kernel
def read_session(
    newest_first: NDArray[np.int64],
    skipped: NDArray[np.bool_],
    ended_at_s: NDArray[np.int64],
    places: Places,
    out: NDArray[np.float32],
    out_skipped: NDArray[np.bool_],
    out_gaps_s: NDArray[np.int64],
) -> int:
    """Write a session's newest tracks at the end of `out`, the oldest first; return how many.

    Args:
        newest_first, skipped, ended_at_s: see `SessionPlays`; tracks without a vector are passed over.
        places: where tracks lie.
        out: float32, shape (longest, dimension), their vectors.
        out_skipped, out_gaps_s: see `SessionEncoder.direction`.
    """
    longest = len(out)
    count = 0
    for i in range(len(newest_first)):
        if count == longest:
            break
        table, row = place_of(newest_first[i], places)
        if table < 0:
            continue
        count += 1
        at = longest - count
        read_vector(table, row, places, out[at])
        out_skipped[at] = skipped[i]
        out_gaps_s[at] = 0
        if i + 1 < len(newest_first) and ended_at_s[i + 1] > 0:
            out_gaps_s[at] = max(0, ended_at_s[i] - ended_at_s[i + 1])
    return count


@kernel
def encode(vector: NDArray[np.float32], values: NDArray[np.int8], steps: NDArray[np.float32], row: int) -> None:
    """Write one unit vector as `Codes` has it."""
    largest = np.float32(0.0)
    for j in range(len(vector)):
        largest = max(largest, abs(vector[j]))
    step = largest / np.float32(LARGEST_CODE)
    steps[row] = step
    for j in range(len(vector)):
        values[row, j] = np.int8(np.rint(vector[j] / step))


@fast_kernel
def write_logits(
    tracks: NDArray[np.int64],
    places: Places,
    direction: NDArray[np.float32],
    session: NDArray[np.int64],
    scale: float,
    repeat_logit: float,
    best: float,
    out: NDArray[np.float32],
    was_trained: NDArray[np.bool_],
) -> None:
    """Write the logit of each of `tracks` above `best`; NaN where it has no vector. See `EncodedTracks.logits`."""
    for i in range(len(tracks)):
        table, row = place_of(tracks[i], places)
        was_trained[i] = table == 0
        if table < 0:
            out[i] = np.nan
            continue
        values, step = places.values, places.steps[0]
        if table == 0:
            step = places.steps[row]
        elif table == 1:
            values, step = places.placed_values, places.placed_steps[row]
        else:
            values, step = places.artist_values, places.artist_steps[row]
        cosine = np.float32(0.0)
        for j in range(len(direction)):
            cosine += direction[j] * np.float32(values[row, j])
        logit = scale * cosine * step - best
        for place in range(len(session)):
            if session[place] == tracks[i]:
                logit += repeat_logit
                break
        out[i] = logit
