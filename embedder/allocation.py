"""Memory that is given back and asked for again within milliseconds stays with the process."""

import ctypes
import sys

_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD = -1, -3
_LARGEST_KEPT_BYTES = 32 * 1024 * 1024
"""The most that the C library allows."""
_KEPT_BYTES = 256 * 1024 * 1024


def keep_freed_memory() -> bool:
    """Have the C library keep up to 256 MB that is free; return whether it is one that can.

    A track takes and frees some hundred arrays of a megabyte.  By default each comes from the kernel, page by page, and
    goes back: a quarter of the time of all features.
    """
    if not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):  # musl has none
        return False
    return bool(mallopt(_M_MMAP_THRESHOLD, _LARGEST_KEPT_BYTES) and mallopt(_M_TRIM_THRESHOLD, _KEPT_BYTES))
