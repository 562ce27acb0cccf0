"""Committed offsets: they only grow, and in the end nothing lies behind them."""

import asyncio
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import Final

from aiokafka import TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import KafkaError

from storm.findings import Findings, Invariant
from streams.consumer_groups import consumer_group

GROUPS: Final[Mapping[str, tuple[str, ...]]] = {
    "musicrec-session": ("musicrec.listens.v1",),
    "musicrec-ranking": ("musicrec.sessions.v1", "musicrec.requests.v1"),
    "musicrec-session-ranking": ("musicrec.listens.v1", "musicrec.requests.v1"),
    "musicrec-outcome": ("musicrec.sessions.v1",),
    "musicrec-embedder": ("musicrec.tracks.v1",),
}


class Offsets:
    """Looks at the groups' offsets now and then.

    Args:
        bootstrap_servers: of the broker.
        findings: what went back is noted here.
        agents: whose groups there are.
    """

    def __init__(self, bootstrap_servers: str, findings: Findings, agents: Iterable[str]) -> None:
        self._groups = {group: GROUPS[group] for group in map(consumer_group, agents)}
        self._bootstrap_servers = bootstrap_servers
        self._findings = findings
        self._committed: dict[tuple[str, TopicPartition], int] = {}

    async def look(self) -> dict[tuple[str, TopicPartition], int]:
        """Return what is committed, and note what went back.

        Raises:
            KafkaError, OSError, TimeoutError: the broker is away.
        """
        admin = AIOKafkaAdminClient(bootstrap_servers=self._bootstrap_servers, request_timeout_ms=5_000)
        try:
            await admin.start()
            for group, topics in self._groups.items():
                for partition, at in (await admin.list_consumer_group_offsets(group)).items():
                    if partition.topic not in topics or at.offset < 0:
                        continue
                    before = self._committed.get((group, partition), 0)
                    if at.offset < before:
                        what = f"{group} went back from {before} to {at.offset} since the last look"
                        place = f"{partition.topic}, partition {partition.partition}"
                        self._findings.add(Invariant.OFFSETS, what, place, time.time_ns() // 1_000_000)
                    self._committed[group, partition] = at.offset
        finally:
            await admin.close()
        return dict(self._committed)

    async def watch(self, every_s: float = 2.0) -> None:
        """Look until cancelled."""
        while True:
            with suppress(KafkaError, OSError, TimeoutError):
                await asyncio.wait_for(self.look(), 10.0)
            await asyncio.sleep(every_s)

    async def behind(self, ends: Mapping[TopicPartition, int]) -> dict[str, int]:
        """Return how many messages each group still has before it, those that have any."""
        committed = await self.look()
        lags = {
            group: sum(
                end - committed.get((group, partition), 0)
                for partition, end in ends.items()
                if partition.topic in topics
            )
            for group, topics in self._groups.items()
        }
        return {group: lag for group, lag in lags.items() if lag > 0}
