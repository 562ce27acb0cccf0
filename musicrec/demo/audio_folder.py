"""A folder of audio files as a catalogue."""

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from musicrec.contracts import Track
from musicrec.errors import BadInput
from musicrec.ids import derived_id

SUFFIXES: Final = (".wav", ".flac", ".ogg", ".opus", ".mp3")
LABELS: Final = "clips.tsv"
"""Beside the files, where there is one: column `file`, and `title`, `artist`, `soundtrack`, `genre` as known."""


def tracks_of(folder: Path) -> Iterator[Track]:
    """Yield a track per audio file; its id is the file's name without the suffix.

    Titles, artists and tags come from `clips.tsv` where it has them, else from the file's name and folder.

    Raises:
        BadInput: no folder, or no audio in it.
    """
    import soundfile

    if not folder.is_dir():
        raise BadInput(f"--audio {folder}: not a folder")
    labels = _labels(folder / LABELS)
    found = False
    for path in sorted(folder.rglob("*")):
        if path.suffix.lower() not in SUFFIXES:
            continue
        found = True
        label = labels.get(path.name, {})
        group = label.get("soundtrack") or path.parent.name
        artist = label.get("artist") or group
        try:
            duration_ms = max(1, round(soundfile.info(path).duration * 1000))
        except soundfile.LibsndfileError:
            duration_ms = 30_000  # the embedder says what is wrong with the file; the audience needs a length
        yield Track(
            track_id=path.stem,
            title=label.get("title") or path.stem,
            artist_id=derived_id("artist", artist),
            artist_name=artist,
            album=group,
            duration_ms=duration_ms,
            tags=(label.get("genre") or group,),
            audio_uri=path.resolve().as_uri(),
        )
    if not found:
        raise BadInput(f"--audio {folder}: no file that ends in {', '.join(SUFFIXES)}")


def _labels(path: Path) -> dict[str, dict[str, str]]:
    if not path.is_file():
        return {}
    with path.open(newline="", encoding="utf-8") as lines:
        return {row["file"]: row for row in csv.DictReader(lines, delimiter="\t") if row.get("file")}
