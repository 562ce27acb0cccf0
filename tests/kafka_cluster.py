"""Three real brokers that hold three copies of everything, each of them controller and broker."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from conftest import skip_or_fail

from musicrec.errors import MusicrecError
from musicrec.local.kafka_server import KafkaServer
from musicrec.settings import KafkaSettings
from streams.topic_admin import create_missing_topics

REPLICAS = 3


class KafkaCluster:
    """The brokers; the topics of the table have three replicas, of which two have to have what is acknowledged."""

    def __init__(self, folder: Path) -> None:
        self.brokers = [KafkaServer(folder / f"kafka-{number}", heap_mib=256) for number in range(REPLICAS)]
        voters = ",".join(f"{number}@{broker.controller}" for number, broker in enumerate(self.brokers, start=1))
        for number, broker in enumerate(self.brokers, start=1):
            broker.cluster_id = self.brokers[0].cluster_id
            broker.properties = {
                "node.id": str(number),
                "controller.quorum.voters": voters,
                "offsets.topic.replication.factor": str(REPLICAS),
                "transaction.state.log.replication.factor": str(REPLICAS),
                "transaction.state.log.min.isr": "2",
                # A broker that is gone is noticed within seconds, as in production.
                "broker.session.timeout.ms": "6000",
                "replica.lag.time.max.ms": "6000",
            }

    @property
    def settings(self) -> KafkaSettings:
        """All brokers."""
        return KafkaSettings(bootstrap_servers=",".join(broker.bootstrap_servers for broker in self.brokers))

    async def start(self) -> None:
        await asyncio.gather(*(broker.start() for broker in self.brokers))
        await create_missing_topics(self.settings, replication_factor=REPLICAS)

    async def stop(self) -> None:
        await asyncio.gather(*(broker.stop() for broker in self.brokers))


@asynccontextmanager
async def three_brokers(folder: Path) -> AsyncIterator[KafkaCluster]:
    """Give a running cluster."""
    cluster = KafkaCluster(folder)
    try:
        await cluster.start()
    except MusicrecError as error:
        skip_or_fail(f"no Kafka: {error}")
    try:
        yield cluster
    finally:
        await cluster.stop()
