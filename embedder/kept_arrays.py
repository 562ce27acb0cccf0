"""What was computed from a file, kept in a folder by the file's content: a second run reads it."""

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

Arrays = Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class KeptArrays:
    """Arrays of one making.

    Attributes:
        folder: working folder; the arrays get one of their own below it.
        making: everything that they depend on beside the file: a version of the code, of weights, of settings.
    """

    folder: Path
    making: str

    def of(self, path: Path, make: Callable[[], Arrays]) -> Arrays:
        """Return the arrays of a file: those in the folder, else those that `make` returns, which are then kept.

        A file of arrays is written whole or not at all; one that cannot be read is made anew.
        """
        name = hashlib.sha256(path.read_bytes() + self.making.encode()).hexdigest()[:32]
        kept = self.folder / f"{name}.safetensors"
        if kept.exists():
            try:
                found: Arrays = load_file(kept)
                return found
            except SafetensorError:
                kept.unlink()
        arrays = {name: np.ascontiguousarray(array) for name, array in make().items()}
        self.folder.mkdir(parents=True, exist_ok=True)
        partial = kept.with_suffix(".partial")
        save_file(arrays, partial)
        partial.replace(kept)
        return arrays
