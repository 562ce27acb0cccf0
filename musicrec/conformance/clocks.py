"""The publisher's clock beside the broker's, and the order in which a listener's events come."""

from collections.abc import Sequence
from statistics import median, quantiles
from typing import Final

from musicrec.conformance.finding import MOST_EXAMPLES, Check, Finding, Verdict
from musicrec.contracts import ListenEvent
from musicrec.settings import SessionSettings

QUARTER_HOUR_MS: Final = 15 * 60_000
"""Time zones lie so far apart, or several times so far."""
NEAR_MS: Final = 60_000
MOST: Final = 0.8


class Clocks:
    """Judges `occurred_at_ms`."""

    def __init__(self, rules: SessionSettings) -> None:
        self._rules = rules
        self._delays_ms: list[int] = []
        self._newest_ms: dict[str, int] = {}
        self._early = self._late = self._behind = 0
        self._early_places: list[str] = []
        self._late_places: list[str] = []

    def take(self, event: ListenEvent, published_at_ms: int, place: str) -> None:
        """Look at an event; those of a listener in the order of their partition."""
        delay_ms = published_at_ms - event.occurred_at_ms
        self._delays_ms.append(delay_ms)
        if delay_ms < -self._rules.future_tolerance_ms:
            self._early += 1
            if len(self._early_places) < MOST_EXAMPLES:
                self._early_places.append(f"{place}: {_span(-delay_ms)} ahead of the broker")
            return  # refused: later events are not measured by it
        newest_ms = self._newest_ms.get(event.user_id, event.occurred_at_ms)
        if event.occurred_at_ms < newest_ms:
            self._behind += 1
        if event.occurred_at_ms < newest_ms - self._rules.grace_ms:
            self._late += 1
            if len(self._late_places) < MOST_EXAMPLES:
                behind_ms = newest_ms - event.occurred_at_ms
                self._late_places.append(f"{place}: {_span(behind_ms)} behind the listener's newest event")
        self._newest_ms[event.user_id] = max(newest_ms, event.occurred_at_ms)

    def findings(self) -> list[Finding]:
        """Return what was seen of the clock and of the order."""
        if not self._delays_ms:
            return [Finding(check, Verdict.UNSEEN, "no event can be read") for check in (Check.CLOCK, Check.ORDER)]
        return [self._of_clock(), self._of_order()]

    def _of_clock(self) -> Finding:
        middle_ms = median(self._delays_ms)
        spread = quantiles(self._delays_ms, n=100)[98] if len(self._delays_ms) > 1 else middle_ms
        said = f"published {_span(middle_ms)} after it happened in the median, {_span(spread)} for 1 in 100"
        if self._early:
            tolerance = _span(self._rules.future_tolerance_ms)
            zone = f"; {_zone(self._delays_ms)}" if _zone(self._delays_ms) else ""
            said = f"{self._early:,} of {len(self._delays_ms):,} lie more than {tolerance} ahead of the broker and are "
            said += f"refused (in_the_future): times are UTC{zone}"
            return Finding(Check.CLOCK, Verdict.FAILS, said, tuple(self._early_places))
        if zone := _zone(self._delays_ms):
            return Finding(Check.CLOCK, Verdict.WARNS, f"{said}: {zone}")
        return Finding(Check.CLOCK, Verdict.HOLDS, said)

    def _of_order(self) -> Finding:
        count = len(self._delays_ms)
        if self._late:
            grace = _span(self._rules.grace_ms)
            said = f"{self._late:,} of {count:,} lie more than {grace} behind their listener's newest event and are "
            said += "refused (too_late): let the producer keep its order when it sends again (enable.idempotence), "
            said += "publish what was heard offline before what is heard now, or raise MUSICREC_SESSION__GRACE_MS"
            return Finding(Check.ORDER, Verdict.FAILS, said, tuple(self._late_places))
        if self._behind:
            return Finding(
                Check.ORDER, Verdict.HOLDS, f"{self._behind:,} of {count:,} come late and are placed in order"
            )
        return Finding(Check.ORDER, Verdict.HOLDS, "each listener's events come in the order of their times")


def _zone(delays_ms: Sequence[int]) -> str:
    """Return what is said where most events are off by the same quarters of an hour, and not by a backlog."""
    offset_ms = round(median(delays_ms) / QUARTER_HOUR_MS) * QUARTER_HOUR_MS
    near = sum(abs(delay_ms - offset_ms) < NEAR_MS for delay_ms in delays_ms)
    if offset_ms == 0 or near < MOST * len(delays_ms):
        return ""
    sign = "+" if offset_ms < 0 else "-"
    return f"most are off by {sign}{_span(abs(offset_ms))}: a time zone taken for UTC?"


def _span(span_ms: float) -> str:
    """Return a span of time for people.

    >>> _span(40), _span(1_500), _span(5_400_000), _span(-90_000)
    ('40 ms', '1.5 s', '1.5 h', '-1.5 min')
    """
    sign, rest = ("-" if span_ms < 0 else ""), abs(span_ms)
    for unit, length in (("d", 86_400_000), ("h", 3_600_000), ("min", 60_000), ("s", 1_000)):
        if rest >= length:
            return f"{sign}{rest / length:.3g} {unit}"
    return f"{sign}{rest:.0f} ms"
