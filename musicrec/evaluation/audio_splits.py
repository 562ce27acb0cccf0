"""Ways of cutting examples into what a classifier learns and what it is asked about."""

from collections import Counter
from collections.abc import Iterator, Sequence
from enum import StrEnum

import numpy as np
from numpy.typing import NDArray

from musicrec.errors import BadInput

FOLDS = 5
Places = NDArray[np.int64]


class Split(StrEnum):
    """What is never on both sides."""

    SEGMENT = "segments at random (leaky)"
    """Nothing but the segment itself: others of its track are learned.  Published figures are often of this."""
    TRACK = "by track"
    GROUP = "by group"
    """Also no track of the same soundtrack or artist."""


def folds(labels: Sequence[str], groups: Sequence[object], seed: int) -> Iterator[tuple[Places, Places]]:
    """Yield what is learned and what is asked about; labels are spread evenly, a group is on one side.

    Five times, or as often as the label with the fewest groups has groups.

    Args:
        labels: of the examples.
        groups: of the examples; a number of its own for each where only the example itself must not be learned.
        seed: another one makes other folds.
    """
    from sklearn.model_selection import StratifiedGroupKFold, StratifiedKFold

    x = np.zeros((len(labels), 1))
    count = min(FOLDS, *groups_of(labels, groups).values())
    if len(set(groups)) == len(groups):
        yield from StratifiedKFold(count, shuffle=True, random_state=seed).split(x, labels)
    else:
        yield from StratifiedGroupKFold(count, shuffle=True, random_state=seed).split(x, labels, groups)


def groups_of(labels: Sequence[str], groups: Sequence[object]) -> Counter[str]:
    """Return the number of groups by label."""
    return Counter(label for label, _ in set(zip(labels, groups, strict=True)))


def usable(labels: Sequence[str], groups: Sequence[object], least: int) -> Places:
    """Return the places of the examples whose label has at least `least` groups.

    Raises:
        BadInput: fewer than two labels have as many.
    """
    count = groups_of(labels, groups)
    enough = {label for label, number in count.items() if number >= least}
    if len(enough) < 2:
        raise BadInput(
            f"{len(enough)} labels have {least} groups or more, of {len(count)}: name a column of finer groups"
        )
    return np.array([place for place, label in enumerate(labels) if label in enough], np.int64)
