"""What a person reads after a storm."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from statistics import median

from storm.checks.logs import lines_around
from storm.findings import Findings, Invariant
from storm.schedule import Action
from storm.stalls import Wait, Window, causes
from storm.workers import End, Slot

LOG_LINES = 40
YOUNG_S = 30.0
"""A worker's memory is looked at from this age on."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a storm came to."""

    seed: int
    duration_s: float
    actions: Sequence[Action]
    windows: Sequence[Window]
    events: int
    applied: int
    dead_lettered: int
    duplicates: int
    emitted_again: int
    published_again: int
    drained_in_s: float
    redis_keys: int
    longest_ms: Mapping[str, int]
    worst: Sequence[Wait]
    findings: Findings
    ends: Sequence[End]
    slots: Sequence[Slot]
    logs: Sequence[Path]

    @property
    def holds(self) -> bool:
        """Whether every invariant held."""
        return not self.findings.counts

    def last_line(self) -> str:
        """Return the counts as one line."""
        counts = self.findings.counts
        return (
            f"events={self.events} applied={self.applied} dead_lettered={self.dead_lettered} "
            f"lost={counts[Invariant.NOTHING_LOST]} twice={counts[Invariant.NOTHING_TWICE]} "
            f"differing_lists={counts[Invariant.SAME_LIST]} "
            f"longest_stall_s={max(self.longest_ms.values(), default=0) / 1000:.1f}"
        )

    def markdown(self) -> str:
        """Return the report."""
        sections = (
            self._head(),
            self._violations(),
            self._faults(),
            self._waits(),
            self._ends(),
            self._memory(),
            self._done(),
        )
        return "\n".join(sections)

    def _head(self) -> str:
        return (
            f"# Storm {self.seed}, {self.duration_s / 60:g} minutes: {'all held' if self.holds else 'VIOLATIONS'}\n\n"
            f"`{self.last_line()}`\n\n"
            f"{len(self.actions)} faults; {self.duplicates} duplicates published; {self.emitted_again} snapshots and "
            f"{self.published_again} lists published again with the same bytes; {self.redis_keys} keys in Redis; all "
            f"was done {self.drained_in_s:.0f} s after the last fault was over.\n"
        )

    def _violations(self) -> str:
        lines = ["## Violations\n"]
        for invariant in Invariant:
            if count := self.findings.counts[invariant]:
                lines.append(f"### {invariant}: {count}\n")
            for violation in (v for v in self.findings.violations if v.invariant is invariant):
                lines.append(f"- {violation.what}" + (f" ({violation.place})" if violation.place else ""))
                if violation.at_ms is not None:
                    on = [str(w.fault) for w in self.windows if w.began_ms - 5_000 <= violation.at_ms <= w.ended_ms]
                    lines.append(
                        f"  at {clock(violation.at_ms)}; faults then or just before: {', '.join(on) or 'none'}"
                    )
                    around = lines_around(self.logs, violation.at_ms)
                    lines += ["  ```", *(f"  {line}" for line in around[:LOG_LINES]), "  ```"]
        return "\n".join(lines if self.findings.counts else [*lines, "None."]) + "\n"

    def _faults(self) -> str:
        done = Counter(action.fault for action in self.actions)
        lines = [
            "## Faults\n",
            "| fault | times | longest wait for a list that it alone explains, s |",
            "|---|---|---|",
        ]
        for fault, times in sorted(done.items()):
            longest = self.longest_ms.get(str(fault))
            lines.append(f"| {fault} | {times} | {'' if longest is None else f'{longest / 1000:.1f}'} |")
        for other in sorted(self.longest_ms.keys() - {str(fault) for fault in done}):
            lines.append(f"| {other} | | {self.longest_ms[other] / 1000:.1f} |")
        return "\n".join(lines) + "\n"

    def _waits(self) -> str:
        lines = ["## Longest waits\n", "| event | published at | waited, s | faults meanwhile |", "|---|---|---|---|"]
        for wait in self.worst:
            on = ", ".join(sorted(causes(wait, self.windows)))
            lines.append(f"| {wait.event_id} | {clock(wait.began_ms)} | {wait.lasted_ms / 1000:.1f} | {on} |")
        return "\n".join(lines) + "\n"

    def _ends(self) -> str:
        # Of several words of one kind the last count.
        words_of = {(end.worker.rpartition("-")[0], end.status, end.wanted): end.last_line for end in self.ends}
        kinds = Counter((end.worker.rpartition("-")[0], end.status, end.wanted) for end in self.ends)
        lines = [
            "## Ends of workers\n",
            "| kind | status | by the storm | times | last words, once |",
            "|---|---|---|---|---|",
        ]
        for (kind, status, wanted), times in sorted(kinds.items()):
            escaped = "" if wanted else words_of[kind, status, wanted].replace("|", "\\|")
            lines.append(f"| {kind} | {status} | {'yes' if wanted else 'no'} | {times} | {escaped} |")
        return "\n".join(lines) + "\n"

    def _memory(self) -> str:
        lines = [
            "## Memory\n",
            f"Of lives that got {YOUNG_S:.0f} s old: in the first fifth of the storm and in the last, median.\n",
            "| kind | MB at first | MB at last | most | open files, most |",
            "|---|---|---|---|---|",
        ]
        for kind in sorted({slot.agent for slot in self.slots}):
            of_kind = [sample for slot in self.slots if slot.agent == kind for sample in slot.samples]
            samples = sorted((s for s in of_kind if s.age_s > YOUNG_S), key=lambda s: s.at_ms)
            if samples:
                fifth = max(1, len(samples) // 5)
                first, last = (median(s.rss_mb for s in part) for part in (samples[:fifth], samples[-fifth:]))
                most, files = max(s.rss_mb for s in samples), max(s.open_files for s in samples)
                lines.append(f"| {kind} | {first:.0f} | {last:.0f} | {most:.0f} | {files} |")
        return "\n".join(lines) + "\n"

    def _done(self) -> str:
        lines = ["## What was done\n", "| at | for, s | fault | to |", "|---|---|---|---|"]
        for window in self.windows:
            lasted_s = (window.ended_ms - window.began_ms) / 1000
            lines.append(f"| {clock(window.began_ms)} | {lasted_s:.1f} | {window.fault} | {window.whom} |")
        return "\n".join(lines) + "\n"


def clock(at_ms: int, *, day: bool = False) -> str:
    """Return a time of day as the logs write it, with the day where it is wanted."""
    return datetime.fromtimestamp(at_ms / 1000).strftime(f"{'%Y-%m-%d ' if day else ''}%H:%M:%S,%f")[:-3]
