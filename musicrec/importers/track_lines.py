"""Catalogue tracks from the names that listens carry."""

from collections.abc import Iterable, Iterator
from typing import IO, Final

from musicrec.contracts import Track
from musicrec.importers.rows import Listen

MAX_TITLE_CHARS: Final = 1_024


def writing_tracks(listens: Iterable[Listen], stream: IO[bytes]) -> Iterator[Listen]:
    """Pass `listens` through and write each track that has a name once, when it first appears."""
    written: set[str] = set()
    for listen in listens:
        if (listen.title or listen.artist_name) and listen.track_id not in written:
            written.add(listen.track_id)
            stream.write(track_of(listen).encode() + b"\n")
        yield listen


def track_of(listen: Listen) -> Track:
    """Return the catalogue's record of a listen's track."""
    return Track(
        track_id=listen.track_id,
        title=listen.title[:MAX_TITLE_CHARS],
        artist_id=listen.artist_id,
        artist_name=listen.artist_name[:MAX_TITLE_CHARS],
        album=listen.album[:MAX_TITLE_CHARS],
        duration_ms=listen.duration_ms,
    )
