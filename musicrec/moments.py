"""Moments as people write them."""

from contextlib import suppress
from datetime import date, datetime

from musicrec.errors import BadInput


def moment_ms(text: str, otherwise: str = "") -> int:
    """Return the moment that a date (UTC) or a time with its zone names, epoch milliseconds.

    Args:
        text: what somebody wrote.
        otherwise: what else would have been taken, with a comma behind it; for the message.

    Raises:
        BadInput: it is neither.

    >>> moment_ms("1970-01-02"), moment_ms("1970-01-01T00:00:01+00:00")
    (86400000, 1000)
    """
    try:
        with suppress(ValueError):
            text = f"{date.fromisoformat(text)}T00:00Z"
        time = datetime.fromisoformat(text)
    except ValueError:
        raise BadInput(f"{text!r}: {otherwise}a date or a time like 2026-01-31T12:00:00Z is needed") from None
    if time.tzinfo is None:
        raise BadInput(f"{text!r}: a time needs its zone, like {text}Z or {text}+02:00")
    return max(0, round(time.timestamp() * 1_000))
