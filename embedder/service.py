"""Tracks in, embeddings out: fetch, decode and encode, each where it may fail without the others.

Fetching waits in the event loop, decoding runs in processes of its own, the network in one thread: while it works on a
batch, the next one is fetched and decoded.  Nothing here knows where tracks come from or where embeddings go.
"""

import asyncio
import logging
import ssl
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from dataclasses import dataclass
from enum import Enum
from itertools import islice
from typing import Protocol, Self

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from embedder.audio_embedding import AudioEmbedding
from embedder.decode import DecodedAudio, DecoderPool
from embedder.fetch import AudioFetcher
from embedder.fetched_audio import FetchedAudio
from embedder.known_audio import fingerprint_of
from embedder.settings import EmbedderSettings
from musicrec.contracts import Genre, Segment, Track, TrackEmbedding
from musicrec.errors import BadInput, DeadLetterReason, Incompatible, Unavailable

logger = logging.getLogger(__name__)

Pcm = npt.NDArray[np.float32]


class NoNeed(Enum):
    """Why a track with nothing wrong got no embedding."""

    WITHOUT_AUDIO = "it names no audio"
    UNCHANGED = "its audio is settled"


Embedded = TrackEmbedding | BadInput | NoNeed
"""What became of a track: its embedding, or why there is none."""
Settled = Callable[[Track, str], bool]
"""Tells of a track and the fingerprint of its audio whether it needs no new embedding."""


@dataclass(frozen=True, slots=True)
class _Heard:
    """Audio that is ready for the network."""

    fingerprint: str
    audio: DecodedAudio
    since_s: float
    """Clock of `time.perf_counter` when its fetch began."""


@dataclass(frozen=True, slots=True)
class _SameAs:
    """A track with the audio of another one: of a single, and of the album that it is on."""

    place: int
    """Of the other one among the tracks."""


_Prepared = _Heard | _SameAs | BadInput | NoNeed


def nothing_settled(track: Track, fingerprint: str) -> bool:
    """Have every track embedded."""
    return False


class Encoder(Protocol):
    """From samples to vectors."""

    model_version: str

    def embed(self, pcm_batch: Sequence[Pcm]) -> list[AudioEmbedding]:
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
        took: Callable[[float], None] = lambda seconds: None,
    ) -> None:
        self._encoder = encoder
        self._fetcher = fetcher
        self._decoders = decoders
        self._batch_tracks = batch_tracks
        self._now_ms = now_ms
        self._took = took
        self._encoding = ThreadPoolExecutor(1, thread_name_prefix="encoder")
        self.model_version = encoder.model_version
        self.truncated = 0
        """Files that ended before their header said so, and were embedded from their beginning."""

    @classmethod
    @asynccontextmanager
    async def of(
        cls, encoder: Encoder, settings: EmbedderSettings, took: Callable[[float], None] = lambda seconds: None
    ) -> AsyncIterator[Self]:
        """Start the decoders and give a pipeline; leaving ends them.

        Args:
            encoder: the network.
            settings: of fetching and decoding.
            took: given the seconds from the fetch of a track to its vector.

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
            pipeline = cls(encoder, fetcher, decoders, batch_tracks=settings.batch_tracks, took=took)
            try:
                yield pipeline
            finally:
                pipeline.close()

    def close(self) -> None:
        """End the thread of the network."""
        self._encoding.shutdown(wait=False, cancel_futures=True)

    async def embed(self, tracks: Sequence[Track], settled: Settled = nothing_settled) -> list[Embedded]:
        """Embed tracks; results stand in their order.

        Tracks of the same audio, byte for byte, are decoded and embedded once.

        Args:
            tracks: what to embed.
            settled: asked once a track is fetched; those that it holds for are not decoded.

        Raises:
            Unavailable: files, processes or the device cannot be had now; nothing is known of any track, try again.
        """
        # Samples of two batches at a time: of one that is encoded and one that is on its way.
        room = asyncio.Semaphore(2 * self._batch_tracks)
        firsts: dict[str, int] = {}
        waiting = {
            asyncio.create_task(self._prepare(place, track, settled, firsts, room)): place
            for place, track in enumerate(tracks)
        }
        results: dict[int, Embedded | _SameAs] = {}
        try:
            while waiting:
                # The network waits for no second one, and takes together what has waited for it.
                ready, _ = await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
                batch = {waiting.pop(task): task.result() for task in islice(ready, self._batch_tracks)}
                results |= await self._encode(tracks, batch)
                for _ in batch:
                    room.release()
        finally:
            for task in waiting:
                task.cancel()
            await asyncio.gather(*waiting, return_exceptions=True)
        return [_resolved(results[place], track, results) for place, track in enumerate(tracks)]

    async def _prepare(
        self, place: int, track: Track, settled: Settled, firsts: dict[str, int], room: asyncio.Semaphore
    ) -> _Prepared:
        await room.acquire()
        if track.audio_uri is None:
            return NoNeed.WITHOUT_AUDIO
        since_s = time.perf_counter()
        try:
            with await self._fetcher.fetch(track.audio_uri) as audio:
                fingerprint = await asyncio.to_thread(fingerprint_of, audio)
                if settled(track, fingerprint):
                    return NoNeed.UNCHANGED
                if (first := firsts.setdefault(fingerprint, place)) != place:
                    return _SameAs(first)
                decoded = await self._decoders.decode(audio)
        except BadInput as error:
            return error
        self.truncated += decoded.truncated
        return _Heard(fingerprint, decoded, since_s)

    async def _encode(
        self, tracks: Sequence[Track], prepared: Mapping[int, _Prepared]
    ) -> dict[int, Embedded | _SameAs]:
        audible = [heard for heard in prepared.values() if isinstance(heard, _Heard)]
        encoded = iter(await self._encoded([heard.audio.pcm for heard in audible]))
        for heard in audible:
            self._took(time.perf_counter() - heard.since_s)
        return {
            place: self._record(tracks[place], heard, next(encoded)) if isinstance(heard, _Heard) else heard
            for place, heard in prepared.items()
        }

    async def _encoded(self, pcm: list[Pcm]) -> Sequence[AudioEmbedding | BadInput]:
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

    def _record(self, track: Track, heard: _Heard, embedding: AudioEmbedding | BadInput) -> TrackEmbedding | BadInput:
        if isinstance(embedding, BadInput):
            return embedding
        try:
            return self._embedding(track, heard, embedding)
        except ValidationError as error:
            return _refusal(error)

    def _embedding(self, track: Track, heard: _Heard, embedding: AudioEmbedding) -> TrackEmbedding:
        return TrackEmbedding(
            track_id=track.track_id,
            model_version=self._encoder.model_version,
            dimension=len(embedding.vector),
            vector_f16=TrackEmbedding.pack(embedding.vector),
            genres=_genres(embedding.genres),
            segments=tuple(Segment(genres=_genres(genres)) for genres in embedding.segment_genres) or None,
            spread=embedding.spread,
            tempo_bpm=embedding.tempo_bpm,
            key_profile=embedding.key_profile,
            duration_ms=max(1, heard.audio.duration_ms),
            embedded_at_ms=self._now_ms(),
            audio_sha256=heard.fingerprint,
        )


def _genres(shares: Sequence[tuple[str, float]]) -> tuple[Genre, ...]:
    return tuple(Genre(name=name, probability=round(probability, 4)) for name, probability in shares)


def _resolved(result: Embedded | _SameAs, track: Track, results: Mapping[int, Embedded | _SameAs]) -> Embedded:
    """Return what became of a track, where another one stands for it too."""
    if not isinstance(result, _SameAs):
        return result
    other = results[result.place]
    assert not isinstance(other, _SameAs), "the first one of its audio"
    return other.model_copy(update={"track_id": track.track_id}) if isinstance(other, TrackEmbedding) else other


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
