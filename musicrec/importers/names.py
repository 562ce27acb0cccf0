"""Ids for tracks and artists that the source knows by name only."""

import unicodedata

from musicrec.ids import derived_id


def same_name(name: str) -> str:
    """Return `name` without differences of case, width and spacing.

    >>> same_name("  Björk ") == same_name("BJÖRK")
    True
    """
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def artist_id_of(artist_name: str) -> str:
    """Return the id of an artist without one.

    >>> artist_id_of("Sigur Rós") == artist_id_of("sigur rós")
    True
    """
    return derived_id("a", same_name(artist_name))


def track_id_of(artist_name: str, title: str) -> str:
    """Return the id of a track without one: two tracks are the same if artist and title are."""
    return derived_id("t", same_name(artist_name), same_name(title))
