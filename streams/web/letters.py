"""Dead letters as the page shows them when somebody looks closer, read from their topics."""

from collections.abc import Mapping, Sequence
from typing import Final, TypedDict

from musicrec.dead_letters import REMEDIES, Letter, Place, Selection, dead_letter_topics, since_ms
from musicrec.dead_letters.listing import Listing
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.printable import printable, printable_bytes

NEWEST: Final = 50
MOST_MESSAGES: Final = 5_000
"""Looked at of each partition: some seconds, however many letters there are."""
MOST_SHOWN_BYTES: Final = 8 * 1024
MOST_PLACES: Final = 200
UNREADABLE_REMEDY: Final = "skipped unless it is named by its place"


class LetterCountView(TypedDict):
    """How many of one kind."""

    topic: str
    """That they were refused from."""
    reason: str
    count: int
    remedy: str
    """What has to be other than it was."""


class LetterView(TypedDict):
    """One letter in a line."""

    place: str
    original: str | None
    listener: str | None
    """Whose message it was, where its key says so."""
    reason: str
    message: str
    app: str
    at_ms: int


class LettersView(TypedDict):
    """What was found."""

    total: int
    counts: list[LetterCountView]
    letters: list[LetterView]
    """Newest first."""
    left_out: int
    """Older messages that were not looked at."""


class WholeLetterView(LetterView):
    """All of one letter, with what is odd escaped."""

    topic: str
    remedy: str
    key: str | None
    value: str | None
    value_bytes: int | None
    headers: list[tuple[str, str]]


def letters_view(listing: Listing) -> LettersView:
    """Return what was found."""
    counts = listing.survey.counts
    return {
        "total": counts.total(),
        "counts": [
            {"topic": topic.removesuffix(".dlq"), "reason": reason, "count": count, "remedy": _remedy(reason)}
            for (topic, reason), count in counts.most_common()
        ],
        "letters": [letter_view(letter) for letter in reversed(listing.newest)],
        "left_out": listing.left_out,
    }


def letter_view(letter: Letter) -> LetterView:
    """Return one line."""
    return {
        "place": str(letter.place),
        "original": None if letter.original is None else printable(str(letter.original)),
        "listener": _listener(letter),
        "reason": letter.reason,
        "message": printable(letter.message),
        "app": printable(letter.why.app) if letter.why is not None else "",
        "at_ms": letter.at_ms,
    }


def whole_letter_view(letter: Letter) -> WholeLetterView:
    """Return all of a letter."""
    value = letter.value
    return {
        **letter_view(letter),
        "topic": letter.source.name,
        "remedy": _remedy(letter.reason),
        "key": None if letter.key is None else printable_bytes(letter.key),
        "value": None if value is None else printable_bytes(value[:MOST_SHOWN_BYTES]),
        "value_bytes": None if value is None else len(value),
        "headers": [
            (printable(name), "none" if text is None else printable_bytes(text[:MOST_SHOWN_BYTES]))
            for name, text in letter.original_headers
        ],
    }


def selection_of(asked: Mapping[str, Sequence[str]], now_ms: int) -> Selection:
    """Return the selection that `topic`, `reason`, `since` and `place` name, each as often as it is given.

    Raises:
        BadInput: there is no such topic, reason, time or place, or there are too many places.
    """
    places = asked.get("place", ())
    if len(places) > MOST_PLACES:
        raise BadInput(f"{len(places)} places; {MOST_PLACES} are taken at once: choose by topic and reason instead")
    since = next(iter(asked.get("since", ())), None)
    return Selection(
        topics=dead_letter_topics(asked.get("topic", ())),
        reasons=frozenset(_reason(text) for text in asked.get("reason", ())),
        since_ms=0 if since is None else since_ms(since, now_ms),
        places=frozenset(Place.parse(text) for text in places),
    )


def _reason(text: str) -> DeadLetterReason:
    try:
        return DeadLetterReason(text)
    except ValueError:
        raise BadInput(f"{text!r} is no reason; there are {', '.join(DeadLetterReason)}") from None


def _remedy(reason: str) -> str:
    try:
        return REMEDIES[DeadLetterReason(reason)]
    except ValueError:
        return UNREADABLE_REMEDY


def _listener(letter: Letter) -> str | None:
    if letter.source.key != "user_id" or letter.key is None:
        return None
    try:
        return letter.key.decode()
    except UnicodeDecodeError:
        return None
