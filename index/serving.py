"""Which model's vectors answer: one generation serves, the next one grows beside it until it can take over.

Rules
    1. Vectors of different model versions never share an index: each version is a generation of its own.
    2. One generation serves.  A track embedded again by a newer model stays findable in it until the takeover.
    3. At a catch-up from the topic (`settle`) the generation with most tracks serves; of equal ones the newest.
    4. A generation takes over (`maintain`) when it is newer (by the time of its last embedding) and holds
       `TAKEOVER_SHARE` of the serving one's tracks.  Not all: the audio of some may be gone, and they must not hold up
       the others for ever.  Going back to an older model is no different: embed again, and it is the newer one.
    5. The one that it replaces is dropped.  Tracks that the new model has not embedded have no audio neighbours then.
"""

import threading
from dataclasses import dataclass

import numpy.typing as npt

from index.faiss_index import DEFAULT_SEARCH, FaissIndex, SearchConfig
from index.vector_index import Neighbour, Vector
from musicrec.contracts import TrackEmbedding

TAKEOVER_SHARE = 0.9

NO_VERSION = "none"
"""`version` while there is no vector at all."""

MAX_MODEL_VERSION_CHARS = 240
"""An index version is an id of 256 characters, and the generation has to fit in."""


@dataclass(slots=True)
class Generation:
    """The vectors of one model."""

    index: FaissIndex
    newest_ms: int = 0
    """Time of its last embedding, epoch milliseconds."""


class ServingIndex:
    """Searches the serving generation, and feeds all of them. Changes come from one thread; `maintain` from any."""

    def __init__(self, config: SearchConfig = DEFAULT_SEARCH) -> None:
        self.config = config
        self._generations: dict[str, Generation] = {}
        self._serving: Generation | None = None
        self._takeovers = 0
        self._lock = threading.RLock()

    @property
    def version(self) -> str:
        """Model version that serves, and the number of takeovers since the start; `none` while empty."""
        serving = self._serving
        if serving is None:
            return NO_VERSION
        return f"{serving.index.version[:MAX_MODEL_VERSION_CHARS]}/{self._takeovers}"

    @property
    def model_version(self) -> str:
        """Model version that serves; `none` while empty."""
        serving = self._serving
        return serving.index.version if serving is not None else NO_VERSION

    @property
    def serving(self) -> Generation | None:
        """The generation that answers; None while there is no vector at all."""
        return self._serving

    @property
    def tracks_by_model(self) -> dict[str, int]:
        """How many tracks each generation holds."""
        with self._lock:
            return {model: len(generation.index) for model, generation in self._generations.items()}

    def __len__(self) -> int:
        return 0 if self._serving is None else len(self._serving.index)

    def __contains__(self, track_id: object) -> bool:
        return self._serving is not None and track_id in self._serving.index

    def search(self, vector: npt.ArrayLike, k: int) -> list[Neighbour]:
        """Return the nearest tracks; see `VectorIndex.search`. Nothing while there is no vector at all."""
        return [] if self._serving is None else self._serving.index.search(vector, k)

    def numbered(self) -> FaissIndex | None:
        """Return the serving generation's vectors by number; None while there is no vector at all."""
        return None if self._serving is None else self._serving.index

    def vector(self, track_id: str) -> Vector | None:
        """Return the unit vector of a track, shape (dimension,), float32; None for an unknown one."""
        return None if self._serving is None else self._serving.index.vector(track_id)

    def apply(self, embedding: TrackEmbedding) -> None:
        """Set the vector that a model gave a track.

        Raises:
            BadInput: the vector has another dimension than others of this model.
        """
        model, track_id = embedding.model_version, embedding.track_id
        with self._lock:
            generation = self._generations.get(model)
            if generation is None:
                generation = Generation(FaissIndex(embedding.dimension, model, self.config))
            generation.index.upsert(track_id, embedding.vector())
            generation.newest_ms = max(generation.newest_ms, embedding.embedded_at_ms)
            self._generations[model] = generation
            self._serving = self._serving or generation
            for other in list(self._generations.values()):
                if other is not generation and other is not self._serving:
                    self._remove_from(other, track_id)

    def remove(self, track_id: str) -> bool:
        """Remove a track from every generation; return whether any held it."""
        with self._lock:
            return any([self._remove_from(generation, track_id) for generation in list(self._generations.values())])

    def restore(self, generation: Generation) -> None:
        """Begin with the generation of a snapshot, in place of all there is."""
        with self._lock:
            self._generations = {generation.index.version: generation}
            self._serving = generation

    def clear(self) -> None:
        """Forget everything."""
        with self._lock:
            self._generations.clear()
            self._serving = None

    def settle(self) -> None:
        """Let the largest generation serve (rule 3): after a catch-up, in which versions come mixed."""
        with self._lock:
            self._serving = max(self._generations.values(), key=_tracks_and_age, default=None)

    def maintenance_is_due(self) -> bool:
        """Return whether `maintain` would change anything."""
        with self._lock:
            return self._successor() is not None or (self._serving is not None and self._serving.index.build_is_due())

    def maintain(self) -> None:
        """Hand over to a generation that is ready, train lists that are due; long, for a thread of its own."""
        successor = self._successor()
        if successor is not None:
            successor.index.build()  # before it serves: a scan of a large catalogue takes too long
            with self._lock:
                if self._successor() is successor:
                    self._hand_over_to(successor)
        serving = self._serving
        if serving is not None:
            serving.index.build()

    def _successor(self) -> Generation | None:
        with self._lock:
            serving = self._serving
            if serving is None:
                return None
            others = [generation for generation in self._generations.values() if generation is not serving]
            newer = [g for g in others if g.newest_ms > serving.newest_ms or len(serving.index) == 0]
            largest = max(newer, key=_tracks_and_age, default=None)
            if largest is None or len(largest.index) < TAKEOVER_SHARE * len(serving.index):
                return None
            return largest

    def _hand_over_to(self, successor: Generation) -> None:
        replaced, self._serving = self._serving, successor
        self._takeovers += 1
        if replaced is not None:
            del self._generations[replaced.index.version]

    def _remove_from(self, generation: Generation, track_id: str) -> bool:
        removed = generation.index.remove(track_id)
        if removed and len(generation.index) == 0 and generation is not self._serving:
            del self._generations[generation.index.version]
        return removed


def _tracks_and_age(generation: Generation) -> tuple[int, int]:
    return len(generation.index), generation.newest_ms
