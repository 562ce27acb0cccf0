"""A trained session encoder as ranking asks it: compiled code gives the direction, an inverted file what lies there."""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.inverted_file import InvertedFile, sample_size
from musicrec.errors import Incompatible
from musicrec.recommend.session_encoder import Codes
from musicrec.sequence.encoder_files import EncoderFiles, read_encoder
from musicrec.sequence.placing import Placing
from musicrec.sequence.served_network import ContextReader, served_network

EXACT_BELOW: Final = 20_000
"""So many vectors are scanned in half a millisecond; above, lists pay."""
PROBES: Final = 8
"""Lists that a search opens: candidates need not be the very nearest."""
PUT_ROWS: Final = 8_192
SEED: Final = 1
TRIED: Final = 100
"""Neighbours asked for in a trial, as many as candidates of a list."""
UNIT_TOLERANCE: Final = 0.01


class ServedEncoder:
    """A `SessionEncoder` of what `musicrec train sequence` wrote; without torch, and on the calling thread alone."""

    def __init__(self, files: EncoderFiles) -> None:
        """Prepare the network and put the vectors into lists; takes about a second per 60,000 tracks.

        Raises:
            KeyError: a part of the network is missing.
            ValueError: parts do not fit each other.
        """
        self._manifest = files.manifest
        self._version = files.manifest.version  # every list asks for it
        self._track_ids = files.track_ids
        self._network = served_network(
            files.manifest.model, files.network, files.manifest.dimension, files.manifest.longest
        )
        self._contexts = ContextReader(files.network, files.manifest.dimension)
        row_of = {artist_id: row for row, artist_id in enumerate(files.artist_ids)}
        for name, sound_map in files.audio.items():
            if sound_map.ndim != 2 or sound_map.shape[1] != files.manifest.dimension:
                raise ValueError(f"audio.{name}: shape {sound_map.shape}")
        # A copy, so that nothing keeps the file's bytes.
        self._placing = Placing(files.artist_vectors.copy(), row_of, files.audio)
        self._codes = Codes.of(files.vectors)
        self._artist_ids = files.artist_ids
        self._artist_codes = Codes.of(files.artist_vectors)
        self._file = _in_lists(files.vectors)

    @classmethod
    def load(cls, folder: Path, manifest_sha256: str | None = None) -> "ServedEncoder":
        """Read a folder and try what came out of it.

        Args:
            folder: what `musicrec train sequence` wrote.
            manifest_sha256: of the manifest that is meant; see `read_encoder`.

        Raises:
            Unreadable: a file is missing or cannot be read.
            Incompatible: it does not hold an encoder that this release can serve.
        """
        files = read_encoder(folder, manifest_sha256)
        try:
            encoder = cls(files)
            encoder.try_out()
        except KeyError as error:
            raise Incompatible(f"{folder}: its network has no {error}; train it again") from error
        except ValueError as error:
            raise Incompatible(f"{folder}: {error}; train it again") from error
        return encoder

    def try_out(self) -> None:
        """Ask for sessions of several lengths, and what lies there: the first list then waits for nothing.

        Raises:
            ValueError: an answer is no direction.
        """
        random = np.random.default_rng(SEED)
        for length in sorted({1, 2, self.longest // 2 + 1, self.longest}):
            rows = random.integers(len(self._codes.values), size=length)
            places = self._codes.values[rows] * self._codes.steps[rows, np.newaxis]
            direction = self.direction(places, np.zeros(length, np.bool_), np.zeros(length, np.int64))
            if not abs(float(np.linalg.norm(direction)) - 1.0) < UNIT_TOLERANCE:  # nor is what is not a number
                raise ValueError(f"its network's answer for {length} tracks has not unit length")
            self.nearest(direction, TRIED)

    @property
    def version(self) -> str:
        """See `SessionEncoder`, as for all below."""
        return self._version

    @property
    def trained_until_ms(self) -> int:
        """Newest play in training."""
        return self._manifest.trained_until_ms

    @property
    def longest(self) -> int:
        """Tracks read."""
        return self._manifest.longest

    @property
    def scale(self) -> float:
        """Logit per cosine."""
        return self._manifest.scale

    @property
    def track_ids(self) -> Sequence[str]:
        """By row."""
        return self._track_ids

    @property
    def codes(self) -> Codes:
        """By row."""
        return self._codes

    @property
    def artist_ids(self) -> Sequence[str]:
        """By row."""
        return self._artist_ids

    @property
    def artist_codes(self) -> Codes:
        """By row."""
        return self._artist_codes

    @property
    def sound_version(self) -> str | None:
        """Of the embedder."""
        return self._manifest.sound_version

    def placed(self, artist_id: str | None, sound: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        """Place a track that training did not see."""
        return self._placing.vector(artist_id, sound)

    def direction(
        self, places: NDArray[np.float32], skipped: NDArray[np.bool_], gaps_s: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Run the network."""
        self._contexts.add(places, skipped, gaps_s)
        return self._network.direction(places)

    def nearest(self, direction: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Search the lists."""
        return self._file.search(direction, k, PROBES)


def _in_lists(vectors: NDArray[np.float16]) -> InvertedFile:
    count = len(vectors)
    if count < EXACT_BELOW:
        file = InvertedFile.exact(vectors.shape[1])
    else:
        sample = np.random.default_rng(SEED).choice(count, min(count, sample_size(count)), replace=False)
        file = InvertedFile.train(vectors[sample].astype(np.float32), count)
    for first in range(0, count, PUT_ROWS):
        rows = np.arange(first, min(count, first + PUT_ROWS))
        file.put(rows, vectors[rows].astype(np.float32))
    return file
