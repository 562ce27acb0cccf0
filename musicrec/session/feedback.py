"""What explicit feedback weighs, in units of one completed listen.

Listening, collecting, praising, sharing and purchasing all signal preference; the dearer the act, the heavier.
"""

from typing import Final

from musicrec.contracts import EventType
from musicrec.settings import SessionSettings

WEIGHT_SETTINGS: Final[dict[str, str]] = {
    EventType.LIKE: "like_weight",
    EventType.SAVE: "save_weight",
    EventType.SHARE: "share_weight",
    EventType.PURCHASE: "purchase_weight",
    EventType.DISLIKE: "dislike_weight",
    EventType.BLOCK_TRACK: "block_weight",
}
"""Setting of each kind of feedback that weighs anything; to unblock a track takes nothing back."""


def feedback_weight(kind: str, rules: SessionSettings) -> float:
    """Return what an event of this type weighs.

    >>> feedback_weight("like", SessionSettings()), feedback_weight("unblock_track", SessionSettings())
    (2.0, 0.0)
    """
    setting = WEIGHT_SETTINGS.get(kind)
    return 0.0 if setting is None else float(getattr(rules, setting))
