"""A backlog drains: how fast, and what listeners who are there meanwhile notice.

Session, ranking and outcome workers are away while events of many listeners pile up; when these have become stale the
workers start.  Live listeners publish all the while from then on: half of them new, half with events in the backlog.
"""

import asyncio
import time
from argparse import Namespace
from collections.abc import Mapping

import reach_tests  # noqa: F401
from conftest import until_ready
from live_path import Answer, LivePath, percentiles
from stage import READY_DEADLINE_S, Stage, arguments_of, run, say, show
from usage import look, peak_rss_mb

from musicrec.bench.listen_load import listen_load
from musicrec.topics import SESSIONS
from streams.metrics import EVENTS, EventOutcome
from streams.web.broker_survey import BrokerSurvey

AGENTS = ("session", "ranking", "outcome")
WARM_UP, WARM_UP_PER_S = 2_000, 200.0
DRAIN_DEADLINE_S = 7_200.0
ASK_EVERY_S = 1.0
SETTLE_S = 5.0
"""After which a live event that has no list gets none."""
FIRST_S = 60.0
"""Meanwhile what lags is still being read ahead."""
FEW = 200
"""Live events are always on their way, and commits are a second behind."""


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Let events pile up, drain them, print."""
    stale = {"MUSICREC_RANKING__STALE_AFTER_MS": str(round(chosen.stale_after_s * 1000))}
    async with LivePath.on(stage.stack.kafka) as path:
        # Groups that have never committed have no lag, and workers that are restarted have a memory.
        await stage.start_all(*AGENTS, **stale)
        await path.publish("warm-up", listen_load("warm-up"), rate_per_s=WARM_UP_PER_S, count=WARM_UP)
        await path.all_answered(60.0)
        before = {name: look(worker).rss_mb for name, worker in stage.workers.items()}
        await stage.stop()
        say(f"workers are away, {chosen.events:,} events pile up")
        began_s = time.perf_counter()
        await path.publish("backlog", listen_load("backlog"), count=chosen.events, timed=False)
        say(f"published at {chosen.events / (time.perf_counter() - began_s):,.0f}/s; waiting until all are stale")
        await asyncio.sleep(chosen.stale_after_s + 1.0)
        for agent in AGENTS:
            for instance in range(chosen.workers if agent != "outcome" else 1):
                stage.start(agent, str(instance), **stale)
        for worker in stage.workers.values():
            await until_ready(worker, READY_DEADLINE_S)
        await drain(stage, path, chosen, before)


async def drain(stage: Stage, path: LivePath, chosen: Namespace, before: Mapping[str, float]) -> None:
    """Publish live events while the backlog drains, and a while after."""
    over = asyncio.Event()
    loads = {"new": listen_load("new"), "known": listen_load("known", listeners_of="backlog")}
    live = [
        asyncio.create_task(path.publish(group, load, rate_per_s=chosen.live_per_s / 2, until=over))
        for group, load in loads.items()
    ]
    began_s = time.perf_counter()
    drained_s = await _drained(stage, began_s)
    ended_s = time.perf_counter()
    say(f"drained; {chosen.after_s:g} s of live listeners alone")
    await asyncio.sleep(chosen.after_s)
    over.set()
    published = sum(await asyncio.gather(*live))
    await asyncio.sleep(SETTLE_S)
    for name, seconds in drained_s.items():
        show(f"{name}: drained in {seconds:.1f} s, {chosen.events / seconds:,.0f} events/s")
    counts = [await stage.counts(f"ranking-{instance}") for instance in range(chosen.workers)]
    for outcome in (EventOutcome.LISTED, EventOutcome.STALE, EventOutcome.PASSED_OVER):
        key = (EVENTS.name, outcome.value, SESSIONS.name)
        show(f"{outcome.value}: {sum(each.get(key, 0) for each in counts):,.0f}")
    show(f"live events that had become stale before their turn: {path.unanswered} of {published}")
    first_s = began_s + FIRST_S
    for group in loads:
        answers = path.answers[group]
        show(f"{group} listeners, first {FIRST_S:g} s of the drain: {percentiles(_due(answers, began_s, first_s))}")
        show(f"{group} listeners, rest of the drain: {percentiles(_due(answers, first_s, ended_s))}")
        show(f"{group} listeners, after it: {percentiles(_due(answers, ended_s + 1.0, time.perf_counter()))}")
    for name, worker in stage.workers.items():
        peak, now = peak_rss_mb(worker), look(worker).rss_mb
        earlier = f"{before[name]:.0f} MB before the backlog, " if name in before else ""
        show(f"{name}: {earlier}{peak:.0f} MB at most, {now:.0f} at the end")


async def _drained(stage: Stage, began_s: float) -> dict[str, float]:
    """Return the seconds after which each agent had nothing of the backlog left."""
    drained: dict[str, float] = {}
    async with asyncio.timeout(DRAIN_DEADLINE_S), BrokerSurvey(stage.stack.kafka) as lag:
        while len(drained) < len(AGENTS):
            await asyncio.sleep(ASK_EVERY_S)
            for worker in stage.workers.values():
                worker.check_alive()
            left = {agent: behind or 0 for agent, behind in (await lag.lags()).items()}
            say("left: " + ", ".join(f"{agent} {left[agent]:,}" for agent in AGENTS))
            # The topic of the later agents grows until the session agent is through.
            for agent in AGENTS if left["session"] < FEW else ():
                if left[agent] < FEW:
                    drained.setdefault(agent, time.perf_counter() - began_s)
    return drained


def _due(answers: list[Answer], from_s: float, to_s: float) -> list[Answer]:
    return [answer for answer in answers if from_s <= answer.due_s < to_s]


def main() -> None:
    """Read the command line and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--events", type=int, default=20_000, help="that pile up")
    stale = "above the time of the drain, or live events become stale too; 0 has every event of the backlog answered"
    parser.add_argument("--stale-after-s", type=float, default=60.0, help=stale)
    parser.add_argument("--workers", type=int, default=1, help="session workers, and as many ranking workers")
    parser.add_argument("--live-per-s", type=float, default=20.0, help="events of live listeners")
    parser.add_argument("--after-s", type=float, default=20.0, help="live listeners alone, after the drain")
    chosen = parser.parse_args()
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
