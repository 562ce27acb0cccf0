"""Event ids that come again."""

import hashlib

from musicrec.conformance.finding import MOST_EXAMPLES, Check, Finding, Verdict
from musicrec.contracts import ListenEvent
from musicrec.printable import printable


class EventIds:
    """Judges `event_id`."""

    def __init__(self) -> None:
        self._bodies: dict[tuple[str, str], bytes] = {}
        self._listeners: dict[str, str] = {}
        self._seen = self._again = self._conflicts = self._shared = 0
        self._examples: list[str] = []

    def is_new(self, event: ListenEvent, place: str) -> bool:
        """Look at an event; return whether it is the first of its id."""
        self._seen += 1
        # Of the record and not of the bytes: the order of fields and spaces makes no other event.
        body = hashlib.blake2b(event.encode(), digest_size=16).digest()
        before = self._bodies.setdefault((event.user_id, event.event_id), body)
        if self._listeners.setdefault(event.event_id, event.user_id) != event.user_id:
            self._shared += 1
        if before is body:
            return True
        self._again += 1
        if before != body:
            self._conflicts += 1
            if len(self._examples) < MOST_EXAMPLES:
                self._examples.append(f"{place}: {printable(event.event_id)} with another body")
        return False

    def finding(self) -> Finding:
        """Return what was seen."""
        if not self._seen:
            return Finding(Check.EVENT_IDS, Verdict.UNSEEN, "no event can be read")
        if self._conflicts:
            said = f"{self._conflicts:,} of {self._seen:,} come again with another body and are refused "
            said += "(conflicting_duplicate): one id for one event, and the same body when it is sent again"
            return Finding(Check.EVENT_IDS, Verdict.FAILS, said, tuple(self._examples))
        if self._shared:
            said = f"{self._shared:,} ids were used for another listener's event too: make them unique"
            return Finding(Check.EVENT_IDS, Verdict.WARNS, said)
        again = f"; {self._again:,} came again and are applied once" if self._again else ""
        return Finding(Check.EVENT_IDS, Verdict.HOLDS, f"one body each, in all of {self._seen:,}{again}")
