"""Imports without looking for garbage among what they make."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def imports() -> Iterator[None]:
    """Leave what is imported within the block out of this and of every later collection.

    Python looks through the objects that there are at every 700 new ones.  An import makes some hundred thousand, and
    nearly all of them stay: a tenth of the start of a worker was spent on them.
    """
    looked_for_garbage = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if looked_for_garbage:
            gc.enable()
