"""Run a storm: `python tests/storm/run.py --seed 7 --minutes 10`.  Exit status 0 only where every invariant held."""

import argparse
import asyncio
import logging
import sys
from collections.abc import Sequence
from datetime import datetime
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from storm import schedule
from storm.one_storm import RATE_PER_S, storm
from storm.schedule import Action
from storm.shrinking import shrink
from storm.workers import COUNTS, SEPARATE

log = logging.getLogger("storm")


async def shrink_schedule(
    seed: int, actions: Sequence[Action], folder: Path, rate_per_s: float, workers: str
) -> list[Action]:
    """Return a shorter schedule that still violates something."""
    tries = 0

    async def fails(some: Sequence[Action]) -> bool:
        nonlocal tries
        tries += 1
        duration_s = max(action.at_s + action.lasts_s for action in some) + 5.0
        here = folder / f"{tries:03}"
        result = await storm(seed, duration_s, here, actions=some, rate_per_s=rate_per_s, workers=workers)
        log.info("try %d, %d faults: %s", tries, len(some), "holds" if result.holds else "fails")
        return not result.holds

    return await shrink(actions, fails)


def main() -> int:
    """The command."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=7)
    parser.add_argument("--minutes", type=float, default=10.0)
    parser.add_argument("--rate", type=float, default=RATE_PER_S, help="messages per second beside bursts")
    parser.add_argument("--workers", choices=COUNTS, default=SEPARATE, help="what does sessions and lists")
    parser.add_argument("--schedule", type=Path, help="replay a schedule.jsonl instead of drawing one")
    parser.add_argument("--shrink", action="store_true", help="find a short part of the schedule that still fails")
    parser.add_argument("--out", type=Path, default=Path(".data/storm"))
    asked = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(name)s %(message)s")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    folder = (asked.out / f"{asked.seed}-{datetime.now():%Y%m%d-%H%M%S}").resolve()
    actions = schedule.read(asked.schedule) if asked.schedule else None
    if asked.shrink:
        actions = actions or schedule.schedule(asked.seed, 60 * asked.minutes)
        kept = asyncio.run(shrink_schedule(asked.seed, actions, folder, asked.rate, asked.workers))
        schedule.write(kept, folder / "shrunk.jsonl")
        print(f"{len(kept)} of {len(actions)} faults are enough: {folder}/shrunk.jsonl", *kept, sep="\n")
        return 0
    result = asyncio.run(
        storm(asked.seed, 60 * asked.minutes, folder, actions=actions, rate_per_s=asked.rate, workers=asked.workers)
    )
    print(f"report: {folder}/report.md")
    for invariant, count in result.findings.counts.items():
        print(f"VIOLATED {count} times: {invariant}")
    print(result.last_line())
    return 0 if result.holds else 1


if __name__ == "__main__":
    sys.exit(main())
