"""Kafka goes away after a worker has found it and before the worker has joined its group."""

import gc
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from storm.proxy import Proxy

from musicrec.errors import Unavailable
from musicrec.local import StackAddresses
from musicrec.settings import KafkaSettings, Settings
from streams.counters import Counters
from streams.health import Health
from streams.worker import Handlers, run_handlers

pytestmark = [pytest.mark.kafka, pytest.mark.row(1)]


async def test_the_start_ends_with_one_line_that_names_the_server(stack: StackAddresses, tmp_path: Path) -> None:
    proxy = Proxy()
    await proxy.start(int(stack.kafka.bootstrap_servers.rpartition(":")[2]))
    before = f"127.0.0.1:{proxy.port}"

    async def build(settings: Settings, counters: Counters, health: Health, exits: AsyncExitStack) -> Handlers:
        await proxy.stop()
        return []

    settings = Settings(kafka=KafkaSettings(bootstrap_servers=before), redis=stack.redis, data_dir=tmp_path)
    thresholds = gc.get_threshold()
    try:
        with pytest.raises(Unavailable, match=f"Kafka at {before} went away"):
            await run_handlers("nobody", settings, build)
    finally:
        gc.set_threshold(*thresholds)
