"""Lists that nobody was shown, kept until the listener's next plays tell how good they would have been."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from musicrec.contracts import SnapshotHead
from streams.messages import FollowedUp

MAX_LISTENERS: Final = 20_000
"""Remembered; who got a list longest ago is forgotten first. 20 ids each per variant."""


class _Shadows(NamedTuple):
    offset: int
    tracks: Mapping[str, Sequence[str]]


class ShadowLists:
    """The newest shadow lists of each listener."""

    def __init__(self) -> None:
        self._newest: dict[str, _Shadows] = {}

    def followed_up(self, listen: SnapshotHead) -> list[FollowedUp]:
        """Return what a listen says of the lists that were made for an earlier event of its listener.

        A batch that is decided again says nothing of its own lists.
        """
        trigger, before = listen.trigger, self._newest.get(listen.user_id)
        if before is None or not trigger.type.is_listen or trigger.outcome is None or before.offset >= trigger.offset:
            return []
        skipped = trigger.outcome.is_skip
        return [
            FollowedUp(variant, tracks.index(trigger.track_id) + 1 if trigger.track_id in tracks else None, skipped)
            for variant, tracks in before.tracks.items()
        ]

    def remember(self, listen: SnapshotHead, tracks: Mapping[str, Sequence[str]]) -> None:
        """Keep the lists, track ids by variant, that were made for an event."""
        self._newest.pop(listen.user_id, None)
        if tracks:
            self._newest[listen.user_id] = _Shadows(listen.trigger.offset, tracks)
            if len(self._newest) > MAX_LISTENERS:
                self._newest.pop(next(iter(self._newest)))
