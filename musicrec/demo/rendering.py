"""The demo's audio: rendered once into a folder, and found there by the next start."""

import io
import os
from collections.abc import Iterable, Iterator
from hashlib import blake2b
from pathlib import Path
from typing import Final

from musicrec.contracts import Track
from musicrec.errors import BadInput, Unavailable

RECIPE: Final = 1
"""Part of every file name: raised when the synthesis sounds different, so that old files are not taken for new ones."""


def write_audio(folder: Path, tracks: Iterable[Track]) -> Iterator[Track]:
    """Render each track as 16-bit mono FLAC at 22,050 Hz where the folder lacks it, and yield it with its `audio_uri`.

    It is a generator, so that the first track can be published while the next is rendered; about 0.1 s per track.
    Tracks of one artist share a style of the synthesis; the track chooses the piece.

    Args:
        folder: made where it is missing; an embedder must allow it as a root.
        tracks: their first tag is a family of the synthesis, `artist_id` and `duration_ms` are needed.

    Raises:
        BadInput: a track lacks one of the three.
        Unavailable: the embedder extra is not installed, or the folder cannot be written.
    """
    folder = folder.resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for track in tracks:
            path = folder / _file_name(track)
            if not path.exists():
                _render(track, path)
            yield track.model_copy(update={"audio_uri": path.as_uri()})
    except OSError as error:
        raise Unavailable(f"{folder}: the demo's audio cannot be written: {error}; free space or --data-dir") from error


def _file_name(track: Track) -> str:
    return f"{_number(RECIPE, track.track_id, track.artist_id, track.tags, track.duration_ms):016x}.flac"


def _number(*parts: object) -> int:
    return int.from_bytes(blake2b(repr(parts).encode(), digest_size=8).digest(), "big")


def _render(track: Track, path: Path) -> None:
    try:
        import soundfile

        from embedder.synthesis import SAMPLE_RATE_HZ, Style, synthesise
    except ImportError as error:
        raise Unavailable(
            f"rendering audio needs the embedder extra: pip install 'musicrec[embedder]' ({error})"
        ) from error
    if not track.tags or track.artist_id is None or track.duration_ms is None:
        raise BadInput(f"{track.track_id}: rendering needs tags, artist_id and duration_ms")
    style = Style.sample(_number(track.artist_id), track.tags[0])
    samples = synthesise(style, _number(track.track_id), track.duration_ms / 1000)
    flac = io.BytesIO()
    soundfile.write(flac, samples, SAMPLE_RATE_HZ, format="FLAC", subtype="PCM_16")
    # Under another name first: a start that is cut off leaves no half-written file to be taken for a whole one.
    partial = path.with_name(f".{path.name}.{os.getpid()}")
    partial.write_bytes(flac.getvalue())
    partial.replace(path)
