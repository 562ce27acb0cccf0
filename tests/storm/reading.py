"""Topics from their beginnings to their ends."""

from collections.abc import AsyncIterator, Sequence

from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition

from musicrec.topics import TOPICS


def partitions_of(*topics: str) -> list[TopicPartition]:
    """Return all partitions of these topics, or of all topics."""
    return [TopicPartition(t.name, p) for t in TOPICS if not topics or t.name in topics for p in range(t.partitions)]


async def ends(consumer: AIOKafkaConsumer) -> dict[TopicPartition, int]:
    """Return where all topics end."""
    found: dict[TopicPartition, int] = await consumer.end_offsets(partitions_of())
    return found


async def records(consumer: AIOKafkaConsumer, topics: Sequence[str]) -> AsyncIterator[ConsumerRecord]:
    """Yield what stands on topics now, each partition in order."""
    partitions = partitions_of(*topics)
    consumer.assign(partitions)
    await consumer.seek_to_beginning(*partitions)
    last = await consumer.end_offsets(partitions)
    open_ = {partition for partition in partitions if last[partition] > 0}
    while open_:
        for batch in (await consumer.getmany(timeout_ms=1_000)).values():
            for record in batch:
                yield record
        for partition in list(open_):
            if await consumer.position(partition) >= last[partition]:
                open_.discard(partition)
