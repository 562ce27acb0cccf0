"""Decoders that hang, die or are given up: the file pays for it, and the pool lives on."""

import asyncio
import errno
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from exhaustion import no_more_descriptors

from embedder.decode import WORKER, DecodeLimits, DecoderPool
from embedder.decode_worker import MAX_OPEN_FILES
from embedder.fetched_audio import FetchedAudio
from musicrec.errors import BadInput, DeadLetterReason, Unavailable

LIMITS = DecodeLimits(excerpt_s=2.0, deadline_s=20.0)


@pytest.fixture
def good(tmp_path: Path) -> Path:
    path = tmp_path / "good.flac"
    soundfile.write(path, 0.3 * np.sin(np.arange(3 * 44_100) / 20), 44_100)
    return path


@pytest.fixture
def bad(tmp_path: Path) -> Path:
    path = tmp_path / "bad.flac"
    path.write_bytes(b"fLaC" + b"\xff" * 500)
    return path


@pytest.fixture
async def pool() -> AsyncIterator[DecoderPool]:
    async with DecoderPool(LIMITS, size=1) as running:
        yield running


def opened(path: Path) -> FetchedAudio:
    return FetchedAudio(os.open(path, os.O_RDONLY), path.stat().st_size)


async def decode(pool: DecoderPool, path: Path) -> np.ndarray:
    with opened(path) as audio:
        return (await pool.decode(audio)).pcm


def process_id(pool: DecoderPool) -> int:
    (decoder,) = pool._all
    return decoder.process.pid


def environment_of(process: int) -> bytes:
    return Path(f"/proc/{process}/environ").read_bytes()


def limits_of(process: int) -> str:
    return Path(f"/proc/{process}/limits").read_text()


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not condition():
            await asyncio.sleep(0.01)


async def test_file_becomes_the_excerpt_with_the_length_of_the_whole(pool, good):
    with opened(good) as audio:
        decoded = await pool.decode(audio)
    assert (decoded.pcm.dtype, decoded.pcm.shape) == (np.float32, (44_100,))
    assert (decoded.duration_ms, decoded.truncated) == (3_000, False)


async def test_more_files_than_decoders_are_all_decoded(good):
    async with DecoderPool(LIMITS, size=2) as pool:
        results = await asyncio.gather(*(decode(pool, good) for _ in range(12)))
        assert all(np.array_equal(result, results[0]) for result in results)
        assert len(pool._all) == 2


async def test_bad_file_is_refused_with_its_reason_and_its_decoder_goes_on(pool, good, bad):
    before = process_id(pool)
    for _ in range(50):  # more than the descriptors that a decoder may hold
        with pytest.raises(BadInput, match="not audio that libsndfile reads") as caught:
            await decode(pool, bad)
        assert caught.value.reason == DeadLetterReason.UNDECODABLE
    await decode(pool, good)
    assert (process_id(pool), pool.killed) == (before, 0)


@pytest.mark.row(31)
async def test_decoder_that_hangs_is_killed_at_the_deadline_and_replaced(good):
    async with DecoderPool(LIMITS, size=1) as pool:
        pool.limits = replace(LIMITS, deadline_s=0.5)
        hanging = process_id(pool)
        os.kill(hanging, signal.SIGSTOP)
        with pytest.raises(BadInput, match=r"not decoded within 0\.5 s") as caught:
            await decode(pool, good)
        assert caught.value.reason == DeadLetterReason.DECODE_TIMEOUT
        with pytest.raises(ProcessLookupError):
            os.kill(hanging, 0)
        pool.limits = LIMITS
        assert len(await decode(pool, good)) == 44_100
        assert pool.killed == 1


@pytest.mark.row(31)
@pytest.mark.parametrize("number", [signal.SIGSEGV, signal.SIGKILL, signal.SIGXCPU])
async def test_decoder_that_dies_of_a_file_is_replaced_and_the_signal_is_named(pool, good, number):
    dying = process_id(pool)
    os.kill(dying, signal.SIGSTOP)
    task = asyncio.create_task(decode(pool, good))
    await until(lambda: any(decoder.files == 1 for decoder in pool._all))
    os.kill(dying, number)
    os.kill(dying, signal.SIGCONT)
    with pytest.raises(BadInput, match=number.name) as caught:
        await task
    assert caught.value.reason == DeadLetterReason.DECODE_TIMEOUT
    assert len(await decode(pool, good)) == 44_100


async def test_decoder_that_died_while_idle_costs_no_file(pool, good):
    (decoder,) = pool._all
    os.kill(decoder.process.pid, signal.SIGKILL)
    decoder.process.wait()
    assert len(await decode(pool, good)) == 44_100
    assert pool.killed == 0


async def test_decode_that_is_cancelled_leaves_no_half_answer_behind(pool, good, tmp_path):
    other = tmp_path / "other.wav"
    soundfile.write(other, np.zeros(22_050), 22_050)
    for _ in range(3):
        task = asyncio.create_task(decode(pool, good))
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    result = await decode(pool, other)
    assert (len(result), result.any()) == (22_050, False)


@pytest.mark.row(30, 36)
async def test_file_that_needs_more_memory_than_a_decoder_has_is_refused_and_the_pool_lives_on(tmp_path, good):
    large = tmp_path / "large.wav"
    with soundfile.SoundFile(large, "w", 192_000, 1, subtype="PCM_U8") as file:
        for _ in range(20):
            file.write(np.zeros(10 * 192_000, np.float32))
    limits = replace(LIMITS, excerpt_s=200.0, memory_bytes=400_000_000)
    async with DecoderPool(limits, size=1) as pool:
        with pytest.raises(BadInput) as caught:
            await decode(pool, large)
        assert caught.value.reason in (DeadLetterReason.UNDECODABLE, DeadLetterReason.DECODE_TIMEOUT)
        assert len(await decode(pool, good)) == 3 * 22_050


@pytest.mark.row(36)
async def test_decoders_that_cannot_start_are_unavailable():
    with pytest.raises(Unavailable, match="a decoder does not start"):
        async with DecoderPool(replace(LIMITS, memory_bytes=2**70), size=1):  # a limit that no kernel takes
            pytest.fail("it started")


async def test_leaving_the_pool_ends_its_processes(good):
    async with DecoderPool(LIMITS, size=2) as pool:
        processes = [decoder.process for decoder in pool._all]
    assert all(process.returncode is not None for process in processes)


async def test_decoder_has_no_environment_of_ours(pool):
    environment = environment_of(process_id(pool))
    assert b"HOME=" not in environment
    assert b"MUSICREC" not in environment


@pytest.mark.row(31)
async def test_the_kernel_limits_what_a_decoder_may_take(pool, good):
    await decode(pool, good)
    rows = limits_of(process_id(pool)).splitlines()[1:]
    limits = {row[:26].strip(): row[26:].split()[:2] for row in rows}
    assert limits["Max address space"] == [str(LIMITS.memory_bytes)] * 2
    assert limits["Max open files"] == [str(MAX_OPEN_FILES)] * 2
    assert limits["Max file size"] == ["0", "0"]
    assert limits["Max core file size"] == ["0", "0"]
    # From its last file on, whatever it has used before.
    assert LIMITS.deadline_s < int(limits["Max cpu time"][0]) <= LIMITS.deadline_s + 10


@pytest.mark.row(31)
def test_decoder_that_computes_for_ever_is_ended_by_the_kernel_with_nobody_left_to_kill_it():
    program = (
        f"import sys; sys.path.insert(0, {str(WORKER.parent)!r}); import decode_worker; "
        "decode_worker.limit_cpu_from_now(1)\nwhile True: pass"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=60, check=False)
    assert done.returncode == -signal.SIGXCPU


@pytest.mark.row(31)
def test_decoder_opens_no_more_than_its_descriptors_and_writes_no_file(tmp_path):
    program = (
        f"import sys; sys.path.insert(0, {str(WORKER.parent)!r}); import decode_worker, os\n"
        "decode_worker.limit_process(2 ** 30)\n"
        "try:\n  while True: os.open('/dev/null', os.O_RDONLY)\n"
        "except OSError as error: print(error.errno)\n"
        "import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        f"os.close(20); file = os.open({str(tmp_path / 'written')!r}, os.O_CREAT | os.O_WRONLY)\n"
        "try: os.write(file, b'x')\n"
        "except OSError as error: print(error.errno)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], timeout=60, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [str(errno.EMFILE), str(errno.EFBIG)]


@pytest.mark.row(36)
async def test_machine_that_cannot_start_a_process_is_unavailable_and_the_pool_lives_on(pool, good, bad):
    (decoder,) = pool._all
    os.kill(decoder.process.pid, signal.SIGKILL)
    decoder.process.wait()
    with opened(good) as audio:
        with no_more_descriptors(), pytest.raises(Unavailable, match="cannot start a decoder"):
            await pool.decode(audio)
        assert len((await pool.decode(audio)).pcm) == 44_100
    assert (len(pool._all), pool.killed) == (1, 0)
