"""What explicit feedback weighs, in units of one completed listen."""

from typing import Final

from musicrec.contracts import EventType

FEEDBACK_WEIGHTS: Final[dict[EventType, float]] = {
    EventType.LIKE: 2.0,
    EventType.SAVE: 3.0,
    EventType.SHARE: 3.0,
    EventType.PURCHASE: 5.0,
    EventType.DISLIKE: -3.0,
    EventType.BLOCK_TRACK: -5.0,
    EventType.UNBLOCK_TRACK: 0.0,
}
"""Listening, collecting, praising, sharing and purchasing all signal preference; the dearer the act, the heavier."""
