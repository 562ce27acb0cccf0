"""What one session encoder says about the catalogue's tracks: where each lies, and how near to where a session goes."""

from collections import deque
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import fast_kernel, kernel
from musicrec.recommend.audio_neighbours import AudioIndex
from musicrec.recommend.catalogue import UNKNOWN, Catalogue
from musicrec.recommend.session_encoder import LARGEST_CODE, Codes, SessionEncoder, SessionPlays
from musicrec.recommend.top_k import MIN_CAPACITY

MOST_UNHEARD: Final = 10_000
"""Tracks that wait for their sound; the newest ones."""
TRIED_AGAIN: Final = 4
"""Of these, with each question; at a hundred questions a second all of them have their turn within half a minute."""


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
        self._read: NDArray[np.float32] = np.zeros((encoder.longest, dimension), np.float32)
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
    def _where(self) -> Places:
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

    def ask(self, session: SessionPlays, k: int, repeat_logit: float) -> "EncodedSession | None":
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
            self._where,
            self._read,
            self._skipped,
            self._gaps_s,
        )
        if not length:
            return None
        first = self.encoder.longest - length
        direction = self.encoder.direction(self._read[first:], self._skipped[first:], self._gaps_s[first:])
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
            self._where,
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
        read_vectors(tracks, self._where, out)
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
