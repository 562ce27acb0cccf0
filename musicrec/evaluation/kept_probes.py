"""Guesses of classifiers kept in a folder: a probe takes minutes, and the same question has the same answer."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from musicrec.evaluation.audio_probe import NAMES, Probed, probe

REVISION = 1
"""Raised when classifiers, their settings or the folds change."""


@dataclass(frozen=True, slots=True)
class KeptProbes:
    """Probes of one number of repeats.

    Attributes:
        work: working folder; the guesses get one of their own below it.
        repeats: of each probe.
        on_fold: called after each fold that was not known.
    """

    work: Path
    repeats: int
    on_fold: Callable[[], None] = lambda: None

    def of(
        self,
        x: NDArray[np.float32],
        labels: Sequence[str],
        groups: Sequence[object],
        names: Sequence[str] = NAMES,
    ) -> dict[str, Probed]:
        """Return what `probe` returns, from the folder where it was asked before."""
        question = json.dumps([REVISION, self.repeats, list(names), list(labels), list(groups), x.shape])
        name = hashlib.sha256(question.encode() + np.ascontiguousarray(x).tobytes()).hexdigest()[:32]
        path = self.work / "probes" / f"{name}.json"
        if not path.exists():
            found = probe(x, labels, groups, repeats=self.repeats, names=names, on_fold=self.on_fold)
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_suffix(".partial")
            partial.write_text(json.dumps({each: probed.guesses for each, probed in found.items()}), encoding="utf-8")
            partial.replace(path)
        known: dict[str, list[list[str]]] = json.loads(path.read_text(encoding="utf-8"))
        probes = {each: Probed() for each in known}
        for each, repeats in known.items():
            for guesses in repeats:
                probes[each].add(labels, guesses)
        return probes
