"""The anchor of `bench path`: two hops of bare aiokafka in one process, no batching, nothing done on the way.

    python -m musicrec.bench.relay HOST:PORT IN MIDDLE OUT

It prints `relay: ready` when both hops read, and ends with SIGTERM.
"""

import asyncio
import signal
import sys

import uvloop
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer


async def _hop(servers: str, source: str, target: str, ready: asyncio.Event) -> None:
    consumer = AIOKafkaConsumer(
        source, bootstrap_servers=servers, group_id=f"relay-{source}", auto_offset_reset="latest"
    )
    producer = AIOKafkaProducer(bootstrap_servers=servers, acks="all", enable_idempotence=True)
    await producer.start()
    await consumer.start()
    try:
        await consumer.seek_to_end()
        for partition in consumer.assignment():
            await consumer.position(partition)
        ready.set()
        async for message in consumer:
            await producer.send(target, message.value, key=message.key)
    finally:
        await consumer.stop()
        await producer.stop()


async def _main(servers: str, first: str, middle: str, last: str) -> None:
    hops = [(first, middle), (middle, last)]
    ready = [asyncio.Event() for _ in hops]
    tasks = [asyncio.create_task(_hop(servers, *hop, event)) for hop, event in zip(hops, ready, strict=True)]
    for event in ready:
        await event.wait()
    print("relay: ready", flush=True)
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    await stop.wait()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_main(*sys.argv[1:5]))
