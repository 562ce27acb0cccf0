"""`musicrec conformance`: whether what a platform publishes keeps the contract."""

import asyncio
import json
import time
from collections.abc import AsyncIterator
from enum import StrEnum
from typing import Annotated

import typer
from aiokafka import AIOKafkaConsumer, ConsumerRecord, TopicPartition
from rich.console import Console
from rich.table import Table

from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.conformance import Conformance, Finding, Message, Verdict
from musicrec.dead_letters.letter import Place
from musicrec.dead_letters.reader import Span, TopicReader
from musicrec.dead_letters.selection import ANY_OFFSET
from musicrec.kafka_access import count_partitions
from musicrec.settings import KafkaSettings, load_settings
from musicrec.topics import LISTENS, REQUESTS, TRACKS

FAILED = 1
"""Exit status where a check fails."""


class Contract(StrEnum):
    """What may be published."""

    LISTENS = "listens"
    TRACKS = "tracks"
    REQUESTS = "requests"


TOPICS = {Contract.LISTENS: LISTENS, Contract.TRACKS: TRACKS, Contract.REQUESTS: REQUESTS}
COLOURS = {Verdict.HOLDS: "green", Verdict.WARNS: "yellow", Verdict.FAILS: "red", Verdict.UNSEEN: "dim"}


def command(
    contract: Annotated[Contract, typer.Argument(help="What is published.")] = Contract.LISTENS,
    topic: Annotated[str | None, typer.Option(help="Where, if on a topic of another name.")] = None,
    last: Annotated[int, typer.Option(min=1, help="Look at the newest so many messages.")] = 10_000,
    follow: Annotated[
        float | None, typer.Option(metavar="SECONDS", min=0.1, help="Look at what comes in this time instead.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print what was found as JSON.")] = False,
    kafka: KafkaServers = None,
) -> None:
    """Judge what stands on a topic: keys, partitioner, values, clocks, order, ends of listens, ids.

    Reads the topic without a consumer group, and changes nothing.  Ends with status 1 where a check fails.
    """
    settings = load_settings()
    connection = kafka_settings(kafka) or settings.kafka
    table, name = TOPICS[contract], topic or TOPICS[contract].name
    partitions = asyncio.run(count_partitions(connection, name))
    judged = Conformance(table, partitions, settings.session)
    asyncio.run(_judge(judged, connection, name, partitions, last, follow))
    findings = judged.findings()
    if as_json:
        typer.echo(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        _print(findings)
    if any(finding.verdict is Verdict.FAILS for finding in findings):
        raise typer.Exit(FAILED)


async def _judge(
    judged: Conformance, kafka: KafkaSettings, topic: str, partitions: int, last: int, follow: float | None
) -> None:
    places = [TopicPartition(topic, number) for number in range(partitions)]
    records = _newest(kafka, places, last) if follow is None else _coming(kafka, places, follow)
    async for record in records:
        place = str(Place(record.topic, record.partition, record.offset))
        judged.take(Message(place, record.partition, record.timestamp, record.key, record.value, tuple(record.headers)))


async def _newest(kafka: KafkaSettings, places: list[TopicPartition], count: int) -> AsyncIterator[ConsumerRecord]:
    """Yield the newest messages, as many of each partition as its share of all is."""
    async with TopicReader(kafka) as reader:
        spans = await reader.existing(Span(place, 0, ANY_OFFSET) for place in places)
        there = sum(span.length for span in spans)
        kept = [span._replace(start=span.end - _share(span, count, there)) for span in spans]
        async for record in reader.records(kept):
            yield record


def _share(span: Span, count: int, there: int) -> int:
    return min(span.length, max(1, round(count * span.length / there)))


async def _coming(kafka: KafkaSettings, places: list[TopicPartition], seconds: float) -> AsyncIterator[ConsumerRecord]:
    consumer = AIOKafkaConsumer(**kafka.client_options(), enable_auto_commit=False, auto_offset_reset="latest")
    await consumer.start()
    try:
        consumer.assign(places)
        await consumer.seek_to_end(*places)
        until_s = time.monotonic() + seconds
        while (left_s := until_s - time.monotonic()) > 0:
            for records in (await consumer.getmany(timeout_ms=max(1, int(left_s * 1_000)))).values():
                for record in records:
                    yield record
    finally:
        await consumer.stop()


def _print(findings: list[Finding]) -> None:
    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    for finding in findings:
        colour = COLOURS[finding.verdict]
        table.add_row(f"[{colour}]{finding.verdict}[/{colour}]", str(finding.check), _escaped(finding.said))
        for example in finding.examples:
            table.add_row("", "", _escaped(f"  {example}"))
    Console(highlight=False).print(table)


def _escaped(text: str) -> str:
    return text.replace("[", r"\[")
