"""Tracks in, embeddings out: fetch, decode and encode, each where it may fail without the others.

Fetching waits in the event loop, decoding runs in processes of its own, the network in one thread: while it works on a
batch, the next one is fetched and decoded.  Nothing here knows where tracks come from or where embeddings go.
"""

import asyncio
import logging
import ssl
import time
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from embedder.decode import DecodedAudio, DecoderPool
from embedder.fetch import AudioFetcher
from embedder.fetched_audio import FetchedAudio
from embedder.settings import EmbedderSettings
from musicrec.contracts import Genre, Track, TrackEmbedding
from musicrec.errors import BadInput, DeadLetterReason, Incompatible, Unavailable

if TYPE_CHECKING:
    from embedder.encoder import AudioEmbedding  # torch; who hands over an encoder has it already

logger = logging.getLogger(__name__)

Pcm = npt.NDArray[np.float32]
Embedded = TrackEmbedding | BadInput | None
"""What became of a track: its embedding, why there is none, or None where it names no audio."""


class Encoder(Protocol):
    """From samples to vectors."""

    model_version: str

    def embed(self, pcm_batch: Sequence[Pcm]) -> "list[AudioEmbedding]":
        """Embed tracks; see `AudioEncoder.embed`."""


class Fetcher(Protocol):
    """From a URI to an open file."""

    async def fetch(self, uri: str) -> FetchedAudio:
        """Fetch audio; see `AudioFetcher.fetch`."""


class Decoders(Protocol):
    """From an open file to samples."""

    async def decode(self, audio: FetchedAudio) -> DecodedAudio:
        """Decode audio; see `DecoderPool.decode`."""


class EmbeddingPipeline:
    """Embeds tracks in batches."""

    def __init__(
        self,
        encoder: Encoder,
        fetcher: Fetcher,
        decoders: Decoders,
        *,
        batch_tracks: int = 8,
        now_ms: Callable[[], int] = lambda: time.time_ns() // 1_000_000,
    ) -> None:
        self._encoder = encoder
        self._fetcher = fetcher
        self._decoders = decoders
        self._batch_tracks = batch_tracks
        self._now_ms = now_ms
        self._encoding = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self.truncated = 0
        """Files that ended before their header said so, and were embedded from their beginning."""

    @classmethod
    @asynccontextmanager
    async def of(cls, encoder: Encoder, settings: EmbedderSettings) -> AsyncIterator[Self]:
        """Start the decoders and give a pipeline; leaving ends them.

        Raises:
            Incompatible: the folder or the certificates are not as the settings say.
            Unavailable: decoders cannot be started.
        """
        if settings.allowed_root is not None and not settings.allowed_root.is_dir():
            raise Incompatible(f"MUSICREC_EMBEDDER_ALLOWED_ROOT: {settings.allowed_root} is not a folder")
        async with (
            AudioFetcher(settings.fetch_limits(), tls=_tls(settings)) as fetcher,
            DecoderPool(settings.decode_limits(), size=settings.decoders) as decoders,
        ):
            pipeline = cls(encoder, fetcher, decoders, batch_tracks=settings.batch_tracks)
            try:
                yield pipeline
            finally:
                pipeline.close()

    def close(self) -> None:
        """End the thread of the network."""
        self._encoding.shutdown(wait=False, cancel_futures=True)

    async def embed(self, tracks: Sequence[Track]) -> list[Embedded]:
        """Embed tracks; results stand in their order.

        Returns:
            Per track its embedding; BadInput, with the reason of a dead letter; or None if it has no `audio_uri`.

        Raises:
            Unavailable: files, processes or the device cannot be had now; nothing is known of any track, try again.
        """
        # Samples of two batches at a time: of one that is encoded and one that is on its way.
        room = asyncio.Semaphore(2 * self._batch_tracks)
        waiting = deque(asyncio.create_task(self._pcm(track, room)) for track in tracks)
        results: list[Embedded] = []
        try:
            for first in range(0, len(tracks), self._batch_tracks):
                batch = tracks[first : first + self._batch_tracks]
                results += await self._encode(batch, [await waiting.popleft() for _ in batch])
                for _ in batch:
                    room.release()
            return results
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)

    async def _pcm(self, track: Track, room: asyncio.Semaphore) -> DecodedAudio | BadInput | None:
        await room.acquire()
        if track.audio_uri is None:
            return None
        try:
            with await self._fetcher.fetch(track.audio_uri) as audio:
                decoded = await self._decoders.decode(audio)
        except BadInput as error:
            return error
        self.truncated += decoded.truncated
        return decoded

    async def _encode(
        self, tracks: Sequence[Track], decoded: Sequence[DecodedAudio | BadInput | None]
    ) -> list[Embedded]:
        audible = [audio for audio in decoded if isinstance(audio, DecodedAudio)]
        encoded = iter(await self._encoded([audio.pcm for audio in audible]))
        return [
            self._record(track, audio, next(encoded)) if isinstance(audio, DecodedAudio) else audio
            for track, audio in zip(tracks, decoded, strict=True)
        ]

    async def _encoded(self, pcm: list[Pcm]) -> "Sequence[AudioEmbedding | BadInput]":
        """Embed together; if that fails, one by one, so that one track cannot take the others with it."""
        if not pcm:
            return []
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._encoding, self._encoder.embed, pcm)
        except Exception as error:
            if len(pcm) == 1:
                return [_refusal(error)]
            logger.warning("a batch of %d tracks failed and is embedded one by one: %s", len(pcm), error)
        return [embedded for one in pcm for embedded in await self._encoded([one])]

    def _record(
        self, track: Track, audio: DecodedAudio, embedding: "AudioEmbedding | BadInput"
    ) -> TrackEmbedding | BadInput:
        if isinstance(embedding, BadInput):
            return embedding
        try:
            return self._embedding(track, audio, embedding)
        except ValidationError as error:
            return _refusal(error)

    def _embedding(self, track: Track, audio: DecodedAudio, embedding: "AudioEmbedding") -> TrackEmbedding:
        return TrackEmbedding(
            track_id=track.track_id,
            model_version=self._encoder.model_version,
            dimension=len(embedding.vector),
            vector_f16=TrackEmbedding.pack(embedding.vector),
            genres=tuple(Genre(name=name, probability=probability) for name, probability in embedding.genres),
            tempo_bpm=embedding.tempo_bpm,
            key_profile=embedding.key_profile,
            duration_ms=max(1, audio.duration_ms),
            embedded_at_ms=self._now_ms(),
        )


def _refusal(error: Exception) -> BadInput:
    """Return why one track alone cannot be embedded.

    Raises:
        Unavailable: the device has no memory left: not the track's fault.
    """
    if isinstance(error, BadInput):
        return error
    if isinstance(error, MemoryError) or type(error).__name__ == "OutOfMemoryError":
        raise Unavailable(f"the encoder has no memory left: {error}") from error
    return BadInput(f"the encoder failed on this track: {error!r}", DeadLetterReason.HANDLER_ERROR)


def _tls(settings: EmbedderSettings) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=settings.ssl_ca_file)
    except (OSError, ssl.SSLError) as error:
        raise Incompatible(f"MUSICREC_EMBEDDER_SSL_CA_FILE: cannot read {settings.ssl_ca_file}: {error}") from error
