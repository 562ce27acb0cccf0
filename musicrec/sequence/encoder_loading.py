"""Trained session encoders by their folders, where this installation can serve any."""

from collections.abc import Sequence
from pathlib import Path

from musicrec.errors import Incompatible
from musicrec.recommend.session_encoder import SessionEncoder


def load_encoders(folders: Sequence[Path] | None) -> list[SessionEncoder]:
    """Return the encoders of these folders.

    Raises:
        Incompatible: one is not there or damaged, or this installation cannot serve any.
    """
    if not folders:
        return []
    try:
        from index.session_encoder import ServedEncoder
    except ModuleNotFoundError as error:
        raise Incompatible(f"a session encoder needs {error.name}: pip install 'musicrec[cpu,encoder]'") from None
    return [ServedEncoder.load(folder) for folder in folders]
