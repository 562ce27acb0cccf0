"""The numbers by which a broker knows what an idempotent producer has sent, and what aiokafka leaves to its users."""

import asyncio
from contextlib import suppress

from aiokafka import AIOKafkaProducer


def begin_anew(producer: AIOKafkaProducer) -> None:
    """Have a producer be another one from here on, for after a delivery that has failed for good.

    aiokafka has numbered what the broker refused; the broker waits for that number, and refuses all that follows.
    What is still on its way keeps its old number.
    """
    numbering = producer._txn_manager
    numbering.__init__(None, numbering.transaction_timeout_ms)


async def close_at_once(producer: AIOKafkaProducer) -> None:
    """Close a producer without sending what waits in it, for which `stop` would wait as long as no broker answers."""
    producer._closed = True
    with suppress(asyncio.CancelledError):
        await producer._sender.close()
    await producer.client.close()
