"""Two hops through Kafka in one process, by one of two clients, and with or without waiting for each delivery.

    python tests/measure/transport_relay.py CLIENT SERVERS IN MIDDLE OUT

The clients: `aiokafka` and `librdkafka` send on and look no further, the latter in threads and without an event loop:
what each is capable of.  `aiokafka-awaited` and `librdkafka-awaited` take what is there, send it on, and wait on the
event loop until all of it is delivered before they take more, as our agents do.  It prints `relay: ready` when both
hops have their partitions, and ends with SIGTERM.
"""

import asyncio
import signal
import sys
import threading
import uuid
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, Final

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from confluent_kafka import Consumer, KafkaError, Producer

MOST: Final = 500
"""Messages that are taken together."""
POLL_S: Final = 0.2
BATCHES_AHEAD: Final = 2
"""Handed to the loop, before its thread waits for it."""


class Start:
    """Both hops begin together, when both have their partitions; else the first is through before anybody looks."""

    def __init__(self, *sources: str) -> None:
        self._awaited = set(sources)
        self._all = threading.Event()

    def ready(self, source: str) -> None:
        """Tell that a hop has its partitions."""
        self._awaited.discard(source)
        if not self._awaited and not self._all.is_set():
            print("relay: ready", flush=True)
            self._all.set()

    def wait(self) -> None:
        """Wait in a thread."""
        self._all.wait()

    async def wait_on_loop(self) -> None:
        """Wait on the event loop."""
        while not self._all.is_set():
            await asyncio.sleep(0.01)


Hop = Callable[[str, str, str, Start], Awaitable[None]]


async def aiokafka_hop(servers: str, source: str, target: str, start: Start) -> None:
    consumer, producer = await _aiokafka_clients(servers, source, start)
    async for message in consumer:
        await producer.send(target, message.value, key=message.key)


async def aiokafka_awaited_hop(servers: str, source: str, target: str, start: Start) -> None:
    consumer, producer = await _aiokafka_clients(servers, source, start)
    while True:
        found = await consumer.getmany(timeout_ms=200, max_records=MOST)
        messages = [message for records in found.values() for message in records]
        await asyncio.gather(*[await producer.send(target, m.value, key=m.key) for m in messages])


async def librdkafka_hop(servers: str, source: str, target: str, start: Start) -> None:
    await asyncio.to_thread(_relay_in_thread, servers, source, target, start)


async def librdkafka_awaited_hop(servers: str, source: str, target: str, start: Start) -> None:
    consumer = LoopedConsumer(_librdkafka_consumer(servers, source, start))
    producer = LoopedProducer(Producer(_producer_config(servers)))
    while True:
        messages = await consumer.take()
        await start.wait_on_loop()
        await asyncio.gather(*[producer.send(target, m.value(), m.key()) for m in messages])


class LoopedConsumer:
    """Polls in a thread, and hands what it finds to the event loop, a batch at a time."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer
        self._loop = asyncio.get_running_loop()
        self._batches: asyncio.Queue[Sequence[Any]] = asyncio.Queue()
        self._may = threading.Semaphore(BATCHES_AHEAD)
        threading.Thread(target=self._poll, daemon=True).start()

    async def take(self) -> Sequence[Any]:
        """Return the next batch."""
        batch = await self._batches.get()
        self._may.release()
        return batch

    def _poll(self) -> None:
        while True:
            self._may.acquire()
            self._loop.call_soon_threadsafe(self._batches.put_nowait, _polled(self._consumer))


class LoopedProducer:
    """Has a thread wait for deliveries, and resolves their futures on the event loop, all that there are at once."""

    def __init__(self, producer: Producer) -> None:
        self._producer = producer
        self._loop = asyncio.get_running_loop()
        self._done: list[tuple[asyncio.Future[None], KafkaError | None]] = []
        threading.Thread(target=self._poll, daemon=True).start()

    def send(self, topic: str, value: bytes, key: bytes) -> "asyncio.Future[None]":
        """Send; the future is that of the delivery."""
        delivery: asyncio.Future[None] = self._loop.create_future()
        self._producer.produce(topic, value, key, on_delivery=lambda error, _: self._done.append((delivery, error)))
        return delivery

    def _poll(self) -> None:
        while True:
            self._producer.poll(POLL_S)
            if self._done:
                done, self._done = self._done, []
                self._loop.call_soon_threadsafe(_resolve, done)


def _resolve(done: list[tuple["asyncio.Future[None]", KafkaError | None]]) -> None:
    for delivery, error in done:
        if error is None:
            delivery.set_result(None)
        else:
            delivery.set_exception(RuntimeError(str(error)))


def _polled(consumer: Consumer) -> Sequence[Any]:
    """Return what is there, at least one message; a batch that is not full is not waited for."""
    while (first := consumer.poll(POLL_S)) is None or first.error():
        pass
    return [first, *consumer.consume(MOST - 1, 0)]


def _relay_in_thread(servers: str, source: str, target: str, start: Start) -> None:
    consumer, producer = _librdkafka_consumer(servers, source, start), Producer(_producer_config(servers))
    while True:
        messages = _polled(consumer)
        start.wait()
        for message in messages:
            while True:
                try:
                    producer.produce(target, message.value(), message.key())
                    break
                except BufferError:
                    producer.poll(0.01)
        producer.poll(0)


def _librdkafka_consumer(servers: str, source: str, start: Start) -> Consumer:
    consumer = Consumer(
        {
            "bootstrap.servers": servers,
            "group.id": f"relay-{uuid.uuid4()}",
            "auto.offset.reset": "earliest",
            "partition.assignment.strategy": "cooperative-sticky",
            "socket.nagle.disable": True,
        }
    )
    consumer.subscribe([source], on_assign=lambda *_: start.ready(source))
    return consumer


def _producer_config(servers: str) -> dict[str, Any]:
    return {
        "bootstrap.servers": servers,
        "acks": "all",
        "enable.idempotence": True,
        "linger.ms": 0,
        "partitioner": "murmur2_random",
        "socket.nagle.disable": True,
    }


async def _aiokafka_clients(servers: str, source: str, start: Start) -> tuple[AIOKafkaConsumer, AIOKafkaProducer]:
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=servers, group_id=f"relay-{uuid.uuid4()}", auto_offset_reset="earliest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    await producer.start()
    await consumer.start()
    start.ready(source)
    await start.wait_on_loop()
    return consumer, producer


HOPS: Final[dict[str, Hop]] = {
    "aiokafka": aiokafka_hop,
    "librdkafka": librdkafka_hop,
    "aiokafka-awaited": aiokafka_awaited_hop,
    "librdkafka-awaited": librdkafka_awaited_hop,
}


async def main(client: str, servers: str, first: str, middle: str, last: str) -> None:
    """Relay until SIGTERM; nothing needs to be put in order then."""
    start, hop = Start(first, middle), HOPS[client]
    hops = [hop(servers, source, target, start) for source, target in ((first, middle), (middle, last))]
    await asyncio.gather(*hops)


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(main(*sys.argv[1:6]))
