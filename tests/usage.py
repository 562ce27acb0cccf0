"""What the kernel knows of a worker and its children: resident memory, open files."""

import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from musicrec.local.child_process import ChildProcess


class Sample(NamedTuple):
    """One look."""

    at_s: float
    rss_mb: float
    open_files: int


def look(process: ChildProcess) -> Sample:
    """Look at a process.

    Raises:
        Unavailable: it has ended; carries the end of its log.
        OSError: it is ending just now.
    """
    process.check_alive()
    family = _family(process.pid)
    files = sum(len(list(Path(f"/proc/{pid}/fd").iterdir())) for pid in family)
    return Sample(time.perf_counter(), sum(_status_mb(pid, "VmRSS") for pid in family), files)


def peak_rss_mb(process: ChildProcess) -> float:
    """Return the most of the worker itself that was ever resident, MB."""
    return _status_mb(process.pid, "VmHWM")


def cpu_s(process: ChildProcess) -> float:
    """Return the processor time that a process has used, seconds."""
    fields = Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()
    user_ticks, system_ticks = int(fields[11]), int(fields[12])  # proc(5): utime and stime, after the name
    return (user_ticks + system_ticks) / os.sysconf("SC_CLK_TCK")


def _family(pid: int) -> list[int]:
    """Return the process and those that it has started: an embedder's decoders."""
    children = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    return [pid, *(descendant for child in children for descendant in _family(child))]


def _status_mb(pid: int, field: str) -> float:
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    kib = next(line.split()[1] for line in lines if line.startswith(field + ":"))
    return int(kib) * 1024 / 1e6


def slope_mb_per_h(samples: Sequence[Sample]) -> float:
    """Return how fast resident memory grows, by least squares; 0 for fewer than two samples."""
    if len(samples) < 2:
        return 0.0
    hours = np.array([sample.at_s for sample in samples]) / 3600
    return float(np.polyfit(hours - hours[0], [sample.rss_mb for sample in samples], 1)[0])


class Watch:
    """Looks at processes now and then and keeps what it saw."""

    def __init__(self, processes: Mapping[str, ChildProcess]) -> None:
        self._processes = processes
        self.samples: dict[str, list[Sample]] = {name: [] for name in processes}

    def look(self) -> str:
        """Look at all; return it as one line."""
        for name, process in self._processes.items():
            self.samples[name].append(look(process))
        return "  ".join(
            f"{name} {seen[-1].rss_mb:.0f} MB {seen[-1].open_files} files" for name, seen in self.samples.items()
        )
