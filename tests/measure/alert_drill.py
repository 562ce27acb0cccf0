"""Real faults, real alerts: what fires how long after a fault, and what ends it.

A real Prometheus scrapes a real stack every second, with the rules of deploy/prometheus/alerts.yml whose times are
divided by `--shorter`, or by what a fault needs: a time in the table times that number is about what production would
see, where the alert has a window at all.  Then each fault is made, and the step of its runbook page is done once the
alert fires.
"""

import asyncio
import contextlib
import json
import logging
import time
from argparse import Namespace
from collections.abc import Callable
from typing import Final

import drill_messages
import drill_models
import drill_servers
import drill_workers
from drill import Drill, Fault, set_up
from prometheus import Prometheus
from stage import Stage, arguments_of, run, say, show

CLEARS_WITHIN_S: Final = 240.0
FAULTS: Final = (*drill_servers.FAULTS, *drill_workers.FAULTS, *drill_messages.FAULTS, *drill_models.FAULTS)

Firing = dict[str, dict[str, object]]


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Make every fault, or those whose alerts are named."""
    faults = [fault for fault in FAULTS if not chosen.only or fault.alert in chosen.only]
    others = {fault.shorter for fault in faults if fault.shorter is not None}
    async with set_up(stage, chosen.shorter, others) as drill:
        show("| fault | alert | ÷ | fired after | cleared after | by | beside it |")
        show("| --- | --- | --- | --- | --- | --- | --- |")
        for fault in faults:
            show(await tried(drill, fault))


async def tried(drill: Drill, fault: Fault) -> str:
    """Return the row of a fault."""
    divisor = fault.shorter or drill.shorter
    server = drill.watching[divisor]

    def fires(firing: Firing) -> bool:
        return fault.alert in firing

    def is_over(firing: Firing) -> bool:
        return fault.alert not in firing

    await until(server, is_over, CLEARS_WITHIN_S)
    await fault.before(drill)
    say(fault.what)
    seen: set[str] = set()
    watching = asyncio.create_task(watch(drill.prometheus, seen))
    since_s = time.perf_counter()
    await fault.make(drill)
    fired = await until(server, fires, fault.fires_within_s)
    fired_s = time.perf_counter() - since_s
    if fired is not None:
        say(f"  {json.dumps(fired[fault.alert]['annotations'], ensure_ascii=False)}")
    stayed_s = await stays(server, fault)
    since_s = time.perf_counter()
    await fault.mend(drill)
    mended_s = time.perf_counter() - since_s
    cleared = await until(server, is_over, CLEARS_WITHIN_S)
    cleared_s = time.perf_counter() - since_s
    watching.cancel()
    await fault.after(drill)
    others = ", ".join(link(name) for name in sorted(seen - {fault.alert})) or "nothing"
    after = f"{fired_s:.0f} s" if fired is not None else "**never**"
    if stayed_s is not None:
        after += f", stayed {stayed_s:.0f} s of {fault.lasts_s:.0f} s"
    over = f"{cleared_s:.0f} s (the step: {mended_s:.0f} s)" if cleared is not None else "**never**"
    if fired is None:
        over = "—"
    return f"| {fault.what} | {link(fault.alert)} | {divisor} | {after} | {over} | {fault.step} | {others} |"


async def stays(server: Prometheus, fault: Fault) -> float | None:
    """Return for how much of the time an alert fires while nothing is done; None where nobody looks."""
    if not fault.lasts_s:
        return None
    looks = [fault.alert in await server.firing()]
    until_s = time.perf_counter() + fault.lasts_s
    while time.perf_counter() < until_s:
        await asyncio.sleep(0.5)
        looks.append(fault.alert in await server.firing())
    return fault.lasts_s * sum(looks) / len(looks)


def link(alert: str) -> str:
    """Return a link to the page of an alert."""
    return f"[{alert}]({alert}.md)"


async def watch(server: Prometheus, seen: set[str]) -> None:
    """Note, for ever, which alerts begin to fire."""
    before = (await server.firing()).keys()
    while True:
        seen |= (await server.firing()).keys() - before
        await asyncio.sleep(0.25)


async def until(server: Prometheus, holds: Callable[[Firing], bool], deadline_s: float) -> Firing | None:
    """Wait for a set of firing alerts and return it; None at the deadline."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(deadline_s):
            while not holds(firing := await server.firing()):
                await asyncio.sleep(0.25)
            return firing
    return None


if __name__ == "__main__":
    parser = arguments_of(__doc__)
    parser.add_argument("--shorter", type=int, default=20, help="what times are divided by, where nothing else is said")
    parser.add_argument(
        "--only", action="append", metavar="ALERT", help="only faults that raise this one; several times for several"
    )
    options = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # Kafka is killed on purpose
    run(lambda stage: measure(stage, options), options.folder)
