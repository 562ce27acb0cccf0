"""From a schedule that fails to a short one that still does: delta debugging (Zeller and Hildebrandt, 2002)."""

from collections.abc import Awaitable, Callable, Sequence

from storm.schedule import Action

Fails = Callable[[Sequence[Action]], Awaitable[bool]]


async def shrink(actions: Sequence[Action], fails: Fails) -> list[Action]:
    """Return a part of `actions`, in order, that fails too and of which no chunk that was tried can be left out.

    Args:
        actions: a schedule that fails.
        fails: runs a storm of these actions; what fails by chance may be tried several times inside.
    """
    kept = list(actions)
    chunks = 2
    while len(kept) > 1:
        size = -(-len(kept) // chunks)
        for start in range(0, len(kept), size):
            rest = kept[:start] + kept[start + size :]
            if rest and await fails(rest):
                kept, chunks = rest, max(2, chunks - 1)
                break
        else:
            if size == 1:
                break
            chunks = min(len(kept), 2 * chunks)
    return kept
