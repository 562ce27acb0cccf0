"""`musicrec up`: the embedded stack in the foreground."""

import asyncio
import shlex
import signal
from pathlib import Path

import typer

from musicrec.cli.connection import DataDir, KafkaServers, RedisUrl, kafka_settings, redis_settings


async def _serve(data_dir: Path, kafka: str | None, redis: str | None) -> None:
    from musicrec.local import EmbeddedStack
    from streams.topic_admin import create_missing_topics

    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        asyncio.get_running_loop().add_signal_handler(number, stop.set)
    async with EmbeddedStack(data_dir, kafka=kafka_settings(kafka), redis=redis_settings(redis)) as stack:
        await create_missing_topics(stack.addresses.kafka)
        secrets = stack.addresses.secrets()
        for name, value in stack.addresses.environment().items():
            # Whoever gave the secret has it; a terminal keeps what it shows.
            typer.echo(f"# export {name}=(secret)" if name in secrets else f"export {name}={shlex.quote(value)}")
        typer.echo(f"# Kafka and Redis are up, data in {data_dir}; Ctrl-C stops them")
        while not stop.is_set():
            for server in (stack.kafka_server, stack.valkey_server):
                if server is not None:
                    server.process.check_alive()
            await asyncio.sleep(0.2)


def command(data_dir: DataDir = Path(".data"), kafka: KafkaServers = None, redis: RedisUrl = None) -> None:
    """Start the embedded Kafka and Valkey, create the topics, print their addresses, and keep them running.

    Passwords of servers that are there already are not printed.
    """
    asyncio.run(_serve(data_dir, kafka, redis))
