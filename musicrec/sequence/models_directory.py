"""Folders of models below the one directory that every worker sees, by names that mean the same on every machine."""

from pathlib import Path

from musicrec.errors import Incompatible
from musicrec.ranker_files import WEIGHTS as RANKER_WEIGHTS
from musicrec.sequence.encoder_files import ARTISTS, MANIFEST, TRACKS, WEIGHTS

VARIABLE = "MUSICREC_RANKING__MODELS_DIR"
FILES = (MANIFEST, WEIGHTS, ARTISTS, TRACKS, RANKER_WEIGHTS)


def folder_below(models: Path | None, folder: str) -> Path:
    """Return where an announced folder lies; whether it is there is not asked.

    Args:
        models: the directory of models, as the setting names it.
        folder: relative to it.

    Raises:
        Incompatible: no directory is set, or the folder, or a file of it, lies outside: by an absolute path, by `..`
            or by a symbolic link.
    """
    if models is None:
        raise Incompatible(f"{folder}: announced models need {VARIABLE}, the directory that they lie in")
    root = models.resolve()
    place = _resolved(root / folder)
    for path in (place, *(_resolved(place / name) for name in FILES)):
        if path == root or not path.is_relative_to(root):
            raise Incompatible(f"{folder}: {path} is no folder below {root}, which {VARIABLE} names; copy it there")
    return place


def name_below(models: Path | None, folder: Path) -> str:
    """Return the name under which a folder can be announced: its real place, so that no link can be turned elsewhere.

    Args:
        models: the directory of models, as the setting names it.
        folder: relative to it, or absolute.

    Raises:
        Incompatible: see `folder_below`.
    """
    place = folder_below(models, str(folder))
    assert models is not None  # or folder_below had refused it
    return place.relative_to(models.resolve()).as_posix()


def _resolved(path: Path) -> Path:
    try:
        resolved = path.resolve()
    except (OSError, RuntimeError) as error:  # links in a ring
        raise Incompatible(f"{path}: leads nowhere: {error}") from error
    # From Python 3.13 on nothing is raised, and a ring is left as it stands.
    if any(place.is_symlink() for place in (resolved, *resolved.parents)):
        raise Incompatible(f"{path}: leads nowhere: links in a ring")
    return resolved
