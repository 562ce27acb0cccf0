"""The pipeline on real files, a real fetcher and real decoders; the encoder is arithmetic."""

import asyncio
import hashlib
import threading
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embedder.audio_embedding import AudioEmbedding
from embedder.decode import DecodedAudio, DecoderPool
from embedder.fetch import AudioFetcher
from embedder.fetched_audio import FetchedAudio
from embedder.service import EmbeddingPipeline, NoNeed
from embedder.settings import EmbedderSettings, load_embedder_settings
from musicrec.contracts import Track, TrackEmbedding
from musicrec.errors import BadInput, DeadLetterReason, Incompatible, Unavailable

NOW_MS = 1_760_000_000_000


def heard(vector: list[float]) -> AudioEmbedding:
    segments = ((("calm", 0.875), ("loud", 0.125)), (("calm", 0.625),))
    return AudioEmbedding(np.array(vector, np.float32), (("calm", 0.75),), segments, 0.25, None, ())


class LevelEncoder:
    """Its vector points the further from the first axis, the louder the track; some levels it cannot bear."""

    model_version = "level-1"

    def __init__(self) -> None:
        self.batches: list[int] = []
        self.threads: set[int] = set()
        self.free = threading.Event()
        self.free.set()

    def embed(self, pcm_batch: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        self.batches.append(len(pcm_batch))
        assert self.free.wait(20)
        self.threads.add(threading.get_ident())
        levels = [round(float(np.abs(pcm).max()), 2) for pcm in pcm_batch]
        if 0.66 in levels:
            raise BadInput("too evil", DeadLetterReason.UNDECODABLE)
        if 0.77 in levels:
            raise RuntimeError("a defect")
        if 0.88 in levels:
            raise MemoryError("device full")
        if 0.99 in levels:
            return [heard([np.nan, np.nan]) for _ in levels]
        return [heard([np.cos(level), np.sin(level)]) for level in levels]


@pytest.fixture
def encoder() -> LevelEncoder:
    return LevelEncoder()


@pytest.fixture
async def pipeline(tmp_path: Path, encoder: LevelEncoder) -> AsyncIterator[EmbeddingPipeline]:
    settings = EmbedderSettings(allowed_root=tmp_path, decoders=1, batch_tracks=3)
    async with EmbeddingPipeline.of(encoder, settings) as running:
        yield running


def track(folder: Path, level: float) -> Track:
    """Return a track whose audio is one second of this level."""
    path = folder / f"{level}.wav"
    soundfile.write(path, np.full(22_050, level, np.float32), 22_050, subtype="FLOAT")
    return Track(track_id=f"t{level}", audio_uri=path.as_uri())


def level_of(embedding: object) -> float:
    assert isinstance(embedding, TrackEmbedding)
    first, second = embedding.vector()
    return float(np.arctan2(second, first))


async def test_results_stand_in_the_order_of_the_tracks_whatever_became_of_each(pipeline, encoder, tmp_path):
    (tmp_path / "text.mp3").write_text("no music")
    tracks = [
        track(tmp_path, 0.1),
        Track(track_id="silent"),
        Track(track_id="text", audio_uri=(tmp_path / "text.mp3").as_uri()),
        track(tmp_path, 0.2),
        Track(track_id="gone", audio_uri=(tmp_path / "gone.mp3").as_uri()),
        Track(track_id="evil", audio_uri="http://169.254.169.254/latest/meta-data"),
        track(tmp_path, 0.3),
        track(tmp_path, 0.4),
    ]
    results = await pipeline.embed(tracks)
    assert [level_of(results[place]) for place in (0, 3, 6, 7)] == pytest.approx([0.1, 0.2, 0.3, 0.4], abs=1e-3)
    assert results[1] is NoNeed.WITHOUT_AUDIO
    assert [result.reason for result in results if isinstance(result, BadInput)] == [
        DeadLetterReason.UNDECODABLE,
        DeadLetterReason.FETCH_FAILED,
        DeadLetterReason.URI_FORBIDDEN,
    ]
    assert sum(encoder.batches) == 4
    assert threading.get_ident() not in encoder.threads


async def test_embedding_carries_what_was_heard(pipeline, tmp_path):
    (result,) = await pipeline.embed([track(tmp_path, 0.5)])
    assert isinstance(result, TrackEmbedding)
    assert (result.track_id, result.model_version, result.dimension, result.duration_ms) == (
        "t0.5",
        "level-1",
        2,
        1_000,
    )
    assert [(genre.name, genre.probability) for genre in result.genres] == [("calm", 0.75)]
    assert [[genre.probability for genre in segment.genres] for segment in result.segments] == [[0.875, 0.125], [0.625]]
    assert result.spread == 0.25
    assert TrackEmbedding.decode(result.encode()) == result


async def test_embedding_names_its_audio(pipeline, tmp_path):
    (result,) = await pipeline.embed([track(tmp_path, 0.5)])
    assert isinstance(result, TrackEmbedding)
    assert result.audio_sha256 == hashlib.sha256((tmp_path / "0.5.wav").read_bytes()).hexdigest()


async def test_track_whose_audio_is_settled_is_not_decoded(pipeline, encoder, tmp_path):
    (tmp_path / "text.mp3").write_text("no music, which a decoder would say")
    text = Track(track_id="text", audio_uri=(tmp_path / "text.mp3").as_uri())
    asked = []

    def settled(each: Track, fingerprint: str) -> bool:
        asked.append((each.track_id, fingerprint))
        return each.track_id == "text"

    results = await pipeline.embed([text, track(tmp_path, 0.2), Track(track_id="silent")], settled)
    assert (results[0], results[2]) == (NoNeed.UNCHANGED, NoNeed.WITHOUT_AUDIO)
    assert level_of(results[1]) == pytest.approx(0.2, abs=1e-3)
    assert ("text", hashlib.sha256((tmp_path / "text.mp3").read_bytes()).hexdigest()) in asked
    assert encoder.batches == [1]


async def test_same_audio_of_a_single_and_its_album_is_embedded_once(pipeline, encoder, tmp_path):
    first, other = track(tmp_path, 0.3), track(tmp_path, 0.4)
    (tmp_path / "album.wav").write_bytes((tmp_path / "0.3.wav").read_bytes())
    album = [Track(track_id=f"album {n}", audio_uri=(tmp_path / "album.wav").as_uri()) for n in range(4)]
    results = await pipeline.embed([*album[:2], first, other, *album[2:]])
    assert [result.track_id for result in results] == ["album 0", "album 1", "t0.3", "t0.4", "album 2", "album 3"]
    assert [level_of(result) for result in results] == pytest.approx([0.3, 0.3, 0.3, 0.4, 0.3, 0.3], abs=1e-3)
    assert sum(encoder.batches) == 2


async def test_what_is_wrong_with_the_same_audio_is_wrong_with_every_track_of_it(pipeline, tmp_path):
    (tmp_path / "text.mp3").write_text("no music")
    tracks = [Track(track_id=f"t{n}", audio_uri=(tmp_path / "text.mp3").as_uri()) for n in range(2)]
    results = await pipeline.embed(tracks)
    assert [result.reason for result in results] == [DeadLetterReason.UNDECODABLE] * 2


async def test_no_track_gives_no_result(pipeline):
    assert await pipeline.embed([]) == []


@pytest.mark.row(24)
@pytest.mark.parametrize(
    ("level", "reason"),
    [
        (0.66, DeadLetterReason.UNDECODABLE),
        (0.77, DeadLetterReason.HANDLER_ERROR),
        (0.99, DeadLetterReason.HANDLER_ERROR),
    ],
)
async def test_track_that_the_encoder_fails_on_takes_no_other_with_it(pipeline, tmp_path, level, reason):
    alone = await pipeline.embed([track(tmp_path, level)])
    assert [result.reason for result in alone if isinstance(result, BadInput)] == [reason]
    if level != 0.99:  # this one spoils its neighbours' vectors without an error, as no encoder of ours does
        results = await pipeline.embed([track(tmp_path, 0.1), track(tmp_path, level), track(tmp_path, 0.3)])
        assert isinstance(results[1], BadInput)
        assert [level_of(results[0]), level_of(results[2])] == pytest.approx([0.1, 0.3], abs=1e-3)


@pytest.mark.row(36)
async def test_device_without_memory_is_unavailable_and_no_track_is_blamed(pipeline, tmp_path):
    with pytest.raises(Unavailable, match="no memory left"):
        await pipeline.embed([track(tmp_path, 0.88)])
    assert level_of((await pipeline.embed([track(tmp_path, 0.2)]))[0]) == pytest.approx(0.2, abs=1e-3)


async def test_many_tracks_go_through_in_order(pipeline, encoder, tmp_path):
    tracks = [track(tmp_path, 0.01 * number) for number in range(1, 21)]
    results = await pipeline.embed(tracks)
    assert [level_of(result) for result in results] == pytest.approx([0.01 * n for n in range(1, 21)], abs=1e-3)
    assert sum(encoder.batches) == 20
    assert max(encoder.batches) <= 3


class CountingDecoders:
    """Decoders, and how many files they have decoded."""

    def __init__(self, decoders: DecoderPool) -> None:
        self._decoders = decoders
        self.done = 0

    async def decode(self, audio: FetchedAudio) -> DecodedAudio:
        decoded = await self._decoders.decode(audio)
        self.done += 1
        return decoded


async def test_the_network_waits_for_no_batch_and_takes_together_what_has_waited_for_it(encoder, tmp_path):
    tracks = [track(tmp_path, 0.01 * number) for number in range(1, 9)]
    settings = EmbedderSettings(allowed_root=tmp_path)
    limits = settings.decode_limits()
    async with AudioFetcher(settings.fetch_limits()) as fetcher, DecoderPool(limits, size=1) as decoders:
        counted = CountingDecoders(decoders)
        pipeline = EmbeddingPipeline(encoder, fetcher, counted, batch_tracks=3)
        encoder.free.clear()
        task = asyncio.create_task(pipeline.embed(tracks))
        async with asyncio.timeout(20):
            while counted.done < 6:  # room for two batches: one at the network, one on its way
                await asyncio.sleep(0.01)
        assert len(encoder.batches) == 1
        encoder.free.set()
        assert len(await task) == 8
        assert encoder.batches[1] == 3
        pipeline.close()


async def test_a_track_that_is_slow_to_come_holds_up_no_other(encoder, tmp_path):
    class SlowFirst(CountingDecoders):
        async def decode(self, audio: FetchedAudio) -> DecodedAudio:
            self.done += 1
            if self.done == 1:
                while sum(encoder.batches) < 4:
                    await asyncio.sleep(0.01)
            return await self._decoders.decode(audio)

    settings = EmbedderSettings(allowed_root=tmp_path)
    tracks = [track(tmp_path, 0.01 * number) for number in range(1, 6)]
    async with (
        AudioFetcher(settings.fetch_limits()) as fetcher,
        DecoderPool(settings.decode_limits(), size=2) as decoders,
        asyncio.timeout(20),
    ):
        pipeline = EmbeddingPipeline(encoder, fetcher, SlowFirst(decoders), batch_tracks=4)
        results = await pipeline.embed(tracks)
        assert [level_of(result) for result in results] == pytest.approx([0.01 * n for n in range(1, 6)], abs=1e-3)
        pipeline.close()


async def test_pipeline_that_was_cancelled_works_on(pipeline, tmp_path):
    tracks = [track(tmp_path, 0.01 * number) for number in range(1, 11)]
    task = asyncio.create_task(pipeline.embed(tracks))
    await asyncio.sleep(0.05)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    assert len(await pipeline.embed(tracks)) == 10


async def test_allowed_root_that_is_no_folder_is_refused_at_start(tmp_path, encoder):
    with pytest.raises(Incompatible, match="MUSICREC_EMBEDDER_ALLOWED_ROOT"):
        async with EmbeddingPipeline.of(encoder, EmbedderSettings(allowed_root=tmp_path / "none")):
            pytest.fail("it started")


def test_settings_come_from_the_environment(monkeypatch):
    monkeypatch.setenv("MUSICREC_EMBEDDER_ALLOWED_HOSTS", "a.example.org, *.example.net:8443")
    monkeypatch.setenv("MUSICREC_EMBEDDER_ALLOWED_ROOT", "/music")
    settings = load_embedder_settings(excerpt_s=12.0)
    assert settings.fetch_limits().allowed_hosts == ("a.example.org", "*.example.net:8443")
    assert settings.fetch_limits().allowed_root == Path("/music")
    assert settings.decode_limits().excerpt_s == 12.0


@pytest.mark.parametrize(
    ("name", "value"),
    [("ALLOWED_HOSTS", "https://example.org"), ("DECODERS", "0"), ("EXCERPT_S", "soon"), ("MAX_CHANNELS", "65")],
)
def test_setting_that_makes_no_sense_is_named(monkeypatch, name, value):
    monkeypatch.setenv(f"MUSICREC_EMBEDDER_{name}", value)
    with pytest.raises(Incompatible, match=f"MUSICREC_EMBEDDER_{name}"):
        load_embedder_settings()
