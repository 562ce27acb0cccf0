"""Track ids and the numbers that FAISS knows them by, in one place."""

from collections.abc import Sequence
from typing import Final, cast

NO_NUMBER: Final = -1
"""Of a track that is not there, where a number stands in an array."""


class TrackNumbers:
    """A number for each track, from 0; the number of a track that left is given to the next that comes."""

    def __init__(self, tracks: list[str | None] | None = None) -> None:
        """Start from `tracks`: the track of each number, None where it is free."""
        self.tracks = tracks if tracks is not None else []
        """Track of each number, None where it is free."""
        self._numbers = {track: number for number, track in enumerate(self.tracks) if track is not None}
        self.moves = 0
        """Counts up whenever a number ceases to mean its track."""
        self._free = [number for number, track in enumerate(self.tracks) if track is None]

    def __len__(self) -> int:
        return len(self._numbers)

    def find(self, track_id: object) -> int | None:
        """Return the number of a track, or None."""
        return self._numbers.get(track_id) if isinstance(track_id, str) else None

    def number_of(self, track_id: str) -> int:
        """Return the number of a track, or `NO_NUMBER`."""
        return self._numbers.get(track_id, NO_NUMBER)

    def tracks_of(self, numbers: Sequence[int]) -> list[str]:
        """Return the tracks of numbers that are in use."""
        tracks = cast(list[str], self.tracks)
        return [tracks[number] for number in numbers]

    def assign(self, track_id: str) -> int:
        """Return the number of a track, a new one if it has none."""
        number = self._numbers.get(track_id)
        if number is not None:
            return number
        if self._free:
            number = self._free.pop()
            self.tracks[number] = track_id
        else:
            number = len(self.tracks)
            self.tracks.append(track_id)
        self._numbers[track_id] = number
        return number

    def release(self, track_id: str) -> int | None:
        """Free the number of a track and return it; None for an unknown one."""
        number = self._numbers.pop(track_id, None)
        if number is not None:
            self.tracks[number] = None
            self._free.append(number)
            self.moves += 1
        return number
