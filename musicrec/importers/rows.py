"""What an importer makes of one row: a listen, a row that it cannot read, or one that is not music."""

from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from musicrec.contracts.record import MAX_ID_CHARS
from musicrec.errors import BadInput

EARLIEST_MS: Final = 946_684_800_000
"""2000-01-01, the earliest time a listen event may have; a clock that was never set lies before it."""
LATEST_MS: Final = 4_102_444_800_000
"""2100-01-01, the latest."""
LONGEST_MS: Final = 86_400_000
"""One day, the longest listen."""

MAX_NAMED: Final = 20
"""Unreadable rows that a report names one by one; all are counted."""
EARLY_STOP_ROWS: Final = 10_000
"""After this many rows a file of another format is recognised without being read to its end."""


class Listen(NamedTuple):
    """One listen as the source tells it."""

    user_id: str
    """The listener."""
    ended_at_ms: int
    """END of the listen, epoch milliseconds UTC."""
    ms_played: int
    """How long it lasted, milliseconds."""
    track_id: str
    """The track."""
    artist_id: str | None = None
    """Its artist."""
    duration_ms: int | None = None
    """Length of the track in milliseconds, where the source knows it."""
    skipped: bool = False
    """Whether the listener ended it with the skip button, where the source says so."""
    known_by_start: bool = False
    """Whether the source gives its start, and its end may be an estimate."""
    title: str = ""
    """Name of the track."""
    artist_name: str = ""
    """Name of the artist."""
    album: str = ""
    """Name of the release."""


class Unreadable(NamedTuple):
    """A row that breaks its format."""

    place: str
    """FILE:LINE, or FILE and the number of the entry."""
    reason: str
    """What is wrong with it."""


class LeftOut(NamedTuple):
    """A row that is well formed and no listen of a track: a podcast, a now-playing notice."""

    place: str
    """Where it stands."""
    reason: str
    """What it is; counted by this."""


Row = Listen | Unreadable | LeftOut


@dataclass(slots=True)
class ImportReport:
    """What became of every row; `rows` is always the sum of listens, unreadable and left out."""

    rows: int = 0
    listens: int = 0
    unreadable: int = 0
    named: list[Unreadable] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    repeated: int = 0
    """Listens that stand in the source twice, to the millisecond; imported once."""

    @property
    def events(self) -> int:
        """How many events came out."""
        return self.listens - self.repeated


def readable(rows: Iterable[Row], report: ImportReport, *, max_bad_share: float = 0.01) -> Iterator[Listen]:
    """Yield the listens of `rows` and count the others in `report`.

    Raises:
        BadInput: more than `max_bad_share` of the rows are unreadable; names the first.
    """
    for row in rows:
        report.rows += 1
        match row:
            case Listen():
                report.listens += 1
                yield row
            case LeftOut():
                report.left_out[row.reason] += 1
            case Unreadable():
                _count_unreadable(row, report)
                if report.rows >= EARLY_STOP_ROWS:
                    _check_share(report, max_bad_share)
    _check_share(report, max_bad_share)


def checked(place: str, listen: Listen) -> Listen | Unreadable:
    """Return `listen`, or why its times or ids cannot be those of a listen event."""
    if not EARLIEST_MS <= listen.ended_at_ms <= LATEST_MS:
        return Unreadable(place, f"its time, {listen.ended_at_ms} ms since 1970, lies outside 2000 to 2100")
    if not 0 <= listen.ms_played <= LONGEST_MS:
        return Unreadable(place, f"{listen.ms_played} ms played; 0 to {LONGEST_MS} are possible")
    for name, value in (("user", listen.user_id), ("track", listen.track_id), ("artist", listen.artist_id)):
        if value is not None and not 1 <= len(value) <= MAX_ID_CHARS:
            return Unreadable(place, f"the {name} id has {len(value)} characters; 1 to {MAX_ID_CHARS} are possible")
    return listen


def _count_unreadable(row: Unreadable, report: ImportReport) -> None:
    report.unreadable += 1
    if len(report.named) < MAX_NAMED:
        report.named.append(row)


def _check_share(report: ImportReport, max_bad_share: float) -> None:
    if report.unreadable > max_bad_share * report.rows:
        first = report.named[0]
        raise BadInput(
            f"{report.unreadable} of {report.rows} rows cannot be read, more than {max_bad_share:.1%}; the first: "
            f"{first.place}: {first.reason} (is it the right format? --max-bad-share allows more)"
        )
