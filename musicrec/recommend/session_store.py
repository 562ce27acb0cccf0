"""The newest sessions of all listeners as rows of tracks, and for each track the rows that hold it.

A ring: the newest `rows` rows are kept, and each is known by a serial number that only grows; row `serial % rows` holds
it until `serial + rows` is written.  A session longer than a row goes on in a new one.  Running sessions are rows like
any other, so a play is visible to everybody as soon as it is learned.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from musicrec.kernel import kernel
from musicrec.recommend.posting_lists import PostingLists
from musicrec.recommend.state import PIECE_BYTES, Pieces, State, copied, named, numbers


class SessionStore:
    """Sessions by row.

    Attributes:
        tracks: int32, shape (rows, row_length), in order of listening.
        strengths: float32, shape (rows, row_length): what each listen counts as a positive, 1 for a full one.
        lengths: int32 per row.
        ended_at_ms: int64 per row, end of its last listen.
        session: int64 per row, number of the session: a session never counts as its own neighbour.
        listener: int64 per row, number of the listener.
        rows_of: for each track, the serials of rows that hold it.
        next_serial: the serial that the next row gets; rows below `next_serial - rows` are gone.
    """

    def __init__(self, rows: int, row_length: int, rows_per_track: int) -> None:
        self.rows = rows
        self.row_length = row_length
        self.tracks: NDArray[np.int32] = np.zeros((rows, row_length), np.int32)
        self.strengths: NDArray[np.float32] = np.zeros((rows, row_length), np.float32)
        self.lengths: NDArray[np.int32] = np.zeros(rows, np.int32)
        self.ended_at_ms: NDArray[np.int64] = np.zeros(rows, np.int64)
        self.session: NDArray[np.int64] = np.full(rows, -1, np.int64)
        self.listener: NDArray[np.int64] = np.full(rows, -1, np.int64)
        self.rows_of = PostingLists(rows_per_track)
        self.next_serial = 0
        self._session_numbers = 0

    def new_session(self) -> int:
        """Return a session number that no row has."""
        self._session_numbers += 1
        return self._session_numbers

    def is_kept(self, serial: int) -> bool:
        """Whether the row with that serial is still there."""
        return 0 <= self.next_serial - serial <= self.rows and serial >= 0

    def grow(self, tracks: int) -> None:
        """Make room for tracks below `tracks`."""
        self.rows_of.grow(tracks)

    def open_row(self, session: int, listener: int) -> int:
        """Start an empty row, dropping the oldest one when the ring is full; return its serial."""
        serial = self.next_serial
        row = serial % self.rows
        self.next_serial += 1
        self.lengths[row] = 0
        self.ended_at_ms[row] = 0
        self.session[row] = session
        self.listener[row] = listener
        return serial

    def listen(self, serial: int, track: int, strength: float, ended_at_ms: int) -> int:
        """Put a listen at the end of the session's newest row; return the serial of the row that holds it now.

        A track that the row holds already moves to the end.
        """
        row = serial % self.rows
        if self.lengths[row] >= self.row_length and not self._holds(row, track):
            serial = self.open_row(int(self.session[row]), int(self.listener[row]))
            row = serial % self.rows
        if put_last(self.tracks, self.strengths, self.lengths, row, track, strength):
            self.rows_of.append(track, serial)
        self.ended_at_ms[row] = max(int(self.ended_at_ms[row]), ended_at_ms)
        return serial

    def set_strength(self, serial: int, track: int, strength: float) -> None:
        """Change what the listen of `track` in that row counts, after feedback; nothing where it is not there."""
        row = serial % self.rows
        for at in range(int(self.lengths[row])):
            if self.tracks[row, at] == track:
                self.strengths[row, at] = strength

    def contents(self, serial: int) -> list[int]:
        """Return the tracks of a row, in order of listening."""
        row = serial % self.rows
        return [int(track) for track in self.tracks[row, : self.lengths[row]]]

    def state(self) -> Pieces:
        """Yield the rows, without the unused cells at their ends; see `Stateful`."""
        yield from numbers("counts", self.next_serial, self._session_numbers)
        used = min(self.next_serial, self.rows)
        for name in ("lengths", "ended_at_ms", "session", "listener"):
            yield from copied(name, getattr(self, name)[:used])
        for rows, held in self._cells(used):
            yield "tracks", self.tracks[rows][held]
            yield "strengths", self.strengths[rows][held]
        yield from named("rows_of", self.rows_of.state())

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        self.next_serial, self._session_numbers = state.array("counts", np.int64, 2).tolist()
        used = min(self.next_serial, self.rows)
        for name in ("lengths", "ended_at_ms", "session", "listener"):
            column = getattr(self, name)
            column[:used] = state.array(name, column.dtype, used)
        cells = int(self.lengths[:used].sum())
        tracks, strengths = state.array("tracks", np.int32, cells), state.array("strengths", np.float32, cells)
        start = 0
        for rows, held in self._cells(used):
            end = start + int(self.lengths[rows].sum())
            self.tracks[rows][held] = tracks[start:end]
            self.strengths[rows][held] = strengths[start:end]
            start = end
        self.rows_of.restore(state.part("rows_of"))

    def _cells(self, used: int) -> Iterator[tuple[slice, NDArray[np.bool_]]]:
        """Yield blocks of the first `used` rows, and which of their cells hold a track."""
        block = max(1, PIECE_BYTES // (4 * self.row_length))
        for start in range(0, max(1, used), block):
            rows = slice(start, min(start + block, used))
            yield rows, np.arange(self.row_length) < self.lengths[rows, np.newaxis]

    def _holds(self, row: int, track: int) -> bool:
        return track in self.tracks[row, : self.lengths[row]]


@kernel
def put_last(
    tracks: NDArray[np.int32],
    strengths: NDArray[np.float32],
    lengths: NDArray[np.int32],
    row: int,
    track: int,
    strength: float,
) -> bool:
    """Write `track` at the end of the row, moving it there where the row holds it; return whether it is new there."""
    length = lengths[row]
    for at in range(length):
        if tracks[row, at] == track:
            for i in range(at, length - 1):
                tracks[row, i] = tracks[row, i + 1]
                strengths[row, i] = strengths[row, i + 1]
            tracks[row, length - 1] = track
            strengths[row, length - 1] = strength
            return False
    tracks[row, length] = track
    strengths[row, length] = strength
    lengths[row] = length + 1
    return True
