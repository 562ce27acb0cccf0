"""What the Kafka client costs: two hops through a real broker by aiokafka and by librdkafka, turn by turn.

Nothing is done on the way; `transport_relay.py` says what each relay is.  Latency is that of produce, hop, hop, consume
at a rate, by the same probe for all; flat out the events lie in the first topic before the relay starts, and the rate
is that at which the last topic grows.  CPU is the relay's own, both hops, user and system.
"""

import asyncio
import logging
import sys
import time
from argparse import Namespace
from collections import defaultdict
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Final

import reach_tests  # noqa: F401
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewTopic
from pydantic_core import from_json
from stage import Stage, arguments_of, run, say, show
from transport_relay import HOPS
from usage import cpu_s

from musicrec.bench.listen_load import listen_load
from musicrec.bench.path_probe import PathProbe, until_ready
from musicrec.bench.percentiles import Latency
from musicrec.local.child_process import ChildProcess
from musicrec.settings import KafkaSettings

PARTITIONS: Final = 12
"""As of the topics keyed by listener."""
WARM_UP_EVENTS: Final = 200
LOOK_EVERY_S: Final = 0.05
DEADLINE_S: Final = 120.0
RELAY: Final = Path(__file__).resolve().with_name("transport_relay.py")

Figures = dict[str, float]


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Measure every client in every round, and print a line for each with the median of its rounds."""
    rounds: dict[str, list[Figures]] = defaultdict(list)
    for number in range(chosen.rounds):
        for client in chosen.clients:
            say(f"round {number + 1}: {client}")
            figures: Figures = {}
            for rate in chosen.rates:
                figures |= await paced(stage, client, rate, chosen.seconds)
            figures |= await flat_out(stage, client, chosen.flat_out)
            rounds[client].append(figures)
            say(f"  {', '.join(f'{name}: {value:.4g}' for name, value in figures.items())}")
    for client, each in rounds.items():
        show(client)
        for name in each[0]:
            values = [figures[name] for figures in each]
            show(f"  {name}: {median(values):.4g}  (rounds: {', '.join(f'{value:.4g}' for value in values)})")


async def paced(stage: Stage, client: str, rate: float, seconds: float) -> Figures:
    """Return latency and CPU of a relay at a rate."""
    kafka = stage.stack.kafka
    first, middle, last = await new_topics(kafka)
    relay = start(stage, client, first, middle, last)
    try:
        await until_ready(relay)
        async with PathProbe(kafka, first, last, _relayed_event) as probe:
            await probe.run(listen_load("warm-up"), rate_per_s=rate, count=WARM_UP_EVENTS)
            before_s, count = cpu_s(relay), round(rate * seconds)
            latency = Latency.of_seconds(await probe.run(listen_load("paced"), rate_per_s=rate, count=count))
            used_s = cpu_s(relay) - before_s
    finally:
        await relay.stop()
    return {
        f"p50 ms at {rate:g}/s": latency.p50_ms,
        f"p99 ms at {rate:g}/s": latency.p99_ms,
        f"CPU us/event at {rate:g}/s": used_s / count * 1e6,
    }


async def flat_out(stage: Stage, client: str, count: int) -> Figures:
    """Return rate and CPU of a relay that finds all events there."""
    kafka = stage.stack.kafka
    first, middle, last = await new_topics(kafka)
    async with AIOKafkaProducer(**kafka.client_options(), acks="all", enable_idempotence=True, linger_ms=5) as producer:
        sent = [
            await producer.send(first, event.encode(), key=event.user_id.encode())
            for event in islice(listen_load("flat-out"), count)
        ]
        await asyncio.gather(*sent)
    partitions = [TopicPartition(last, number) for number in range(PARTITIONS)]
    async with AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False) as consumer:
        relay = start(stage, client, first, middle, last)
        try:
            await until_ready(relay)
            began_s, began_cpu_s = time.perf_counter(), cpu_s(relay)
            async with asyncio.timeout(DEADLINE_S):
                while sum((await consumer.end_offsets(partitions)).values()) < count:
                    relay.check_alive()
                    await asyncio.sleep(LOOK_EVERY_S)
            took_s, used_s = time.perf_counter() - began_s, cpu_s(relay) - began_cpu_s
        finally:
            await relay.stop()
    return {"events/s flat out": count / took_s, "CPU us/event flat out": used_s / count * 1e6}


def start(stage: Stage, client: str, *topics: str) -> ChildProcess:
    """Start a relay."""
    command = [sys.executable, RELAY, client, stage.stack.kafka.bootstrap_servers, *topics]
    relay = ChildProcess.start(client, command, stage.folder / f"{client}.log")
    stage.workers[client] = relay
    return relay


async def new_topics(kafka: KafkaSettings) -> list[str]:
    """Create three empty topics."""
    names = [f"transports.{time.time_ns():x}.{place}" for place in ("first", "middle", "last")]
    client = AIOKafkaAdminClient(**kafka.client_options())
    await client.start()
    try:
        await client.create_topics([NewTopic(name, PARTITIONS, 1) for name in names])
    finally:
        await client.close()
    return names


def _relayed_event(record: ConsumerRecord) -> list[str]:
    return [from_json(record.value)["event_id"]]


def main() -> None:
    """Read the command line and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--clients", nargs="+", choices=HOPS, default=[*HOPS], help="which, in which order")
    parser.add_argument("--rates", nargs="*", type=float, default=[200.0, 1000.0], help="events per second")
    parser.add_argument("--seconds", type=float, default=8.0, help="at each rate")
    parser.add_argument("--flat-out", type=int, default=100_000, help="events")
    parser.add_argument("--rounds", type=int, default=3, help="the figures are their medians")
    chosen = parser.parse_args()
    logging.getLogger("aiokafka").setLevel(
        logging.CRITICAL
    )  # a new topic has no leader yet when it is first written to
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
