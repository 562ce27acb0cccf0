"""A broker whose topics are not those of the table is refused at the start, by the topic's name."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from aiokafka.admin import AIOKafkaAdminClient
from conftest import start_worker
from secured_servers import SecuredKafka
from services import NO_REDIS, REFUSED, command, status_of

from musicrec.local import StackAddresses
from musicrec.topics import REQUESTS
from streams.topic_admin import create_missing_topics

pytestmark = pytest.mark.kafka


async def delete(kafka: SecuredKafka, topic: str) -> None:
    client = AIOKafkaAdminClient(**kafka.administrator.client_options())
    await client.start()
    await client.delete_topics([topic])
    await client.close()


@asynccontextmanager
async def without_requests(kafka: SecuredKafka) -> AsyncIterator[None]:
    await delete(kafka, REQUESTS.name)
    try:
        yield
    finally:
        await delete(kafka, REQUESTS.name)
        await create_missing_topics(kafka.administrator)


@pytest.mark.row(38)
async def test_a_missing_topic_and_one_with_another_number_of_partitions_are_named(
    secured_kafka: SecuredKafka, tmp_path: Path
) -> None:
    stack = StackAddresses(secured_kafka.administrator, NO_REDIS)

    async def said_by_a_worker() -> str:
        worker = start_worker(stack, tmp_path, "ranking", MUSICREC_AGENT__START_DEADLINE_S="0")
        assert await status_of(worker) == REFUSED
        first, _address, line = worker.log_file.read_text().splitlines()
        assert first == "ranking: starting"
        return line

    async with without_requests(secured_kafka):
        assert f"lacks {REQUESTS.name}: `musicrec topics` creates them" in await said_by_a_worker()
        await create_missing_topics(secured_kafka.administrator, [replace(REQUESTS, partitions=3)])
        differs = f"{REQUESTS.name} has 3 partitions and needs {REQUESTS.partitions}"
        assert differs in await said_by_a_worker()
        status, said = await command(stack, tmp_path, "topics")
        assert (status, differs in said, "Traceback" in said) == (REFUSED, True, False)
