"""Trained session encoders by their folders, where this installation can serve any."""

from collections.abc import Sequence
from pathlib import Path

from musicrec.errors import Incompatible
from musicrec.recommend.session_encoder import SessionEncoder


def load_encoder(folder: Path, manifest_sha256: str | None = None) -> SessionEncoder:
    """Return the encoder of a folder, tried out.

    Args:
        folder: what `musicrec train sequence` wrote.
        manifest_sha256: of the manifest that is meant; see `read_encoder`.

    Raises:
        Unreadable: a file is missing or cannot be read.
        Incompatible: it is damaged or another one, or this installation cannot serve any.
    """
    try:
        from index.session_encoder import ServedEncoder
    except ModuleNotFoundError as error:
        raise Incompatible(f"a session encoder needs {error.name}: pip install 'musicrec[cpu]'") from None
    return ServedEncoder.load(folder, manifest_sha256)


def load_encoders(folders: Sequence[Path] | None) -> list[SessionEncoder]:
    """Return the encoders of these folders.

    Raises:
        Incompatible: one is not there or damaged, or this installation cannot serve any.
    """
    return [load_encoder(folder) for folder in folders or ()]
