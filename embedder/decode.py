"""Decoding in processes that may hang, crash or be taken over without harm to the service.

A decoder answers one file at a time.  One that misses the deadline is killed, one that dies is gone; either way the
next file gets a new one, and the file that did it becomes a dead letter.
"""

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from embedder.decode_worker import LENGTH, MAX_MESSAGE_BYTES, DecodeRequest, send_request
from embedder.fetched_audio import FetchedAudio
from embedder.shared_samples import SharedSamples
from musicrec.errors import BadInput, DeadLetterReason, Unavailable

WORKER = Path(__file__).with_name("decode_worker.py")

START_DEADLINE_S = 30.0
"""A start takes 0.2 s, or much longer on a machine that is starting everything at once."""

FILES_PER_DECODER = 1_000
"""A decoder is replaced after so many files: what leaks in a library, or hides in a process, ends with it."""


@dataclass(frozen=True, slots=True)
class DecodeLimits:
    """How much of a file is decoded, and what that may cost."""

    excerpt_s: float = 30.0
    """The middle of a track, decoded by seeking: the encoder hears five segments, 30 s in all."""
    max_duration_s: float = 4 * 3_600.0
    """Longest track."""
    max_channels: int = 8
    """Most channels: 7.1."""
    deadline_s: float = 20.0
    """Wall clock for one file; a decoder that needs longer is killed."""
    memory_bytes: int = 1024 * 1024 * 1024
    """Address space of a decoder."""
    rate_hz: int = 22_050
    """Sampling rate of the result."""


@dataclass(frozen=True, slots=True)
class DecodedAudio:
    """What the encoder hears."""

    pcm: npt.NDArray[np.float32]
    """Mono, shape (samples,), at `DecodeLimits.rate_hz`."""
    duration_ms: int
    """Length of the whole track, of which `pcm` is an excerpt."""
    truncated: bool
    """The file ends before its header says so; the excerpt is from its beginning."""


class _Died(Exception):
    """The decoder's end of the socket is closed."""


class Decoder:
    """One process, our end of its socket, and the memory that it leaves samples in."""

    def __init__(self, process: subprocess.Popen[bytes], connection: socket.socket, samples: SharedSamples) -> None:
        self.process = process
        self._connection = connection
        self._samples = samples
        self.files = 0

    @classmethod
    async def start(cls, limits: DecodeLimits) -> Self:
        """Start a process and wait until it listens.

        Raises:
            Unavailable: the system cannot start it.
        """
        with ExitStack() as given_up:
            try:
                ours, theirs = socket.socketpair()
                given_up.enter_context(ours)
                with theirs:
                    samples = SharedSamples.make(round((limits.excerpt_s + 1) * limits.rate_hz))
                    given_up.callback(samples.close)
                    process = _spawn(theirs.fileno(), samples.descriptor, limits.memory_bytes)
            except OSError as error:
                raise Unavailable(f"cannot start a decoder: {error}") from error
            given_up.pop_all()
        ours.setblocking(False)
        decoder = cls(process, ours, samples)
        try:
            async with asyncio.timeout(START_DEADLINE_S):
                await decoder._receive_message()
        except (TimeoutError, _Died, OSError):
            decoder.kill()
            raise Unavailable(
                f"a decoder does not start: exit status {process.returncode}; run `{sys.executable} {WORKER} 0 "
                f"0 {limits.memory_bytes}` to see why"
            ) from None
        except BaseException:
            decoder.kill()
            raise
        return decoder

    async def decode(self, audio: FetchedAudio, limits: DecodeLimits) -> DecodedAudio:
        """Decode one file.

        Raises:
            BadInput: the file cannot be used.
            TimeoutError: the deadline passed; kill this decoder.
            OSError, _Died: the process is gone.
        """
        self.files += 1
        request = DecodeRequest(
            excerpt_s=limits.excerpt_s,
            max_duration_s=limits.max_duration_s,
            max_channels=limits.max_channels,
            rate_hz=limits.rate_hz,
            cpu_s=int(limits.deadline_s) + 1,
        )
        async with asyncio.timeout(limits.deadline_s):
            send_request(self._connection, request, audio.descriptor)
            answer = await self._receive_message()
            if "error" in answer:
                raise BadInput(f"audio {answer['message']}", DeadLetterReason(answer["error"]))
        # Whatever the process has become by now, it does not decide how much memory we take.
        pcm = self._samples.read(int(answer["samples"]))
        if pcm is None:
            raise _Died("it talks nonsense")
        return DecodedAudio(pcm, int(answer["duration_ms"]), bool(answer["truncated"]))

    def kill(self) -> None:
        """End the process at once and collect its status."""
        self._connection.close()
        self._samples.close()
        with suppress(ProcessLookupError):
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()

    async def _receive_message(self) -> dict[str, Any]:
        (length,) = LENGTH.unpack(await self._receive(LENGTH.size))
        if length > MAX_MESSAGE_BYTES:
            raise _Died("it talks nonsense")
        try:
            message = json.loads(await self._receive(length))
        except ValueError:
            raise _Died("it talks nonsense") from None
        return dict(message)

    async def _receive(self, count: int) -> bytearray:
        loop, data = asyncio.get_running_loop(), bytearray(count)
        view, filled = memoryview(data), 0
        while filled < count:
            received = await loop.sock_recv_into(self._connection, view[filled:])
            if received == 0:
                raise _Died("it closed its socket")
            filled += received
        return data


class DecoderPool:
    """Decoders, as many as files may be decoded at a time. Use it as an async context."""

    def __init__(self, limits: DecodeLimits, *, size: int) -> None:
        self.limits = limits
        self.size = size
        self._free: asyncio.LifoQueue[Decoder | None] = asyncio.LifoQueue()
        self._all: set[Decoder] = set()
        self.killed = 0
        """Decoders that missed a deadline or died."""

    async def __aenter__(self) -> Self:
        for decoder in await asyncio.gather(*(self._start() for _ in range(self.size))):
            self._free.put_nowait(decoder)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        for decoder in list(self._all):
            self._end(decoder)

    async def decode(self, audio: FetchedAudio) -> DecodedAudio:
        """Decode a file, when a decoder is free.

        Raises:
            BadInput: UNDECODABLE, TOO_LONG, or DECODE_TIMEOUT where the decoder was killed or died of this file.
            Unavailable: no decoder can be started.
        """
        async with self._decoder() as decoder:
            try:
                return await decoder.decode(audio, self.limits)
            except TimeoutError:
                self._lose(decoder)
                raise BadInput(
                    f"audio not decoded within {self.limits.deadline_s:g} s", DeadLetterReason.DECODE_TIMEOUT
                ) from None
            except (_Died, OSError) as error:
                self._lose(decoder)
                raise BadInput(
                    f"audio made its decoder die: {_cause_of_death(decoder.process.returncode)} ({error})",
                    DeadLetterReason.DECODE_TIMEOUT,
                ) from None
            except BadInput:
                raise
            except BaseException:  # cancelled in the middle of an answer, which nobody will read
                self._end(decoder)
                raise

    @asynccontextmanager
    async def _decoder(self) -> AsyncIterator[Decoder]:
        decoder = await self._free.get()
        try:
            if decoder is not None and (decoder.files >= FILES_PER_DECODER or decoder.process.poll() is not None):
                self._end(decoder)  # worn out, or died while idle: not the fault of this file
            if decoder is None or decoder not in self._all:
                decoder = None
                decoder = await self._start()
            yield decoder
        finally:
            self._free.put_nowait(decoder if decoder in self._all else None)

    async def _start(self) -> Decoder:
        decoder = await Decoder.start(self.limits)
        self._all.add(decoder)
        return decoder

    def _lose(self, decoder: Decoder) -> None:
        self.killed += 1
        self._end(decoder)

    def _end(self, decoder: Decoder) -> None:
        self._all.discard(decoder)
        decoder.kill()


def _spawn(connection: int, samples: int, memory_bytes: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        # -I: no path, user site or environment of ours decides what the decoder imports.
        [sys.executable, "-I", str(WORKER), str(connection), str(samples), str(memory_bytes)],
        pass_fds=(connection, samples),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        # Nothing of our environment, which may hold secrets; one thread, or the BLAS library's take up its memory.
        env={"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1", "LC_ALL": "C.UTF-8"},
        # A Ctrl-C in a terminal is for the service, which then ends its decoders.
        start_new_session=True,
        cwd=os.sep,
    )


def _cause_of_death(status: int | None) -> str:
    if status is None or status >= 0:
        return f"exit status {status}"
    return signal.Signals(-status).name
