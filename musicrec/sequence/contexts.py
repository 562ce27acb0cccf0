"""How a track was heard, as one small number: whether it was skipped, and how long after the one before it ended."""

import math
from typing import Any, Final

from musicrec.kernel import kernel

GAPS: Final = 14
"""0 for none that is known, then a number per doubling, from a second to more than an hour."""
CONTEXTS: Final = 2 * GAPS
UNKNOWN_CONTEXT: Final = 0
"""Not skipped, and no gap known: a network adds nothing for it."""


@kernel
def context_of(skipped: bool, gap_s: int) -> int:
    """Return the context of a play.

    Args:
        skipped: whether it was.
        gap_s: from the end of the play before to the end of this one; 0 and less where that is unknown.
    """
    gap = 0
    if gap_s > 0:
        gap = 1 + min(GAPS - 2, int(math.log2(gap_s)))
    return gap + GAPS if skipped else gap


def was_skipped(contexts: Any) -> Any:
    """Return whether a play with this context was skipped; of arrays and tensors, for each."""
    return contexts >= GAPS
