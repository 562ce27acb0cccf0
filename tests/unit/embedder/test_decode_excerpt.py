"""Which part of a file is decoded, and which files are refused."""

import os
import resource
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embedder.decode_worker import DecodeRequest, Refused, decode_excerpt

REQUEST = DecodeRequest(excerpt_s=2.0, max_duration_s=60.0, max_channels=8, rate_hz=22_050, cpu_s=20)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "audio"


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    assert len(os.listdir("/proc/self/fd")) == before


def tone(seconds: float, hz: float = 440.0, rate_hz: int = 44_100, channels: int = 1) -> np.ndarray:
    wave = 0.5 * np.sin(2 * np.pi * hz * np.arange(round(seconds * rate_hz)) / rate_hz)
    return np.repeat(wave[:, np.newaxis], channels, axis=1).astype(np.float32)


def decode(path: Path, request: DecodeRequest = REQUEST) -> tuple[np.ndarray, int, bool]:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        return decode_excerpt(descriptor, request)
    finally:
        os.close(descriptor)


def refusal(path: Path, request: DecodeRequest = REQUEST) -> tuple[str, str]:
    with pytest.raises(Refused) as caught:
        decode(path, request)
    return caught.value.reason, str(caught.value)


def strongest_hz(pcm: np.ndarray) -> float:
    return float(np.abs(np.fft.rfft(pcm * np.hanning(len(pcm)))).argmax() * 22_050 / len(pcm))


@pytest.mark.parametrize(
    ("container", "subtype"),
    [("WAV", "PCM_16"), ("WAV", "FLOAT"), ("FLAC", "PCM_24"), ("OGG", "VORBIS"), ("OGG", "OPUS"), ("MP3", None)],
)
def test_every_format_gives_the_middle_of_the_track_in_mono_at_the_encoders_rate(path, container, subtype):
    rate_hz = 48_000
    low, high = tone(3, 300, rate_hz, 2), tone(2, 900, rate_hz, 2)
    soundfile.write(path, np.concatenate([low, high, low]), rate_hz, format=container, subtype=subtype)
    pcm, duration_ms, truncated = decode(path)
    assert (pcm.dtype, pcm.ndim, truncated) == (np.float32, 1, False)
    assert len(pcm) == pytest.approx(2 * 22_050, abs=3_000)
    assert duration_ms == pytest.approx(8_000, abs=100)
    assert strongest_hz(pcm) == pytest.approx(900, abs=2)


def test_shorter_track_is_decoded_whole(path):
    soundfile.write(path, tone(0.5), 44_100, format="WAV")
    pcm, duration_ms, truncated = decode(path)
    assert (len(pcm), duration_ms, truncated) == (11_025, 500, False)


def test_excerpt_by_seeking_is_the_same_as_that_part_of_the_whole(path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 10 * 22_050).astype(np.float32)
    soundfile.write(path, noise, 22_050, format="WAV", subtype="FLOAT")
    pcm, _, _ = decode(path)
    assert np.array_equal(pcm, noise[4 * 22_050 : 6 * 22_050])


def test_channels_are_averaged(path):
    left_and_right = np.stack([np.full(22_050, 0.5), np.full(22_050, -0.3)], axis=1)
    soundfile.write(path, left_and_right, 22_050, format="WAV", subtype="FLOAT")
    assert decode(path)[0] == pytest.approx(np.full(22_050, 0.1), abs=1e-6)


@pytest.mark.row(29)
@pytest.mark.parametrize(("rate_hz", "channels"), [(4_000, 1), (8_000, 2), (192_000, 2), (44_100, 8)])
def test_unusual_rates_and_many_channels_are_decoded(path, rate_hz, channels):
    soundfile.write(path, tone(3, 440, rate_hz, channels), rate_hz, format="WAV")
    pcm, _, _ = decode(path)
    assert len(pcm) == pytest.approx(2 * 22_050, abs=2)
    assert strongest_hz(pcm) == pytest.approx(440, abs=2)


@pytest.mark.row(29)
def test_silence_is_audio(path):
    soundfile.write(path, np.zeros(44_100), 44_100, format="FLAC")
    assert not decode(path)[0].any()


@pytest.mark.row(29, 32)
@pytest.mark.parametrize(
    "content", [b"", b"RIFF", b"not audio at all, but text" * 100, b"#EXTM3U\nfile:///etc/passwd\n", bytes(10_000)]
)
def test_what_is_not_audio_is_undecodable(path, content):
    path.write_bytes(content)
    assert refusal(path)[0] == "undecodable"


@pytest.mark.row(29)
def test_header_without_samples_is_undecodable(path):
    soundfile.write(path, np.zeros(0), 44_100, format="WAV")
    assert refusal(path)[0] == "undecodable"


@pytest.mark.row(29)
@pytest.mark.parametrize("container", ["OGG", "MP3"])
def test_stream_without_a_length_of_its_own_is_as_long_as_what_is_there(path, container):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * 44_100)
    soundfile.write(path, noise, 44_100, format=container)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    pcm, duration_ms, _ = decode(path)
    assert len(pcm) == pytest.approx(2 * 22_050, abs=3_000)
    assert duration_ms <= 20_100


@pytest.mark.row(29)
def test_truncated_flac_with_a_whole_beginning_gives_that_and_says_so(path):
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 20 * 22_050).astype(np.float32)
    soundfile.write(path, noise, 22_050, format="FLAC")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 4])
    pcm, duration_ms, truncated = decode(path)
    assert (truncated, duration_ms) == (True, 20_000)
    assert pcm == pytest.approx(noise[: 2 * 22_050], abs=1e-4)


@pytest.mark.row(29)
def test_truncated_flac_without_a_whole_excerpt_is_undecodable(path):
    soundfile.write(path, np.random.default_rng(0).uniform(-0.5, 0.5, 20 * 22_050), 22_050, format="FLAC")
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 20])
    reason, message = refusal(path)
    assert (reason, "of 441000 frames can be decoded" in message) == ("undecodable", True)


@pytest.mark.row(29)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e30])
def test_samples_that_are_no_sound_are_undecodable(path, bad):
    samples = tone(1)[:, 0].copy()
    samples[20_000] = bad
    soundfile.write(path, samples, 44_100, format="WAV", subtype="FLOAT")
    assert refusal(path)[0] == "undecodable"


@pytest.mark.row(29)
def test_float_samples_a_little_above_full_scale_are_kept(path):
    soundfile.write(path, 4 * tone(1, rate_hz=22_050), 22_050, format="WAV", subtype="FLOAT")
    assert np.abs(decode(path)[0]).max() == pytest.approx(2, abs=0.01)


@pytest.mark.row(30)
def test_bomb_of_silence_is_too_long_before_anything_is_decoded(path):
    with soundfile.SoundFile(path, "w", 8_000, 8, format="FLAC") as file:
        for _ in range(61):
            file.write(np.zeros((8_000, 8)))
    assert path.stat().st_size < 20_000
    assert refusal(path) == ("too_long", "61 s; at most 60 s are decoded")


@pytest.mark.row(29, 30)
def test_too_many_channels_are_refused(path):
    soundfile.write(path, np.zeros((1_000, 9)), 44_100, format="WAV")
    assert refusal(path) == ("too_long", "9 channels; at most 8 are decoded")


@pytest.mark.row(29)
@pytest.mark.parametrize("rate_hz", [1, 3_999, 400_000])
def test_rates_that_no_music_has_are_undecodable(path, rate_hz):
    soundfile.write(path, np.zeros(1_000), rate_hz, format="WAV")
    assert refusal(path)[0] == "undecodable"


@pytest.mark.row(29)
def test_riff_sizes_that_lie_are_held_to_what_is_there(path):
    soundfile.write(path, tone(1, rate_hz=22_050), 22_050, format="WAV", subtype="PCM_16")
    content = bytearray(path.read_bytes())
    content[4:8] = content[40:44] = b"\xff\xff\xff\xff"
    path.write_bytes(content)
    pcm, duration_ms, _ = decode(path)
    assert (len(pcm), duration_ms) == (22_050, 1_000)


def with_bytes(path: Path, place: int, content: bytes) -> None:
    data = bytearray(path.read_bytes())
    data[place : place + len(content)] = content
    path.write_bytes(data)


@pytest.mark.row(29)
def test_header_without_a_rate_is_undecodable(path):
    soundfile.write(path, tone(1), 44_100, format="WAV", subtype="PCM_16")
    with_bytes(path, 24, bytes(8))  # samples and bytes per second
    assert refusal(path)[0] == "undecodable"


@pytest.mark.row(29)
def test_header_with_a_thousand_channels_is_refused_before_anything_is_decoded(path):
    soundfile.write(path, np.zeros(50_000), 44_100, format="WAV", subtype="PCM_16")
    with_bytes(path, 22, (1_000).to_bytes(2, "little"))
    with_bytes(path, 32, (2_000).to_bytes(2, "little"))
    assert refusal(path) == ("too_long", "1000 channels; at most 8 are decoded")


@pytest.mark.row(29)
@pytest.mark.parametrize(("container", "suffix"), [("FLAC", ".mp3"), ("MP3", ".flac"), ("OGG", ".txt"), ("WAV", "")])
def test_the_name_of_a_file_says_nothing_of_its_format(path, container, suffix):
    named = path.with_suffix(suffix)
    soundfile.write(named, tone(3), 44_100, format=container)
    assert strongest_hz(decode(named)[0]) == pytest.approx(440, abs=2)


@pytest.mark.row(29)
def test_clipping_is_sound(path):
    soundfile.write(path, np.clip(50 * tone(3, rate_hz=22_050), -1, 1), 22_050, format="WAV", subtype="PCM_16")
    assert np.abs(decode(path)[0]).max() == pytest.approx(1.0, abs=1e-3)


@pytest.mark.row(30)
def test_header_that_claims_years_is_too_long_before_anything_is_decoded(path):
    soundfile.write(path, tone(1), 44_100, format="FLAC")
    with_bytes(path, 21, bytes([path.read_bytes()[21] | 0x0F]) + b"\xff" * 4)  # 2 ** 36 - 1 samples
    assert refusal(path)[0] == "too_long"


@pytest.mark.row(30)
def test_an_hour_of_eight_channels_in_a_megabyte_costs_its_excerpt(path):
    with soundfile.SoundFile(path, "w", 44_100, 8, format="FLAC") as file:
        for _ in range(360):
            file.write(np.zeros((441_000, 8), np.int16))
    before_kb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    pcm, duration_ms, _ = decode(path, replace(REQUEST, max_duration_s=4_000.0, excerpt_s=30.0))
    assert (len(pcm), duration_ms) == (30 * 22_050, 3_600_000)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kb < 100_000, "5 GB if it were decoded whole"
