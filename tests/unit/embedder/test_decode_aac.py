"""AAC and ALAC, with the extra; and that it opens nothing but the file that it is given."""

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from aac_sounds import write_aac

from embedder.aac_file import container_of
from embedder.decode import DecodeLimits, DecoderPool
from embedder.decode_worker import DecodeRequest, Refused, decode_excerpt
from embedder.fetched_audio import FetchedAudio
from musicrec.errors import BadInput, DeadLetterReason

REQUEST = DecodeRequest(excerpt_s=2.0, max_duration_s=60.0, max_channels=8, rate_hz=22_050, cpu_s=20)
RATE_HZ = 44_100


def tone(seconds: float, hz: float = 440.0, rate_hz: int = RATE_HZ, channels: int = 1) -> np.ndarray:
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


@pytest.fixture(autouse=True)
def nothing_stays_open() -> Iterator[None]:
    before = len(os.listdir("/proc/self/fd"))
    yield
    # Fewer where the garbage of a test before was collected meanwhile.
    assert len(os.listdir("/proc/self/fd")) <= before


@pytest.mark.usefixtures("aac")
@pytest.mark.parametrize("rate_hz", [22_050, 48_000])
@pytest.mark.parametrize("suffix", [".m4a", ".mp4", ".mov", ".aac"])
def test_every_container_gives_the_middle_of_the_track_in_mono(tmp_path: Path, suffix: str, rate_hz: int) -> None:
    low, high = tone(3, 300, rate_hz, 2), tone(2, 900, rate_hz, 2)
    write_aac(tmp_path / f"song{suffix}", np.concatenate([low, high, low]), rate_hz)
    pcm, duration_ms, truncated = decode(tmp_path / f"song{suffix}")
    assert (pcm.dtype, len(pcm), truncated) == (np.float32, 2 * 22_050, False)
    assert duration_ms == pytest.approx(8_000, abs=100)
    assert strongest_hz(pcm) == pytest.approx(900, abs=2)
    edge = pcm[4_000:-4_000]  # what a wrong place would fill with the low tone
    assert np.abs(edge).max() == pytest.approx(0.5, abs=0.02)


@pytest.mark.usefixtures("aac")
def test_samples_are_those_that_were_encoded(tmp_path: Path) -> None:
    write_aac(tmp_path / "song.m4a", tone(8, 900, 22_050), 22_050)
    pcm, _, _ = decode(tmp_path / "song.m4a")
    wanted = tone(8, 900, 22_050)[3 * 22_050 : 5 * 22_050, 0]
    assert 10 * np.log10(np.sum(wanted**2) / np.sum((pcm - wanted) ** 2)) > 30


@pytest.mark.usefixtures("aac")
@pytest.mark.parametrize("channels", [1, 6])
def test_channels_are_averaged(tmp_path: Path, channels: int) -> None:
    write_aac(tmp_path / "song.m4a", tone(3, 900, RATE_HZ, channels), RATE_HZ)
    assert strongest_hz(decode(tmp_path / "song.m4a")[0]) == pytest.approx(900, abs=2)


@pytest.mark.usefixtures("aac")
def test_alac_is_decoded_to_the_sample(tmp_path: Path) -> None:
    samples = np.random.default_rng(0).integers(-(2**14), 2**14, (5 * 22_050, 1)) / np.float32(2**15)
    write_aac(tmp_path / "song.m4a", samples, 22_050, "alac")
    pcm, _, _ = decode(tmp_path / "song.m4a")
    place = round(1.5 * 22_050)
    assert np.array_equal(pcm, samples[place : place + len(pcm), 0])


@pytest.mark.row(32)
@pytest.mark.usefixtures("aac")
@pytest.mark.parametrize("codec", ["mp2", "ac3"])
def test_other_sound_in_an_mp4_is_undecodable(tmp_path: Path, codec: str) -> None:
    write_aac(tmp_path / "song.mp4", tone(3), RATE_HZ, codec)
    assert refusal(tmp_path / "song.mp4") == ("undecodable", "sound that is neither AAC nor ALAC")


@pytest.mark.usefixtures("aac")
def test_shorter_track_is_decoded_whole(tmp_path: Path) -> None:
    write_aac(tmp_path / "song.m4a", tone(0.5), RATE_HZ)
    pcm, duration_ms, truncated = decode(tmp_path / "song.m4a")
    assert len(pcm) == pytest.approx(11_025, abs=1_100)
    assert (duration_ms, truncated) == (pytest.approx(500, abs=50), False)


@pytest.mark.usefixtures("aac")
def test_too_long_and_too_many_channels_are_refused_as_of_any_format(tmp_path: Path) -> None:
    write_aac(tmp_path / "song.m4a", tone(5, channels=2), RATE_HZ)
    assert refusal(tmp_path / "song.m4a", replace(REQUEST, max_duration_s=4.0)) == (
        "too_long",
        "5 s; at most 4 s are decoded",
    )
    assert refusal(tmp_path / "song.m4a", replace(REQUEST, max_channels=1))[0] == "too_long"


@pytest.mark.row(29)
@pytest.mark.usefixtures("aac")
def test_mp4_that_lacks_its_second_half_gives_its_beginning_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / "song.m4a"
    write_aac(path, np.random.default_rng(0).uniform(-0.5, 0.5, (20 * RATE_HZ, 1)), RATE_HZ)
    data = path.read_bytes()
    place = data.index(b"mdat") + 4  # in the order in which it is written the index comes last
    payload = data.index(b"moov") - 4 - place
    path.write_bytes(data[: place + payload // 4] + bytes(payload - payload // 4) + data[place + payload :])
    pcm, duration_ms, truncated = decode(path)
    assert (truncated, len(pcm)) == (True, 2 * 22_050)
    assert duration_ms == pytest.approx(20_000, abs=50)


@pytest.mark.row(29)
@pytest.mark.usefixtures("aac")
@pytest.mark.parametrize("kept", [8, 100, 3_000])
@pytest.mark.parametrize("suffix", [".m4a", ".aac"])
def test_beginning_of_a_file_alone_is_undecodable_or_as_short_as_it_is(tmp_path: Path, suffix: str, kept: int) -> None:
    path = tmp_path / f"song{suffix}"
    write_aac(path, np.random.default_rng(0).uniform(-0.5, 0.5, (5 * RATE_HZ, 1)), RATE_HZ)
    path.write_bytes(path.read_bytes()[:kept])
    with suppress(Refused):
        assert decode(path)[1] < 500


@pytest.mark.row(29)
@pytest.mark.usefixtures("aac")
def test_noise_in_the_place_of_a_file_never_is_more_than_undecodable(tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    write_aac(tmp_path / "song.m4a", generator.uniform(-0.5, 0.5, (RATE_HZ, 1)), RATE_HZ)
    write_aac(tmp_path / "song.aac", generator.uniform(-0.5, 0.5, (RATE_HZ, 1)), RATE_HZ)
    for _ in range(100):
        for name in ("song.m4a", "song.aac"):
            data = np.frombuffer((tmp_path / name).read_bytes(), np.uint8).copy()
            data[generator.integers(12, len(data), 40)] = generator.integers(0, 256, 40)
            (tmp_path / "broken").write_bytes(data.tobytes())
            try:
                decode(tmp_path / "broken")
            except Refused as error:
                assert error.reason in ("undecodable", "too_long")  # noqa: PT017


def test_the_first_bytes_tell_the_container_and_an_mp3_has_none(tmp_path: Path) -> None:
    path = tmp_path / "audio"

    def told(content: bytes) -> str | None:
        path.write_bytes(content)
        descriptor = os.open(path, os.O_RDONLY)
        try:
            return container_of(descriptor)
        finally:
            os.close(descriptor)

    assert told(b"\x00\x00\x00\x20ftypM4A ") == "mp4"
    assert told(b"\xff\xf1\x50\x80") == "aac"
    assert told(b"\xff\xf9\x50\x80") == "aac"
    assert told(b"ID3\x04\x00\x00\x00\x00\x01\x01" + bytes(129) + b"\xff\xf1\x50\x80") == "aac"
    assert told(b"ID3\x04\x00\x00\x00\x00\x01\x01" + bytes(129) + b"\xff\xfb\x90\x00") is None
    for content in (b"", b"\xff", b"\xff\xfb\x90\x00", b"ID3", b"ID3\x04\x00\x00\x7f\x7f\x7f\x7f", b"RIFF", b"#EXTM3U"):
        assert told(content) is None
    soundfile.write(path, tone(1), RATE_HZ, format="MP3")
    assert told(path.read_bytes()) is None


def test_without_the_extra_the_refusal_says_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "song.m4a").write_bytes(b"\x00\x00\x00\x20ftypM4A " + bytes(100))
    program = (
        "import sys; sys.modules['av'] = None\n"  # as if it were not installed
        "import os; from embedder.decode_worker import *\n"
        f"descriptor = os.open({str(tmp_path / 'song.m4a')!r}, os.O_RDONLY)\n"
        "try: decode_excerpt(descriptor, DecodeRequest(2.0, 60.0, 8, 22_050, 20))\n"
        "except Refused as error: print(error.reason, error)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "undecodable AAC, for which PyAV is needed: pip install 'musicrec[aac]'\n"


class Canary:
    """Places that nobody should come to: a server, and a pipe that whoever opens it waits at for ever."""

    def __init__(self, folder: Path) -> None:
        self.pipe = folder / "canary"
        os.mkfifo(self.pipe)
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.setblocking(False)
        self.port = self.listener.getsockname()[1]

    def was_visited(self) -> bool:
        try:
            self.listener.accept()[0].close()
        except BlockingIOError:
            return False
        return True


@pytest.fixture
def canary(tmp_path: Path) -> Iterator[Canary]:
    canary = Canary(tmp_path)
    yield canary
    canary.listener.close()


PLAYLISTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\n{place}\n#EXT-X-ENDLIST\n",
    "hls key": '#EXTM3U\n#EXT-X-KEY:METHOD=AES-128,URI="{place}"\n#EXTINF:5,\n{place}\n',
    "m3u": "{place}\n",
    "pls": "[playlist]\nFile1={place}\nNumberOfEntries=1\n",
    "ffconcat": "ffconcat version 1.0\nfile '{place}'\n",
    "concat": "concat:{place}|{place}",
    "subfile": "subfile,,start,0,end,9,,:{place}",
    "xspf": "<playlist><trackList><track><location>{place}</location></track></trackList></playlist>",
    "dash": '<?xml version="1.0"?><MPD><Period><BaseURL>{place}</BaseURL></Period></MPD>',
    "asx": '<asx version="3.0"><entry><ref href="{place}"/></entry></asx>',
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nm=audio {port} RTP/AVP 0\n",
    "cue": 'FILE "{place}" WAVE\n  TRACK 01 AUDIO\n    INDEX 01 00:00:00\n',
}
DISGUISES = {"plain": b"", "as mp4": b"\x00\x00\x00\x18ftypM4A \x00\x00\x00\x00M4A mp42", "as aac": b"\xff\xf1\x50\x80"}


@pytest.mark.row(32)
@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("kind", PLAYLISTS)
async def test_nothing_that_a_playlist_names_is_opened(
    tmp_path: Path, canary: Canary, kind: str, disguise: str
) -> None:
    places = (f"http://127.0.0.1:{canary.port}/a.ts", canary.pipe.as_uri(), str(canary.pipe), "canary")
    async with DecoderPool(DecodeLimits(excerpt_s=2.0, deadline_s=10.0), size=1) as pool:
        for place in places:
            path = tmp_path / "playlist"
            path.write_bytes(DISGUISES[disguise] + PLAYLISTS[kind].format(place=place, port=canary.port).encode())
            audio = FetchedAudio(os.open(path, os.O_RDONLY), path.stat().st_size)
            with audio, pytest.raises(BadInput) as caught:
                await pool.decode(audio)
            # Whoever had opened the pipe would have been killed at the deadline.
            assert caught.value.reason == DeadLetterReason.UNDECODABLE
    assert not canary.was_visited()


@pytest.mark.row(32)
@pytest.mark.usefixtures("aac")
async def test_decoder_with_its_limits_decodes_aac(tmp_path: Path) -> None:
    write_aac(tmp_path / "song.m4a", tone(5, channels=2), RATE_HZ)
    async with DecoderPool(DecodeLimits(excerpt_s=2.0), size=1) as pool:
        for _ in range(40):  # more than the descriptors that a decoder may hold
            with FetchedAudio(os.open(tmp_path / "song.m4a", os.O_RDONLY), 0) as audio:
                decoded = await pool.decode(audio)
            assert strongest_hz(decoded.pcm) == pytest.approx(440, abs=2)
        assert pool.killed == 0
