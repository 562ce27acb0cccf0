"""Whether `occurred_at_ms` is the end of a listen, as it has to be, and lengths are milliseconds."""

from statistics import median
from typing import Final, NamedTuple

from musicrec.conformance.finding import Check, Finding, Verdict
from musicrec.contracts import ListenEvent

FEWEST: Final = 20
"""Listens, or pairs of them, to judge by."""
SLACK_MS: Final = 2_000
"""Players cross-fade and round."""
LONG_PAUSE_MS: Final = 30 * 60_000
"""Listens with such a pause in between say nothing about where one ends."""


class _Listen(NamedTuple):
    occurred_at_ms: int
    ms_played: int


class Listens:
    """Judges times and lengths of plays and skips."""

    def __init__(self) -> None:
        self._newest: dict[str, _Listen] = {}
        self._pairs = self._overlaps_as_ends = self._overlaps_as_starts = 0
        self._played_ms: list[int] = []
        self._durations_ms: list[int] = []
        self._longer = self._without_duration = self._skips = 0

    def take(self, event: ListenEvent) -> None:
        """Look at an event; those of a listener in the order of their partition."""
        if not event.type.is_listen or event.ms_played is None:
            return
        self._skips += event.type.value == "skip"
        self._played_ms.append(event.ms_played)
        if event.duration_ms is None:
            self._without_duration += 1
        else:
            self._durations_ms.append(event.duration_ms)
            self._longer += event.ms_played > 1.1 * event.duration_ms + SLACK_MS
        now = _Listen(event.occurred_at_ms, event.ms_played)
        before = self._newest.get(event.user_id)
        self._newest[event.user_id] = now
        if before is None or not 0 <= now.occurred_at_ms - before.occurred_at_ms < LONG_PAUSE_MS:
            return
        self._pairs += 1
        # Nobody hears two tracks at once: the reading under which fewer listens overlap is the right one.
        self._overlaps_as_ends += now.occurred_at_ms - now.ms_played < before.occurred_at_ms - SLACK_MS
        self._overlaps_as_starts += before.occurred_at_ms + before.ms_played > now.occurred_at_ms + SLACK_MS

    def findings(self) -> list[Finding]:
        """Return what was seen of ends and lengths."""
        return [self._of_ends(), self._of_lengths()]

    def _of_ends(self) -> Finding:
        if self._pairs < FEWEST:
            return Finding(Check.LISTENS, Verdict.UNSEEN, f"{self._pairs} listens follow another; {FEWEST} are needed")
        ends, starts = self._overlaps_as_ends / self._pairs, self._overlaps_as_starts / self._pairs
        if ends > 0.2 and starts < ends / 2:
            said = f"{ends:.0%} of the listens would begin before the one before has ended, {starts:.0%} if "
            said += "occurred_at_ms were the start: send the END of the listen"
            return Finding(Check.LISTENS, Verdict.FAILS, said)
        return Finding(Check.LISTENS, Verdict.HOLDS, f"{ends:.0%} of {self._pairs:,} overlap the listen before")

    def _of_lengths(self) -> Finding:
        count = len(self._played_ms)
        if count < FEWEST:
            return Finding(Check.LENGTHS, Verdict.UNSEEN, f"{count} listens; {FEWEST} are needed")
        middle_ms = median(self._played_ms)
        if middle_ms < 1_000:
            said = f"half of the listens lasted less than {middle_ms:.0f} ms: ms_played in seconds?"
            return Finding(Check.LENGTHS, Verdict.FAILS, said)
        if self._durations_ms and median(self._durations_ms) < 1_000:
            return Finding(
                Check.LENGTHS, Verdict.FAILS, "half of the tracks last less than 1 s: duration_ms in seconds?"
            )
        if self._longer > 0.05 * count:
            said = f"{self._longer:,} of {count:,} listens lasted longer than their track: ms_played counts pauses?"
            return Finding(Check.LENGTHS, Verdict.WARNS, said)
        if self._without_duration > 0.5 * count:
            said = (
                f"{self._without_duration:,} of {count:,} listens come without duration_ms: whether they were heard to "
            )
            return Finding(Check.LENGTHS, Verdict.WARNS, said + "the end is guessed")
        skips = f"; {self._skips:,} skips" if self._skips else "; no skip among them, which teaches what nobody likes"
        return Finding(Check.LENGTHS, Verdict.HOLDS, f"{middle_ms / 1000:.0f} s in the median of {count:,}{skips}")
