"""A server is away for long: what the workers hold meanwhile, and how they catch up.

Redis is away while events go on being published, which Kafka keeps; when Kafka is away nobody can publish, and the
workers only wait.  `--suspended` stops the server's process in mid-flight instead: connections stay, nothing answers.
Afterwards the topics are read from the beginning: each event applied once, each answered, by one list.
"""

import asyncio
import signal
import time
from argparse import Namespace
from collections import defaultdict
from collections.abc import Iterator, Sequence

import reach_tests  # noqa: F401
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from aiokafka.errors import KafkaError
from audience import passing_listeners
from history import (
    answers,
    assert_each_applied_once,
    assert_each_list_answers_one_event,
    assert_states_hold_each_once,
    summary,
)
from live_path import LivePath, partition_of, percentiles
from stage import Stage, arguments_of, run, say, show
from usage import Watch, peak_rss_mb

from musicrec.contracts import ListenEvent
from musicrec.topics import RECOMMENDATIONS, SESSIONS, USER_PARTITIONS, Topic
from streams.web.broker_survey import BrokerSurvey

AGENTS = ("session", "ranking", "outcome")
BEFORE_S, AFTER_S = 10.0, 10.0
LONGER_THAN_AWAY_S = 600.0
CATCH_UP_DEADLINE_S = 3_600.0


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Take the server away, give it back, wait, check."""
    away_s = chosen.minutes * 60
    variables = {
        "MUSICREC_AGENT__RETRY_DEADLINE_S": str(away_s + LONGER_THAN_AWAY_S),
        "MUSICREC_RANKING__STALE_AFTER_MS": "0",  # every event is to be answered, however long it waited
    }
    await stage.start_all(*AGENTS, **variables)
    published: list[ListenEvent] = []
    events = _kept(passing_listeners("listener"), published)
    async with LivePath.on(stage.stack.kafka) as path:
        await path.publish("before", events, rate_per_s=chosen.rate, count=round(chosen.rate * BEFORE_S))
        await path.all_answered(CATCH_UP_DEADLINE_S)
        watch = Watch(stage.workers)
        show(f"before:     {watch.look()}")
        over = asyncio.Event()
        load: asyncio.Task[int] | None = None
        if chosen.server == "redis":
            load = asyncio.create_task(path.publish("meanwhile", events, rate_per_s=chosen.rate, until=over))
            await asyncio.sleep(1.0)
        await take_away(stage, chosen)
        began_s = time.perf_counter()
        while (passed_s := time.perf_counter() - began_s) < away_s:
            await asyncio.sleep(min(chosen.every_s, away_s - passed_s))
            show(f"{(time.perf_counter() - began_s) / 60:5.1f} min:  {watch.look()}")
        over.set()
        if load is not None:
            await load
        back_s = await give_back(stage, chosen)
        await caught_up(stage, path, back_s)
        await path.publish("after", events, rate_per_s=chosen.rate, count=round(chosen.rate * AFTER_S))
        await path.all_answered(CATCH_UP_DEADLINE_S)
        show(f"afterwards: {watch.look()}")
        for name, worker in stage.workers.items():
            show(f"{name}: {peak_rss_mb(worker):.0f} MB at most")
        show(f"event to list at {chosen.rate:g}/s before: {percentiles(path.answers['before'])}")
        show(f"event to list at {chosen.rate:g}/s after:  {percentiles(path.answers['after'])}")
        await check(stage, path, published)


async def take_away(stage: Stage, chosen: Namespace) -> None:
    """Stop or suspend the server."""
    server = stage.servers.valkey_server if chosen.server == "redis" else stage.servers.kafka_server
    assert server is not None
    say(f"{chosen.server} is {'suspended' if chosen.suspended else 'stopped'} for {chosen.minutes:g} min")
    if chosen.suspended:
        server.process.signal(signal.SIGSTOP)
    else:
        await server.stop()


async def give_back(stage: Stage, chosen: Namespace) -> float:
    """Have the server answer again; return when it did."""
    server = stage.servers.valkey_server if chosen.server == "redis" else stage.servers.kafka_server
    assert server is not None
    if chosen.suspended:
        server.process.signal(signal.SIGCONT)
    else:
        await server.start()
    return time.perf_counter()


async def caught_up(stage: Stage, path: LivePath, back_s: float) -> None:
    """Wait until all that waited is answered; print what waited and how long it took."""
    waited = path.unanswered
    async with BrokerSurvey(stage.stack.kafka) as lag:
        left = await _measured(lag)
        show("left when the server is back: " + ", ".join(f"{agent} {left[agent]:,}" for agent in AGENTS))
        await path.all_answered(CATCH_UP_DEADLINE_S)
        took_s = time.perf_counter() - back_s
        late = [answer.due_s + answer.took_s for answer in path.answers["meanwhile"]]
        first = min((at_s - back_s for at_s in late if at_s > back_s), default=None)
        if first is not None:
            show(f"first list {first:.1f} s after the server was back; all {waited:,} answered after {took_s:.1f} s")


async def _measured(lag: BrokerSurvey) -> dict[str, int | None]:
    """Return what is left; a broker that has just come back takes its time to say."""
    async with asyncio.timeout(CATCH_UP_DEADLINE_S):
        while True:
            try:
                return dict(await lag.lags())
            except KafkaError:
                await asyncio.sleep(1.0)


async def check(stage: Stage, path: LivePath, published: Sequence[ListenEvent]) -> None:
    """Read both topics from their beginning, a partition at a time, and print one line of counts.

    Raises:
        AssertionError: an event is not applied once, or not answered.
    """
    say("checking that each event was applied once and answered")
    of_partition: dict[int, list[ListenEvent]] = defaultdict(list)
    for event in published:
        of_partition[partition_of(event.user_id)].append(event)
    for number in range(USER_PARTITIONS):
        events = of_partition[number]
        snapshots, lists = [await _all_of(stage, topic, number) for topic in (SESSIONS, RECOMMENDATIONS)]
        assert_each_applied_once(events, snapshots)
        assert_each_list_answers_one_event(lists)
        missing = {event.event_id for event in events} - answers(lists).keys()
        assert not missing, f"{len(missing)} of {len(events)} events on partition {number} are not answered"
        say(f"partition {number}: {summary(len(events), snapshots, lists=lists)}")
    await assert_states_hold_each_once(stage.stack, published)
    show(f"events={len(published)} applied={len(published)} answered={len(published)} lost=0 twice=0")


async def _all_of(stage: Stage, topic: Topic, number: int) -> list[ConsumerRecord]:
    partition = TopicPartition(topic.name, number)
    records: list[ConsumerRecord] = []
    options = stage.stack.kafka.client_options()
    async with AIOKafkaConsumer(**options, enable_auto_commit=False) as consumer:
        consumer.assign([partition])
        consumer.seek(partition, 0)
        end = (await consumer.end_offsets([partition]))[partition]
        while await consumer.position(partition) < end:
            records += (await consumer.getmany(partition, timeout_ms=1_000)).get(partition, [])
    return records


def _kept(events: Iterator[ListenEvent], published: list[ListenEvent]) -> Iterator[ListenEvent]:
    for event in events:
        published.append(event)
        yield event


def main() -> None:
    """Read the command line and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--server", choices=("redis", "kafka"), default="redis")
    parser.add_argument("--suspended", action="store_true", help="SIGSTOP instead of a stop")
    parser.add_argument("--minutes", type=float, default=2.0, help="for which it is away")
    parser.add_argument("--rate", type=float, default=50.0, help="events per second")
    parser.add_argument("--every-s", type=float, default=60.0, help="between two looks at the workers")
    chosen = parser.parse_args()
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
