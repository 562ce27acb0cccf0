"""What tracks are called, and which of them have a vector."""

from typing import Final

from musicrec.contracts import Track

MAX_TRACKS: Final = 500_000
"""About 150 MB; beyond it the oldest titles go, and their tracks are shown by id."""
MAX_TITLE_CHARS: Final = 160


class KnownTracks:
    """Titles by track id, of bounded size."""

    def __init__(self, max_tracks: int = MAX_TRACKS) -> None:
        self._max_tracks = max_tracks
        self._names: dict[str, tuple[str, str]] = {}
        self._embedded: dict[str, None] = {}

    @property
    def tracks(self) -> int:
        """Size of the catalogue, as far as it is kept."""
        return len(self._names)

    @property
    def embedded(self) -> int:
        """Tracks that have a vector, as far as they are kept."""
        return len(self._embedded)

    def learn(self, track: Track) -> None:
        """Take a track, or its new title."""
        self._names.pop(track.track_id, None)
        self._names[track.track_id] = (_short(track.title or track.track_id), _short(track.artist_name))
        if len(self._names) > self._max_tracks:
            self._names.pop(next(iter(self._names)))

    def forget(self, track_id: str) -> None:
        """Take a track's tombstone."""
        self._names.pop(track_id, None)

    def learn_embedding(self, track_id: str) -> None:
        """Take note that a track has a vector."""
        self._embedded[track_id] = None
        if len(self._embedded) > self._max_tracks:
            self._embedded.pop(next(iter(self._embedded)))

    def forget_embedding(self, track_id: str) -> None:
        """Take the tombstone of a vector."""
        self._embedded.pop(track_id, None)

    def name(self, track_id: str) -> tuple[str, str]:
        """Return title and artist: text from outside, to be shown as text; the id where the title is not known."""
        return self._names.get(track_id) or (_short(track_id), "")


def _short(text: str) -> str:
    return text if len(text) <= MAX_TITLE_CHARS else text[: MAX_TITLE_CHARS - 1] + "…"
