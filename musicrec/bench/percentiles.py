"""Percentiles of times."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Latency:
    """Median and 99th percentile of a run, milliseconds."""

    p50_ms: float
    p99_ms: float
    count: int

    @classmethod
    def of_seconds(cls, times_s: Sequence[float]) -> "Latency":
        """Summarise times in seconds."""
        values = np.asarray(times_s) * 1000
        return cls(round(float(np.percentile(values, 50)), 3), round(float(np.percentile(values, 99)), 3), len(times_s))

    def as_dict(self) -> dict[str, float]:
        """Return the two figures under their published keys."""
        return {"p50_ms": self.p50_ms, "p99_ms": self.p99_ms}
