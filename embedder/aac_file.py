"""AAC and ALAC in MP4 (.m4a, .mp4), and AAC as a bare stream (.aac), which libsndfile does not read.

PyAV reads them, the extra `aac`.  FFmpeg reads far more than sound, and some of its formats name other files and
addresses to read from (playlists, HLS, `concat:`).  So the first bytes decide, before FFmpeg sees any, which of two
demuxers it is; FFmpeg guesses nothing, reads from our open file, and may open nothing else.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Literal, Self

import numpy as np
import numpy.typing as npt

Container = Literal["mp4", "aac"]
"""Names of FFmpeg's demuxers."""

HEAD_BYTES = 10
ID3_MARK, ID3_HEAD_BYTES = b"ID3", 10

CODECS = ("aac", "alac")
OPTIONS = {
    "format_whitelist": "mov,mp4,m4a,3gp,3g2,mj2,aac",
    "codec_whitelist": ",".join(CODECS),
    # Not even `file`: what is read is open already, and a reference to another file leads nowhere.
    "protocol_whitelist": "pipe",
    "enable_drefs": "0",
}
PREROLL_FRAMES = 4_096
"""Decoded and dropped before a place: a packet of AAC is whole only after the one before it."""
FULL_SCALE = {"i2": 2**15, "i4": 2**31}
"""Of ALAC, by width."""


class AacError(Exception):
    """The file cannot be read; says why."""


def container_of(descriptor: int) -> Container | None:
    """Return the container of an AAC file by its first bytes; None for anything else.

    Source: ISO/IEC 14496-12, 4.3 (file type box); ISO/IEC 13818-7, 6.2 (ADTS: twelve ones, layer 0).
    """
    head = os.pread(descriptor, HEAD_BYTES, 0)
    if head[4:8] == b"ftyp":
        return "mp4"
    if head[:3] == ID3_MARK and len(head) == HEAD_BYTES:
        # Seven bits of each byte, so that no length looks like the beginning of a frame.
        tag_bytes = sum((byte & 0x7F) << shift for byte, shift in zip(head[6:10], (21, 14, 7, 0), strict=True))
        head = os.pread(descriptor, HEAD_BYTES, ID3_HEAD_BYTES + tag_bytes)
    is_adts = len(head) >= 2 and head[0] == 0xFF and head[1] & 0xF6 == 0xF0
    return "aac" if is_adts else None


class AacFile:
    """An AAC file with the reading end of `soundfile.SoundFile`: frames, rate, channels, seek, read."""

    def __init__(self, descriptor: int, container: Container) -> None:
        """Open a file.

        Args:
            descriptor: of the file; it belongs to this object from here on.
            container: see `container_of`.

        Raises:
            AacError: PyAV is not installed, or finds no AAC.
            MemoryError: there is not enough.
        """
        self._file = os.fdopen(descriptor, "rb")
        self._container: Any = None
        try:
            self._open(container)
        except BaseException:
            self.close()
            raise

    def _open(self, container: Container) -> None:
        try:
            import av
        except ImportError:
            raise AacError("AAC, for which PyAV is needed: pip install 'musicrec[aac]'") from None
        self._ffmpeg_error: type[Exception] = av.error.FFmpegError
        # Titles need not be UTF-8.  PyAV 19, which is there from Python 3.12 on, no longer has to be told.
        lenient = {"metadata_errors": "replace"} if int(av.__version__.partition(".")[0]) < 19 else {}
        with self._said():
            self._container = av.open(self._file, format=container, options=OPTIONS, **lenient)
            if not self._container.streams.audio:
                raise AacError("an MP4 without sound")
            self._stream = self._container.streams.audio[0]
            codec = self._stream.codec_context
            # FFmpeg's list of codecs holds while it looks into a file; what decodes then, PyAV opens without it.
            if codec is None or codec.name not in CODECS:
                raise AacError("sound that is neither AAC nor ALAC")
            codec.thread_count = 1
            first = next(self._container.decode(self._stream), None)
            if first is None:
                raise AacError("holds no samples")
            # As decoded: the header of high-efficiency AAC tells half the rate, and one channel of two.
            self.samplerate, self.channels = int(first.sample_rate), first.layout.nb_channels
            self.frames = round(self._seconds(container) * self.samplerate)
        self.seek(0)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        if self._container is not None:
            self._container.close()
        self._file.close()

    def seek(self, frame: int) -> None:
        """Go to a frame; the next `read` begins with it."""
        self._left = np.zeros((self.channels, 0), np.float32)
        self._blocks = self._blocks_from(frame)

    def read(self, frames: int, **form: object) -> npt.NDArray[np.float32]:
        """Return up to so many frames, shape (frames, channels); fewer at the end of the file, and before damage.

        Raises:
            AacError: what comes next cannot be decoded.
            MemoryError: there is not enough.
        """
        blocks, count = [self._left], self._left.shape[1]
        try:
            with self._said():
                while count < frames and (block := next(self._blocks, None)) is not None:
                    blocks.append(block)
                    count += block.shape[1]
        except AacError:
            if count == 0:
                raise
        found = np.concatenate(blocks, axis=1)
        self._left = found[:, frames:]
        return found[:, :frames].T

    def _seconds(self, container: Container) -> float:
        if container == "aac":
            # A bare stream does not say, and FFmpeg guesses by its first packets' size.
            self._container.seek(0, stream=self._stream)
            ticks = sum(packet.duration or 0 for packet in self._container.demux(self._stream))
            return float(ticks * self._stream.time_base)
        if self._stream.duration is None:
            raise AacError("an MP4 that does not say how long it is")
        return float(self._stream.duration * self._stream.time_base)

    def _blocks_from(self, start: int) -> Iterator[npt.NDArray[np.float32]]:
        """Yield what is decoded from a frame on, each of shape (channels, frames)."""
        tick_frames = float(self._stream.time_base * self.samplerate)
        first_tick = self._stream.start_time or 0
        self._container.seek(first_tick + int(max(0, start - PREROLL_FRAMES) / tick_frames), stream=self._stream)
        place = 0
        for frame in self._container.decode(self._stream):
            planes = _planes(frame)
            if (frame.sample_rate, len(planes)) != (self.samplerate, self.channels):
                raise AacError("changes its rate or its channels on the way")
            if frame.pts is not None:
                place = round((frame.pts - first_tick) * tick_frames)
            skipped = max(0, start - place)
            place += planes.shape[1]
            if skipped < planes.shape[1]:
                yield planes[:, skipped:]

    @contextmanager
    def _said(self) -> Iterator[None]:
        try:
            yield
        except MemoryError:  # FFmpeg's own is one too
            raise
        except self._ffmpeg_error as error:
            raise AacError(f"not AAC that FFmpeg reads: {getattr(error, 'strerror', error)}") from None


def _planes(frame: Any) -> npt.NDArray[np.float32]:
    """Return a decoded frame, shape (channels, frames), full scale 1."""
    values = frame.to_ndarray()
    if not frame.format.is_planar:
        values = values.reshape(-1, frame.layout.nb_channels).T
    if values.dtype == np.float32:
        return np.asarray(values)
    return np.asarray(values, np.float32) / np.float32(FULL_SCALE[values.dtype.str[1:]])
