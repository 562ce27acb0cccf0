"""Every probe of the audio evaluation: deep and shallow features, each on splits of growing honesty."""

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.errors import BadInput
from musicrec.evaluation.audio_probe import CHOSEN, Probed
from musicrec.evaluation.audio_splits import FOLDS, Split, usable
from musicrec.evaluation.clip_features import ClipFeatures
from musicrec.evaluation.kept_probes import KeptProbes
from musicrec.evaluation.pictures import pyplot, save

OURS: Final = "vectors"
ON_SEGMENTS: Final = ("svm",)
"""Five times as many examples, and the question is the split: one classifier will do."""


@dataclass(frozen=True, slots=True)
class SplitProbes:
    """What classifiers come to on one split.

    Attributes:
        of: by features, then by classifier.
        labels: of the examples, in the order of the guesses.
        unit: what an example is, `clips` or `segments`.
    """

    of: dict[str, dict[str, Probed]]
    labels: Sequence[str]
    unit: str


def probe_splits(
    features: ClipFeatures,
    labels: Sequence[str],
    groups: Sequence[str],
    *,
    repeats: int,
    work: Path,
    on_fold: Callable[[], None] = lambda: None,
) -> dict[str, SplitProbes]:
    """Return the probes by split: of clips by track and by group, of segments by track and at random, which leaks.

    Clips whose label has too few tracks or groups for the split are left out of it; a split for which fewer than two
    labels have enough is left out.

    Args:
        features: of the clips.
        labels: of the clips.
        groups: of the clips, or none.
        repeats: times that all examples are asked about.
        work: folder in which the guesses are kept, for a second run.
        on_fold: called after each fold of each features that has to be asked about.
    """
    kept = KeptProbes(work, repeats, on_fold)
    tracks = np.arange(len(labels))
    ours = {"mfcc": features.mfcc, "descriptors": features.descriptors, OURS: features.vectors}
    found = {Split.TRACK.value: _on_clips(ours, labels, tracks.tolist(), FOLDS, kept)}
    if groups:
        with suppress(BadInput):
            found[Split.GROUP.value] = _on_clips(ours, labels, groups, 2, kept)
    rows = np.flatnonzero(np.isin(features.clip_of, usable(labels, tracks.tolist(), FOLDS)))
    of_segment = [labels[clip] for clip in features.clip_of[rows]]
    parts = {"mfcc": features.segment_mfcc[rows], OURS: features.segment_vectors[rows]}
    for split, kept_together in ((Split.SEGMENT, rows), (Split.TRACK, features.clip_of[rows])):
        of = {name: kept.of(x, of_segment, kept_together.tolist(), ON_SEGMENTS) for name, x in parts.items()}
        key = split.value if split is Split.SEGMENT else f"segments {split}"
        found[key] = SplitProbes(of, of_segment, "segments")
    return found


def _on_clips(
    features: dict[str, NDArray[np.float32]],
    labels: Sequence[str],
    groups: Sequence[object],
    least: int,
    kept_probes: KeptProbes,
) -> SplitProbes:
    rows = usable(labels, groups, least)
    kept, apart = [labels[row] for row in rows], [groups[row] for row in rows]
    of = {name: kept_probes.of(x[rows], kept, apart) for name, x in features.items()}
    return SplitProbes(of, kept, "clips")


def figures_of(probes: dict[str, SplitProbes]) -> dict[str, dict[str, dict[str, dict[str, float]]]]:
    """Return accuracy, macro precision, recall and F1 by split, features and classifier."""
    return {
        split: {
            features: {classifier: each.figures() for classifier, each in by_classifier.items()}
            for features, by_classifier in of_split.of.items()
        }
        for split, of_split in probes.items()
    }


def draw_confusion(of_split: SplitProbes, path: Path) -> None:
    """Draw how often the chosen classifier of our vectors takes a label for another, over all repeats, as SVG.

    Raises:
        Incompatible: matplotlib is missing.
    """
    names = sorted(set(of_split.labels))
    place = {name: at for at, name in enumerate(names)}
    counts = np.zeros((len(names), len(names)))
    for guesses in of_split.of[OURS][CHOSEN].guesses:
        for label, guess in zip(of_split.labels, guesses, strict=True):
            counts[place[label], place[guess]] += 1
    shares = counts / counts.sum(1, keepdims=True)
    size = 2.5 + 0.35 * len(names)
    figure, axis = pyplot().subplots(figsize=(size + 1, size), layout="constrained")
    shown = axis.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in zip(*np.nonzero(shares >= 0.05), strict=True):
        dark = shares[row, column] > 0.5
        axis.text(
            column, row, f"{100 * shares[row, column]:.0f}", ha="center", va="center", fontsize=7,
            color="white" if dark else "black",
        )  # fmt: skip
    axis.set_xticks(range(len(names)), names, rotation=90, fontsize=8)
    axis.set_yticks(range(len(names)), names, fontsize=8)
    axis.set(xlabel="taken for", ylabel="is", title="of 100 tracks")
    figure.colorbar(shown, ax=axis, shrink=0.6)
    save(figure, path)
