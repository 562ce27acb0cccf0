"""A bot among listeners: what the others notice, on its partition and on the other ones.

Others publish at a steady rate, first alone, then while one listener publishes 10,000 events a minute, then while it
publishes as fast as the broker takes them.  One session worker and one ranking worker have all partitions, so whatever
keeps the bot apart from the others is the workers' doing.
"""

import asyncio
import time
from argparse import Namespace
from collections.abc import Iterator

import numpy as np
from live_path import LivePath, partition_of, percentiles
from stage import Stage, arguments_of, run, say, show

from musicrec.bench.listen_load import TRACKS, listen_load
from musicrec.contracts import EventType, ListenEvent

BOT = "bot"
PER_MINUTE = 10_000
EVERY_MS = 60_000 // PER_MINUTE
DRAIN_DEADLINE_S = 600.0


def bot_events(name: str) -> Iterator[ListenEvent]:
    """Yield one listener's plays without end, one after the other in an endless session: the longest snapshots."""
    random = np.random.default_rng(7)
    start_ms, number = time.time_ns() // 1_000_000, 0
    while True:
        for track in random.integers(0, TRACKS, 4096).tolist():
            yield ListenEvent(
                event_id=f"{name}-bot-{number}",
                user_id=BOT,
                type=EventType.PLAY,
                occurred_at_ms=start_ms + number,
                track_id=f"track-{track}",
                ms_played=EVERY_MS,
                duration_ms=200_000,
            )
            number += 1


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Run the phases and print a line for each."""
    await stage.start_all("session", "ranking")
    kafka = stage.stack.kafka
    # The bot has a client of its own: what is measured is not how the others wait for its producer.
    async with LivePath.on(kafka) as path, LivePath.on(kafka) as bot:
        say("warming up")
        await path.publish("warm-up", listen_load("warm-up"), rate_per_s=chosen.rate, count=round(chosen.rate * 10))
        await bot.publish("warm-up", bot_events("long-session"), count=300)
        await bot.all_answered(DRAIN_DEADLINE_S)
        show(f"others at {chosen.rate:g}/s, the bot on partition {partition_of(BOT)}")
        await phase(path, bot, chosen, "alone", None)
        await phase(path, bot, chosen, f"bot at {PER_MINUTE:,}/min", PER_MINUTE / 60)
        await phase(path, bot, chosen, "bot flat out", 0.0)
        await phase(path, bot, chosen, "alone again", None)


async def phase(path: LivePath, bot: LivePath, chosen: Namespace, name: str, bot_per_s: float | None) -> None:
    """Let the others publish, and the bot beside them: not at all for None, flat out for 0."""
    say(f"{name}: {chosen.seconds:g} s")
    began_s, flood = time.perf_counter(), None
    if bot_per_s is not None:
        count = round(bot_per_s * chosen.seconds) or chosen.flat_out
        flood = asyncio.create_task(bot.publish(name, bot_events(name), rate_per_s=bot_per_s or None, count=count))
    await path.publish(name, listen_load(name), rate_per_s=chosen.rate, count=round(chosen.rate * chosen.seconds))
    if flood is not None:
        sent = await flood
        await bot.all_answered(DRAIN_DEADLINE_S)
    await path.all_answered(DRAIN_DEADLINE_S)
    answers, hot = path.answers[name], partition_of(BOT)
    show(f"{name}")
    show(f"  others on its partition:     {percentiles([a for a in answers if a.partition == hot])}")
    show(f"  others on other partitions:  {percentiles([a for a in answers if a.partition != hot])}")
    if flood is not None:
        took_s = max(answer.due_s + answer.took_s for answer in bot.answers[name]) - began_s
        show(f"  bot: {sent:,} events, all answered {took_s:.1f} s after its first: {sent / took_s:,.0f}/s")


def main() -> None:
    """Read the command line and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--rate", type=float, default=50.0, help="events of the others, per second")
    parser.add_argument("--seconds", type=float, default=20.0, help="length of each phase")
    parser.add_argument("--flat-out", type=int, default=10_000, help="events of the bot when it is flat out")
    chosen = parser.parse_args()
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
