"""What is known of a track's audio, and whether that settles a new announcement of the track.

Platforms announce whole catalogues again; audio that has not changed need not be decoded and embedded again.  Audio is
the same where its bytes are: their SHA-256 is the fingerprint.

Rules
    1. Known of a track is what its newest embedding was made of: fingerprint and model.
    2. Other audio is embedded, and so is audio of which nothing is known.
    3. The same audio is settled for the model that its newest embedding is of.
    4. While a catalogue is embedded again by the next model, the embedder of the old one is still there.  Where the
       next one has replaced its embedding, the same audio is settled for both: the old one would only put its own in
       front again.  This holds for the embedder of live tracks; for what embeds a catalogue again, to go back to an
       older model for instance, rule 3 is all.
"""

import hashlib
import json
import os
from dataclasses import asdict, dataclass
from typing import Self

from embedder.fetched_audio import FetchedAudio
from musicrec.contracts import TrackEmbedding

BLOCK_BYTES = 1024 * 1024


@dataclass(frozen=True, slots=True)
class KnownAudio:
    """What a track's newest embedding was made of."""

    fingerprint: str
    """SHA-256 of the audio file's bytes, hexadecimal."""
    model_version: str
    """The model that made it."""
    replaced: str | None = None
    """The model whose embedding of the same audio it has replaced, in a catalogue that is embedded again."""

    def settles(self, fingerprint: str, model_version: str, *, again: bool = False) -> bool:
        """Return whether a track needs no new embedding.

        Args:
            fingerprint: of the audio that it has now.
            model_version: the model that would embed it.
            again: whether a catalogue is embedded again, rather than live tracks for the first time.
        """
        models = (self.model_version,) if again else (self.model_version, self.replaced)
        return fingerprint == self.fingerprint and model_version in models

    def encode(self) -> bytes:
        """Return it as JSON."""
        return json.dumps(asdict(self), separators=(",", ":")).encode()

    @classmethod
    def decode(cls, value: bytes) -> Self | None:
        """Read what `encode` wrote; None for anything else: then nothing is known."""
        try:
            return cls(**json.loads(value))
        except (ValueError, TypeError):
            return None


def known_after(before: KnownAudio | None, embedding: TrackEmbedding, *, again: bool = False) -> KnownAudio | None:
    """Return what is known once a track's embedding is published; nothing where it does not name its audio.

    Args:
        before: what was known until then.
        embedding: what was published.
        again: as in `KnownAudio.settles`.
    """
    if embedding.audio_sha256 is None:
        return None
    replaces = again and before is not None and before.fingerprint == embedding.audio_sha256
    replaced = before.model_version if before is not None and replaces else None
    return KnownAudio(embedding.audio_sha256, embedding.model_version, replaced)


def fingerprint_of(audio: FetchedAudio) -> str:
    """Return the SHA-256 of audio, hexadecimal; a second per gigabyte, for a thread.

    It is taken before the audio is decoded: a file that is still being written then differs from it the next time.
    """
    digest, offset = hashlib.sha256(), 0
    while block := os.pread(audio.descriptor, BLOCK_BYTES, offset):
        digest.update(block)
        offset += len(block)
    return digest.hexdigest()
