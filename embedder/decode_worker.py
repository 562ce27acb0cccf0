"""The process that decodes: what comes from strangers meets C libraries here, and nowhere else.

It is started by path (`decode.py`), imports soundfile, soxr and NumPy only, and PyAV for a file that needs it, holds no
secrets and opens no files: audio comes as an open descriptor over its socket.  The kernel limits its memory, CPU time
and descriptors; whoever started it kills it at a deadline.

A message is a 4-byte big-endian length and a JSON object.  A request is {excerpt_s, max_duration_s, max_channels,
rate_hz, cpu_s} with the descriptor beside it (SCM_RIGHTS).  An answer is {samples, duration_ms, truncated}, and then so
many float32 values stand in the memory whose descriptor was given at the start; or {error, message}, `error` being a
value of `DeadLetterReason`.
"""

import json
import math
import mmap
import os
import resource
import socket
import struct
import sys
from collections.abc import Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt
import soundfile
import soxr

from embedder.aac_file import AacError, AacFile, container_of

LENGTH = struct.Struct(">I")
MAX_MESSAGE_BYTES = 65_536
BLOCK_FRAMES = 131_072
"""34 MB for 64 channels: what one read takes, however long the file says it is.  Three seconds, and not less, because
soundfile seeks after each read, and a decoder that seeks decodes a little of what was before once more."""

MIN_RATE_HZ, MAX_RATE_HZ = 4_000, 384_000

MAX_OPEN_FILES = 32

LOUDEST_SAMPLE = 1_000.0
"""Full scale is 1. Float files may exceed it a little; this much is a broken file, and overflows in a spectrogram."""

MISSING_TOLERANCE_S = 0.1
"""MP3 and Opus headers count the encoder's padding, decoders do not always."""


@dataclass(frozen=True, slots=True)
class DecodeRequest:
    """What to make of a file."""

    excerpt_s: float
    max_duration_s: float
    max_channels: int
    rate_hz: int
    cpu_s: int


class Refused(Exception):
    """The file cannot be used; `reason` is a value of DeadLetterReason."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


def decode_excerpt(descriptor: int, request: DecodeRequest) -> tuple[npt.NDArray[np.float32], int, bool]:
    """Return mono samples of the middle of a file, its whole length in milliseconds, and whether it was truncated.

    The excerpt is the middle `excerpt_s` seconds, or all of a shorter file: intros and fade-outs say least of a piece.
    A file whose middle is not there, though its header says so, was truncated: then its first `excerpt_s` seconds are
    taken if they are whole, else it is refused.

    Raises:
        Refused: not audio, too long, too many channels, truncated too early, or samples that are no sound.
    """
    try:
        with _opened(descriptor) as file:
            _check_shape(file, request)
            frames, rate_hz = file.frames, file.samplerate
            wanted = min(frames, round(request.excerpt_s * rate_hz))
            mono = _read_mono(file, (frames - wanted) // 2, wanted)
        enough = wanted - round(MISSING_TOLERANCE_S * rate_hz)
        truncated = len(mono) < enough
        if truncated:
            with _opened(descriptor) as file:  # anew: after a seek that failed, some decoders read nothing
                mono = _read_mono(file, 0, wanted)
        if len(mono) < enough or len(mono) == 0:
            raise Refused("undecodable", f"truncated: {len(mono)} of {frames} frames can be decoded")
    except AacError as error:
        raise Refused("undecodable", str(error)) from None
    except (soundfile.LibsndfileError, OSError) as error:
        raise Refused("undecodable", f"not audio that libsndfile reads: {error}") from None
    except MemoryError:
        raise Refused("undecodable", "needs more memory than a decoder may have") from None
    return _resampled(mono, rate_hz, request.rate_hz), math.ceil(frames * 1_000 / rate_hz), truncated


def _opened(descriptor: int) -> soundfile.SoundFile | AacFile:
    os.lseek(descriptor, 0, os.SEEK_SET)  # a duplicate shares the place
    container = container_of(descriptor)
    if container is not None:
        return AacFile(os.dup(descriptor), container)
    return soundfile.SoundFile(os.dup(descriptor))


def _check_shape(file: soundfile.SoundFile | AacFile, request: DecodeRequest) -> None:
    if not MIN_RATE_HZ <= file.samplerate <= MAX_RATE_HZ:
        raise Refused("undecodable", f"{file.samplerate} Hz; between {MIN_RATE_HZ} and {MAX_RATE_HZ} Hz are decoded")
    if file.channels > request.max_channels:
        raise Refused("too_long", f"{file.channels} channels; at most {request.max_channels} are decoded")
    if file.frames <= 0:
        raise Refused("undecodable", "holds no samples")
    seconds = file.frames / file.samplerate
    if seconds > request.max_duration_s:
        raise Refused("too_long", f"{seconds:.0f} s; at most {request.max_duration_s:.0f} s are decoded")


def _read_mono(file: soundfile.SoundFile | AacFile, start: int, frames: int) -> npt.NDArray[np.float32]:
    mono = np.empty(frames, np.float32)
    mix = np.full(file.channels, 1 / file.channels, np.float32)
    filled = 0
    try:
        file.seek(start)
        while filled < frames:
            block = file.read(min(BLOCK_FRAMES, frames - filled), dtype="float32", always_2d=True)
            if len(block) == 0:
                break
            mono[filled : filled + len(block)] = block @ mix
            filled += len(block)
    except (soundfile.LibsndfileError, AacError):
        pass  # what was read until here is whole; the caller compares its length
    return mono[:filled]


def _resampled(mono: npt.NDArray[np.float32], from_hz: int, to_hz: int) -> npt.NDArray[np.float32]:
    # Before the filter, which would smear one bad sample over its neighbours; a NaN fails the comparison too.
    peak = float(np.abs(mono).max())
    if not peak <= LOUDEST_SAMPLE:
        raise Refused("undecodable", f"holds a sample of {peak:g}, where full scale is 1")
    if from_hz != to_hz:
        mono = soxr.resample(mono, from_hz, to_hz, quality="HQ")
    return np.ascontiguousarray(mono, np.float32)


def limit_process(memory_bytes: int) -> None:
    """Give up what a decoder does not need, for good."""
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    resource.setrlimit(resource.RLIMIT_NOFILE, (MAX_OPEN_FILES, MAX_OPEN_FILES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


def limit_cpu_from_now(seconds: int) -> None:
    """Let the kernel end this process after so many more seconds of CPU: it works even when nobody is left to kill."""
    used = resource.getrusage(resource.RUSAGE_SELF)
    soft = math.ceil(used.ru_utime + used.ru_stime) + seconds
    resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def encode_message(message: Mapping[str, object]) -> bytes:
    """Return a message with its length before it."""
    body = json.dumps(message).encode()
    return LENGTH.pack(len(body)) + body


def send_request(connection: socket.socket, request: DecodeRequest, descriptor: int) -> None:
    """Send a request and the descriptor of its audio; fits into any socket buffer, so it does not wait."""
    socket.send_fds(connection, [encode_message(asdict(request))], [descriptor])


def _receive_request(connection: socket.socket) -> tuple[DecodeRequest, int] | None:
    data, descriptors, _, _ = socket.recv_fds(connection, LENGTH.size + MAX_MESSAGE_BYTES, 1)
    if not data:
        return None
    (length,) = LENGTH.unpack_from(data)
    while len(data) < LENGTH.size + length:
        data += connection.recv(MAX_MESSAGE_BYTES)
    return DecodeRequest(**json.loads(data[LENGTH.size :])), descriptors[0]


def _answer(
    connection: socket.socket, request: DecodeRequest, descriptor: int, shared: npt.NDArray[np.float32]
) -> None:
    try:
        samples, duration_ms, truncated = decode_excerpt(descriptor, request)
    except Refused as error:
        connection.sendall(encode_message({"error": error.reason, "message": str(error)}))
        return
    shared[: len(samples)] = samples
    answer = {"samples": len(samples), "duration_ms": duration_ms, "truncated": truncated}
    connection.sendall(encode_message(answer))


def main() -> None:
    """Answer requests until the socket is closed; arguments: its descriptor, that of the memory, bytes to live in."""
    connection = socket.socket(fileno=int(sys.argv[1]))
    shared = np.frombuffer(mmap.mmap(int(sys.argv[2]), 0), np.float32)
    limit_process(memory_bytes=int(sys.argv[3]))
    connection.sendall(encode_message({"ready": True}))
    while (received := _receive_request(connection)) is not None:
        request, descriptor = received
        limit_cpu_from_now(request.cpu_s)
        try:
            _answer(connection, request, descriptor, shared)
        finally:
            os.close(descriptor)


if __name__ == "__main__":
    main()
