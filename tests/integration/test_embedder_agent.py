"""The embedder worker on a real Kafka: audio in, vectors out, dead letters that say why."""

import uuid
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
import soundfile
from aiokafka import ConsumerRecord
from conftest import Worker
from probe import Tail, producing, publish, reading

from index.follower import EmbeddingFollower
from index.serving import ServingIndex
from musicrec.contracts import DeadLetter, Track, TrackEmbedding
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses

pytestmark = [pytest.mark.kafka, pytest.mark.torch]

TRACKS, EMBEDDINGS, DEAD = "musicrec.tracks.v1", "musicrec.track-embeddings.v1", "musicrec.tracks.v1.dlq"
RATE_HZ = 22_050


@pytest.fixture
def music(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    folder.mkdir()
    seconds = np.arange(8 * RATE_HZ) / RATE_HZ
    chord = sum(np.sin(2 * np.pi * hz * seconds) for hz in (220.0, 277.2, 329.6)) / 6
    soundfile.write(folder / "chord.flac", chord, RATE_HZ)
    beat = np.random.default_rng(0).uniform(-0.5, 0.5, len(seconds)) * (seconds % 0.5 < 0.05)
    soundfile.write(folder / "beat.ogg", beat, RATE_HZ)
    (folder / "text.mp3").write_text("no music")
    return folder


def message(track: Track) -> tuple[bytes, bytes]:
    return track.track_id.encode(), track.encode()


@pytest.mark.row(29, 33, 35)
async def test_tracks_become_vectors_that_a_replica_finds_and_bad_ones_become_dead_letters(
    stack: StackAddresses, worker: Worker, music: Path
) -> None:
    run = uuid.uuid4().hex[:8]
    good = [
        Track(track_id=f"{run} chord", audio_uri=(music / "chord.flac").as_uri()),
        Track(track_id=f"{run} beat", audio_uri=(music / "beat.ogg").as_uri()),
    ]
    bad = [
        (Track(track_id=f"{run} text", audio_uri=(music / "text.mp3").as_uri()), DeadLetterReason.UNDECODABLE),
        (Track(track_id=f"{run} gone", audio_uri=(music / "gone.mp3").as_uri()), DeadLetterReason.FETCH_FAILED),
        (Track(track_id=f"{run} out", audio_uri="file:///etc/passwd"), DeadLetterReason.URI_FORBIDDEN),
        (Track(track_id=f"{run} ssrf", audio_uri="https://169.254.169.254/"), DeadLetterReason.URI_FORBIDDEN),
    ]

    def mine(tail: Tail, topic: str) -> list[ConsumerRecord]:
        """Other tests announce tracks too, and the worker begins with the oldest."""
        return [record for record in tail.on(topic) if record.key.startswith(run.encode())]

    index = ServingIndex()
    follower = EmbeddingFollower(stack.kafka.client_options(), index)
    await follower.start()
    try:
        async with reading(stack, EMBEDDINGS, DEAD) as tail, producing(stack) as producer:
            async with worker("embedder", MUSICREC_EMBEDDER_ALLOWED_ROOT=str(music)):
                await publish(producer, TRACKS, [message(t) for t in (*good, *(track for track, _ in bad))])
                await publish(producer, TRACKS, [message(Track(track_id=f"{run} without audio"))])
                await tail.until(lambda t: len(mine(t, EMBEDDINGS)) == 2 and len(mine(t, DEAD)) == 4)
                embeddings = {r.key: TrackEmbedding.decode(r.value) for r in mine(tail, EMBEDDINGS)}
                await follower.ready(30)
                await tail.until(lambda _: all(track.track_id in index for track in good))
                await publish(producer, TRACKS, [(good[0].track_id.encode(), None)])
                await tail.until(lambda t: len(mine(t, EMBEDDINGS)) == 3 and good[0].track_id not in index)
            reasons = {r.key: DeadLetter.from_headers(list(r.headers)).reason for r in mine(tail, DEAD)}
    finally:
        await follower.stop()
    assert embeddings.keys() == {track.track_id.encode() for track in good}
    chord = embeddings[good[0].track_id.encode()]
    assert chord.duration_ms == 8_000
    assert int(np.argmax(chord.key_profile)) in (9, 1, 4)  # A, C sharp or E: what was played
    assert index.search(embeddings[good[1].track_id.encode()].vector(), 1)[0][0] == good[1].track_id
    assert reasons == {track.track_id.encode(): reason for track, reason in bad}


@pytest.mark.row(6)
async def test_unchanged_audio_is_not_embedded_anew_and_without_redis_it_is(
    stack: StackAddresses, worker: Worker, music: Path
) -> None:
    run = uuid.uuid4().hex[:8]
    (music / "album.flac").write_bytes((music / "chord.flac").read_bytes())
    single = Track(track_id=f"{run} single", audio_uri=(music / "chord.flac").as_uri())
    album = Track(track_id=f"{run} album", audio_uri=(music / "album.flac").as_uri())
    beat = Track(track_id=f"{run} beat", audio_uri=(music / "beat.ogg").as_uri())
    last = Track(track_id=f"{run} last", audio_uri=(music / "beat.ogg").as_uri())
    here = {"MUSICREC_EMBEDDER_ALLOWED_ROOT": str(music)}

    def about_run(record: ConsumerRecord) -> bool:
        return bool(record.key.startswith(run.encode()))

    def by_track(tail: Tail) -> Counter[bytes]:
        return Counter(record.key.removeprefix(f"{run} ".encode()) for record in tail.records)

    async with reading(stack, EMBEDDINGS, only=about_run) as tail, producing(stack) as producer:
        async with worker("embedder", **here) as process:
            await publish(producer, TRACKS, map(message, (single, album, beat)))
            await tail.until(lambda t: len(t.records) == 3)
            (music / "beat.ogg").write_bytes((music / "chord.flac").read_bytes())
            await publish(producer, TRACKS, map(message, (single, album, beat, last)))
            await tail.until(lambda t: len(t.records) == 5)
            await tail.quiet()
        assert by_track(tail) == {b"single": 1, b"album": 1, b"beat": 2, b"last": 1}
        assert "unchanged=2" in process.log_file.read_text()
        async with worker("embedder", **here, MUSICREC_REDIS__URL="redis://127.0.0.1:1/0") as process:
            await publish(producer, TRACKS, map(message, (single, album, single, album)))
            await tail.until(lambda t: by_track(t)[b"single"] >= 2 and by_track(t)[b"album"] >= 2)
        assert "audio is embedded anew until its memory can be used" in process.log_file.read_text()
