"""Do vectors that lie near each other share a label?  Labels of clips, and precision at k."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from musicrec.errors import BadInput

NEIGHBOURS = 5


@dataclass(frozen=True, slots=True)
class LabelledClips:
    """Clips of a folder that carry a label."""

    paths: tuple[Path, ...]
    labels: tuple[str, ...]
    left_out: int
    """Rows whose label is empty."""
    titles: tuple[str, ...]
    """As the column `title` has them; empty where there is none."""
    genres: tuple[str, ...]
    """Likewise `genre`."""
    groups: tuple[str, ...] = ()
    """What must not be on both sides of a split, a soundtrack or an artist; empty where no column was named."""


def read_labels(folder: Path, table: Path, column: str, group: str | None = None) -> LabelledClips:
    """Read a tab-separated table whose `file` column names clips in `folder`.

    A clip without a group is a group of its own.

    Raises:
        BadInput: a file or a column is missing, or fewer than two clips carry a label.
    """
    try:
        with table.open(encoding="utf-8", newline="") as lines:
            reader = csv.DictReader(lines, delimiter="\t")
            columns = reader.fieldnames or ()
            rows = list(reader)
    except (OSError, UnicodeDecodeError) as error:
        raise BadInput(f"--labels {table}: cannot be read: {error}") from error
    for needed in ("file", column, *([group] if group is not None else [])):
        if needed not in columns:
            raise BadInput(
                f"--labels {table}: has no column {needed!r}; its columns are {', '.join(columns) or 'none'}"
            )
    labelled = [row for row in rows if row[column]]
    paths = tuple(folder / row["file"] for row in labelled)
    for path in paths:
        if not path.is_file():
            raise BadInput(f"{table}: names {path.name!r}, which is not in {folder}")
    if len(labelled) < 2:
        raise BadInput(f"{table}: {len(labelled)} clips carry a {column!r}; at least two are needed")
    return LabelledClips(
        paths,
        labels=tuple(row[column] for row in labelled),
        left_out=len(rows) - len(labelled),
        titles=tuple(row.get("title") or "" for row in labelled),
        genres=tuple(row.get("genre") or "" for row in labelled),
        groups=() if group is None else tuple(row[group] or row["file"] for row in labelled),
    )


def precision_at_k(vectors: npt.NDArray[np.floating], labels: Sequence[str], k: int = NEIGHBOURS) -> float:
    """Return the mean share of each clip's `k` nearest others that have its label: `precision_of_each`, averaged."""
    return float(precision_of_each(vectors, labels, k).mean())


def precision_of_each(
    vectors: npt.NDArray[np.floating], labels: Sequence[str], k: int = NEIGHBOURS
) -> npt.NDArray[np.float64]:
    """Return the share of each clip's `k` nearest others that have its label, shape (clips,).

    Nearness is the cosine; ties count against us.  A clip whose label nobody shares counts too, with 0.

    Args:
        vectors: shape (clips, dimension); a vector of zeros is far from everything.
        labels: one per clip.
        k: neighbours; with fewer other clips than `k`, all of them.
    """
    names = np.asarray(labels)
    similarity = unit_rows(vectors) @ unit_rows(vectors).T
    np.fill_diagonal(similarity, -np.inf)
    same = names[:, None] == names[None, :]
    neighbours = np.lexsort((same, -similarity), axis=1)[:, : min(k, len(names) - 1)]
    shares: npt.NDArray[np.float64] = np.take_along_axis(same, neighbours, axis=1).mean(axis=1)
    return shares


def chance_precision(labels: Sequence[str]) -> float:
    """Return the expected precision of neighbours drawn at random."""
    counts = Counter(labels).values()
    clips = len(labels)
    return sum(count * (count - 1) for count in counts) / (clips * (clips - 1))


def standardise(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the columns with mean 0 and deviation 1; a constant column becomes 0."""
    centred: npt.NDArray[np.floating] = vectors - vectors.mean(axis=0)
    deviation = centred.std(axis=0)
    return centred / np.where(deviation > 0, deviation, 1.0)


def unit_rows(vectors: npt.NDArray[np.floating]) -> npt.NDArray[np.floating]:
    """Return the rows with unit Euclidean length; a row of zeros stays."""
    length = np.linalg.norm(vectors, axis=1, keepdims=True)
    units: npt.NDArray[np.floating] = vectors / np.where(length > 0, length, 1.0)
    return units
