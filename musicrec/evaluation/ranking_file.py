"""A configuration of the ranking as a TOML file: fields of `RankingSettings`, and folders of session encoders."""

import tomllib
from dataclasses import dataclass, fields
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Final

from musicrec.errors import BadInput, Incompatible
from musicrec.recommend import RankingSettings
from musicrec.recommend.settings import LARGEST

DEFAULT: Final = "default"
"""Stands for a file that sets nothing."""
ENCODER: Final = "encoder"
TYPES: Final[dict[str, type]] = {field.name: field.type for field in fields(RankingSettings)}  # type: ignore[misc]
WORDS: Final[dict[type, str]] = {int: "an integer", float: "a number", bool: "true or false"}


@dataclass(frozen=True, slots=True)
class RankingConfiguration:
    """One side of a comparison."""

    name: str
    """As it was named."""
    settings: RankingSettings
    encoders: tuple[Path, ...] = ()
    """Folders of trained session encoders."""


def read_configuration(name: str) -> RankingConfiguration:
    """Read a configuration from the file of that name, or take the defaults for the word `default`.

    Folders of encoders are relative to the file's own.

    Raises:
        BadInput: the file is missing, no TOML, or has a name or a value that the ranking does not know; names file, key
            and what is allowed.
    """
    if name == DEFAULT:
        return RankingConfiguration(name, RankingSettings())
    path = Path(name)
    try:
        values = tomllib.loads(path.read_text())
    except OSError as error:
        raise BadInput(f"{name}: {error.strerror}; a TOML file or the word {DEFAULT} is needed") from None
    except ValueError as error:  # not UTF-8, not TOML, or a number with more digits than Python reads
        raise BadInput(f"{name}: not a TOML file: {error}") from None
    except RecursionError:
        raise BadInput(f"{name}: not a TOML file with settings: it is nested too deep") from None
    encoders = _encoders(path, values.pop(ENCODER, []))
    try:
        settings = RankingSettings(**{key: _checked(name, key, value) for key, value in values.items()})
    except Incompatible as error:
        raise BadInput(f"{name}: {error}") from None
    return RankingConfiguration(name, settings, encoders)


def _checked(name: str, key: str, value: object) -> Any:
    if key not in TYPES:
        allowed = ", ".join([ENCODER, *TYPES])
        near = get_close_matches(key, TYPES, n=1)
        hint = f", do you mean {near[0]}?" if near else "."
        raise BadInput(f"{name}: {key!r} is no setting of the ranking{hint} Allowed are {allowed}")
    wanted = TYPES[key]
    # To Python, true is an integer.
    if wanted is float and type(value) is int and abs(value) <= LARGEST:
        return float(value)
    if type(value) is not wanted:
        raise BadInput(f"{name}: {key} = {value!r}: {WORDS[wanted]} is needed")
    return value


def _encoders(path: Path, value: object) -> tuple[Path, ...]:
    if not isinstance(value, list) or not all(isinstance(folder, str) for folder in value):
        raise BadInput(f'{path}: {ENCODER} = {value!r}: a list of folders is needed, like ["before", "encoder"]')
    return tuple(path.parent / folder for folder in value)
