"""Ids for tracks and artists that the source knows by name only."""

import unicodedata
from typing import Final

from musicrec.ids import derived_id

MAX_COMPARED_CHARS: Final = 1_024
"""A catalogue title is no longer.  Normalising takes the square of a run of combining marks: minutes for a megabyte."""


def same_name(name: str) -> str:
    """Return `name` without differences of case, width and spacing; of a longer one the first 1,024 characters.

    >>> same_name("  Björk ") == same_name("BJÖRK")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name.strip()[:MAX_COMPARED_CHARS]).casefold().split())


def artist_id_of(artist_name: str) -> str:
    """Return the id of an artist without one.

    >>> artist_id_of("Sigur Rós") == artist_id_of("sigur rós")
    True
    """
    return derived_id("a", same_name(artist_name))


def track_id_of(artist_name: str, title: str) -> str:
    """Return the id of a track without one: two tracks are the same if artist and title are."""
    return derived_id("t", same_name(artist_name), same_name(title))
