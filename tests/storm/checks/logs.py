"""What the workers wrote: no listener is named; and what was written around a time."""

import re
from collections.abc import Iterable
from datetime import datetime
from pathlib import Path
from typing import Final

from storm.findings import Findings, Invariant
from storm.traffic import USER_PREFIX

TIME: Final = re.compile(r"\d{4}-\d\d-\d\d[ T]\d\d:\d\d:\d\d[.,]\d+(?:Z|[+-]\d\d:?\d\d)?")


def check_logs(logs: Iterable[Path], findings: Findings) -> None:
    """Look for listeners' ids."""
    for log in logs:
        for number, line in enumerate(log.read_text(errors="replace").splitlines(), start=1):
            if USER_PREFIX in line:
                findings.add(Invariant.NO_SECRETS, line[:300], f"{log.name}:{number}")


def lines_around(logs: Iterable[Path], at_ms: int, *, before_s: float = 2.0, after_s: float = 5.0) -> list[str]:
    """Return the lines of all logs that were written around a time, in order."""
    found: list[tuple[float, str]] = []
    for log in logs:
        for line in log.read_text(errors="replace").splitlines():
            if (when_s := _time_of(line)) is not None and -before_s <= when_s - at_ms / 1000 <= after_s:
                found.append((when_s, f"{log.stem}: {line[:240]}"))
    return [line for _, line in sorted(found)]


def _time_of(line: str) -> float | None:
    found = TIME.search(line[:60])
    if found is None:
        return None
    try:
        return datetime.fromisoformat(found[0].replace(",", ".")).timestamp()
    except ValueError:
        return None
