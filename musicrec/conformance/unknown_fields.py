"""Fields that the contract does not know: a publisher's own, or a misspelt one, which is ignored in silence."""

import json
from collections import Counter
from difflib import get_close_matches

from musicrec.conformance.finding import MOST_EXAMPLES, Check, Finding, Verdict
from musicrec.contracts import VersionedRecord
from musicrec.contracts.record import without_frame
from musicrec.printable import printable

MOST_NAMES = 50


class UnknownFields:
    """Counts them by name."""

    def __init__(self, record: type[VersionedRecord]) -> None:
        self._known = list(record.model_fields)
        self._counts: Counter[str] = Counter()
        self._places: dict[str, str] = {}

    def take(self, value: bytes, place: str) -> None:
        """Look at the value of a message that can be read."""
        for name in json.loads(without_frame(value)).keys() - set(self._known):
            if name in self._counts or len(self._counts) < MOST_NAMES:
                self._counts[name] += 1
                self._places.setdefault(name, place)

    def finding(self) -> Finding:
        """Return what was seen."""
        if not self._counts:
            return Finding(Check.UNKNOWN_FIELDS, Verdict.HOLDS, "none")
        likely = {
            name: near for name in self._counts if (near := get_close_matches(name, self._known, n=1, cutoff=0.7))
        }
        names = sorted(self._counts, key=lambda name: (name not in likely, -self._counts[name]))
        meant = {name: f", {near[0]} is meant?" for name, near in likely.items()}
        said = ", ".join(f"{printable(name[:60])} ({self._counts[name]:,}{meant.get(name, '')})" for name in names[:10])
        places = tuple(f"{self._places[name]}: {printable(name[:60])}" for name in names[:MOST_EXAMPLES])
        verdict = Verdict.WARNS if likely else Verdict.HOLDS
        return Finding(Check.UNKNOWN_FIELDS, verdict, f"ignored: {said}", places if likely else ())
