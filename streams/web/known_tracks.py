"""What tracks are called, which of them have audio and a vector, and of which model."""

from collections import Counter
from typing import Final, TypedDict

from musicrec.contracts import EmbeddingHead, Track

MAX_TRACKS: Final = 500_000
"""About 150 MB; beyond it the oldest titles go, and their tracks are shown by id."""
MAX_TITLE_CHARS: Final = 160


class IndexView(TypedDict):
    """How far the vector index can be."""

    tracks: int
    """Tracks that are announced."""
    with_audio: int
    """Those that name audio."""
    waiting: int
    """Those that name audio and have no vector yet: before the embedder, or refused by it."""
    vectors: dict[str, int]
    """Tracks by the model of their newest vector; more than one while a catalogue is embedded anew."""
    newest_ms: int | None
    """When the newest vector was made."""


class KnownTracks:
    """Titles by track id, of bounded size."""

    def __init__(self, max_tracks: int = MAX_TRACKS) -> None:
        self._max_tracks = max_tracks
        self._names: dict[str, tuple[str, str]] = {}
        self._with_audio: set[str] = set()
        self._embedded: dict[str, str] = {}
        self._waiting = 0
        self._vectors: Counter[str] = Counter()
        self._newest_ms: int | None = None

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
        self.forget(track.track_id)
        self._names[track.track_id] = (_short(track.title or track.track_id), _short(track.artist_name))
        if track.audio_uri is not None:
            self._with_audio.add(track.track_id)
            self._waiting += track.track_id not in self._embedded
        if len(self._names) > self._max_tracks:
            self.forget(next(iter(self._names)))

    def forget(self, track_id: str) -> None:
        """Take a track's tombstone."""
        self._names.pop(track_id, None)
        if track_id in self._with_audio:
            self._with_audio.remove(track_id)
            self._waiting -= track_id not in self._embedded

    def learn_embedding(self, head: EmbeddingHead) -> None:
        """Take note that a track has a vector."""
        self.forget_embedding(head.track_id)
        self._embedded[head.track_id] = head.model_version
        self._waiting -= head.track_id in self._with_audio
        self._vectors[head.model_version] += 1
        self._newest_ms = max(self._newest_ms or 0, head.embedded_at_ms)
        if len(self._embedded) > self._max_tracks:
            self.forget_embedding(next(iter(self._embedded)))

    def forget_embedding(self, track_id: str) -> None:
        """Take the tombstone of a vector."""
        version = self._embedded.pop(track_id, None)
        if version is None:
            return
        self._waiting += track_id in self._with_audio
        self._vectors[version] -= 1
        if not self._vectors[version]:
            del self._vectors[version]

    def name(self, track_id: str) -> tuple[str, str]:
        """Return title and artist: text from outside, to be shown as text; the id where the title is not known."""
        return self._names.get(track_id) or (_short(track_id), "")

    def index(self) -> IndexView:
        """Return how far the index can be."""
        return {
            "tracks": len(self._names),
            "with_audio": len(self._with_audio),
            "waiting": self._waiting,
            "vectors": dict(self._vectors.most_common(10)),
            "newest_ms": self._newest_ms,
        }


def _short(text: str) -> str:
    return text if len(text) <= MAX_TITLE_CHARS else text[: MAX_TITLE_CHARS - 1] + "…"
