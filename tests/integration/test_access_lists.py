"""Every service works with the rights of the table, and each right that is taken away is missed by name."""

import asyncio
import json
import re
import sys
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaConsumer
from aiokafka.errors import ClusterAuthorizationFailedError
from conftest import start_worker, until_ready
from gateway_process import GatewayProcess
from probe import about, play, producing, publish, publish_events, reading
from secured_servers import SecuredKafka, SecuredValkey
from services import GAVE_UP, REFUSED, command, running, stack_of, status_of

from musicrec.access import (
    EMBEDDER,
    GATEWAY,
    MODEL_COMMAND,
    OUTCOME,
    PUBLISHER,
    RANKING,
    RULES_COMMAND,
    SERVICES,
    SESSION,
    SUBSCRIBER,
    TOPICS_COMMAND,
    WEB,
    KafkaRule,
    Operation,
    Resource,
    Service,
)
from musicrec.errors import Incompatible
from musicrec.local.child_process import ChildProcess
from musicrec.model_announcements import announcements, put_announcement

pytestmark = pytest.mark.kafka

LISTENS, SESSIONS = "musicrec.listens.v1", "musicrec.sessions.v1"
LISTS, OUTCOMES = "musicrec.recommendations.v1", "musicrec.outcomes.v1"
TRACKS, EMBEDDINGS = "musicrec.tracks.v1", "musicrec.track-embeddings.v1"


@pytest.fixture
def kafka(secured_kafka: SecuredKafka) -> SecuredKafka:
    return secured_kafka


@pytest.fixture
async def valkey(tmp_path: Path) -> AsyncIterator[SecuredValkey]:
    async with SecuredValkey(tmp_path) as server:
        yield server


@asynccontextmanager
async def without(kafka: SecuredKafka, service: Service, *rules: KafkaRule) -> AsyncIterator[None]:
    """Take rights away for a while."""
    await kafka.forbid(service.user, rules)
    try:
        yield
    finally:
        await kafka.allow(service.user, rules)
        await kafka.until(service.user, rules, allowed=True)


async def test_an_event_becomes_a_list_and_an_outcome_with_the_rights_of_the_table(
    kafka: SecuredKafka, valkey: SecuredValkey, tmp_path: Path
) -> None:
    user = f"listener {uuid.uuid4()}"
    outside, publisher = stack_of(SUBSCRIBER, kafka), stack_of(PUBLISHER, kafka)
    workers = (start_worker(stack_of(s, kafka, valkey), tmp_path, s.name) for s in (SESSION, RANKING, OUTCOME))
    async with running(*workers), reading(outside, LISTS, OUTCOMES, only=about(user)) as tail:
        async with producing(publisher) as producer:
            await publish_events(producer, [play(user, "t1", 1)])
            await tail.until(lambda t: len(t.on(LISTS)) == 1 and len(t.on(OUTCOMES)) == 1)
            await publish_events(producer, [play(user, "t2", 2)])
            await tail.until(lambda t: len(t.on(LISTS)) == 2 and len(t.on(OUTCOMES)) == 2)
        async with (
            reading(stack_of(WEB, kafka), f"{LISTENS}.dlq", only=about(user)) as letters,
            producing(publisher) as producer,
        ):
            await publish(producer, LISTENS, [(user.encode(), b"no event")])
            await letters.until(lambda t: len(t.records) == 1)
    joined = json.loads(tail.on(OUTCOMES)[1].value)
    assert joined["list_id"] == json.loads(tail.on(LISTS)[0].value)["list_id"]


async def test_a_subscriber_reads_in_its_group_and_cannot_publish(kafka: SecuredKafka) -> None:
    stack = stack_of(SUBSCRIBER, kafka)
    consumer = AIOKafkaConsumer(LISTS, **stack.kafka.client_options(), group_id=SUBSCRIBER.group)
    await consumer.start()
    try:
        async with asyncio.timeout(30):
            while not consumer.assignment():
                await asyncio.sleep(0.05)
            await consumer.commit({next(iter(consumer.assignment())): 0})
    finally:
        await consumer.stop()
    with pytest.raises(ClusterAuthorizationFailedError):  # an idempotent producer needs one topic that it may write
        async with producing(stack):
            pass


@pytest.mark.torch
async def test_the_embedder_works_with_the_rights_of_the_table(
    kafka: SecuredKafka, valkey: SecuredValkey, tmp_path: Path
) -> None:
    track = f"track {uuid.uuid4()}"
    async with (
        running(start_worker(stack_of(EMBEDDER, kafka, valkey), tmp_path, "embedder")) as (worker,),
        reading(stack_of(WEB, kafka), EMBEDDINGS, f"{TRACKS}.dlq", only=about(track)) as tail,
        producing(stack_of(PUBLISHER, kafka)) as producer,
    ):
        await publish(producer, TRACKS, [(track.encode(), None), (track.encode(), b"no track")])
        await tail.until(lambda t: len(t.on(EMBEDDINGS)) == 1 and len(t.on(f"{TRACKS}.dlq")) == 1)
    assert "WARNING" not in worker.log_file.read_text()


async def test_the_page_shows_all_topics_and_every_lag_with_the_rights_of_the_table(
    kafka: SecuredKafka, tmp_path: Path
) -> None:
    program = [sys.executable, "-m", "musicrec.cli.main", "web", "--port", "0"]
    page = ChildProcess.start("web", program, tmp_path / "web.log", stack_of(WEB, kafka).environment())
    try:
        async with asyncio.timeout(60), ClientSession() as client:
            while (address := re.search(r"^http://\S+$", page.log_file.read_text(), re.MULTILINE)) is None:
                page.check_alive()
                await asyncio.sleep(0.05)
            while (await client.get(f"{address[0]}readyz")).status != 200:
                await asyncio.sleep(0.05)
            while (await lag_on(client, address[0])).get("session", "absent") == "absent":
                await asyncio.sleep(0.1)
    finally:
        await page.stop()
    assert "Error" not in page.log_file.read_text()


async def lag_on(client: ClientSession, address: str) -> dict[str, Any]:
    async with client.get(f"{address}board.json") as response:
        return dict((await response.json())["figures"]["lag"])


async def test_the_gateway_works_with_the_rights_of_the_table(kafka: SecuredKafka, tmp_path: Path) -> None:
    gateway = GatewayProcess(stack_of(GATEWAY, kafka), tmp_path, LIST_DEADLINE_S=0.2, ADDRESS_REQUESTS_PER_MINUTE=2)
    event = {"user_id": "ada", "type": "play", "track_id": "t", "ms_played": 1}
    try:
        await gateway.listens()
        shop = gateway.token(None)
        async with asyncio.timeout(60), ClientSession(gateway.url) as http:
            while (await http.get("/readyz")).status != 200:
                await asyncio.sleep(0.05)
            assert (await http.post("/v1/events", headers=shop, json=event)).status == 200
            assert (await http.post("/v1/tracks", headers=shop, json={"track_id": "t"})).status == 200
            async with http.get("/v1/list?user_id=ada", headers=shop) as response:
                assert "which is published" in await response.text(), "there is no worker that would answer"
            statuses = [(await http.get("/v1/list")).status for _ in range(3)]
            assert statuses == [401, 401, 429], "who has no token is counted by address"
            assert (await http.get("/v1/list?user_id=ada", headers=shop)).status == 503, "who has one is not"
    finally:
        await gateway.process.stop()


async def test_a_gateway_without_a_right_says_which_and_ends(kafka: SecuredKafka, tmp_path: Path) -> None:
    rule = KafkaRule(Resource.TOPIC, TRACKS, Operation.WRITE)
    async with without(kafka, GATEWAY, rule):
        await kafka.until(GATEWAY.user, [rule], allowed=False)
        gateway = GatewayProcess(stack_of(GATEWAY, kafka), tmp_path)
        assert await status_of(gateway.process) == REFUSED
    assert f"user 'musicrec-gateway': Write on topic {TRACKS}" in gateway.log


RULES = [
    pytest.param(service, rule, id=f"{service.name}-{rule.operation}-{rule.name}")
    for service in SERVICES
    for rule in service.kafka_rules
    # What else may be done with the topic shows it to whoever asks: found out by doing, see below.
    if rule.operation is not Operation.CREATE and service not in (MODEL_COMMAND, RULES_COMMAND)
    # Likewise what one agent publishes and the same one follows.
    if rule.name not in {topic.name for topic in service.reads} & {topic.name for topic in service.writes}
]


@pytest.mark.row(39)
@pytest.mark.parametrize(("service", "rule"), RULES)
async def test_each_right_that_is_taken_away_is_missed_before_anything_begins(
    service: Service, rule: KafkaRule, kafka: SecuredKafka
) -> None:
    async with without(kafka, service, rule):
        refusal = await kafka.until(service.user, service.kafka_rules, allowed=False)

    assert f"user '{service.user}'" in refusal
    assert f"{rule.operation} on {rule.resource} {rule.name}" in refusal
    assert "kafka-acls.sh" in refusal


@pytest.mark.row(39)
@pytest.mark.parametrize(
    "rule", [pytest.param(rule, id=f"{rule.operation}-{rule.name}") for rule in SESSION.kafka_rules]
)
async def test_a_worker_without_a_right_says_which_and_ends(
    rule: KafkaRule, kafka: SecuredKafka, valkey: SecuredValkey, tmp_path: Path
) -> None:
    async with without(kafka, SESSION, rule):
        await kafka.until(SESSION.user, [rule], allowed=False)
        worker = start_worker(stack_of(SESSION, kafka, valkey), tmp_path, "session")
        assert await status_of(worker) == REFUSED
    said = worker.log_file.read_text()
    assert f"Kafka refuses user 'musicrec-session': {rule.operation} on {rule.resource} {rule.name};" in said
    assert "Traceback" not in said


@pytest.mark.row(39)
async def test_topics_without_the_right_to_create_them_are_named(kafka: SecuredKafka, tmp_path: Path) -> None:
    created = [rule for rule in TOPICS_COMMAND.kafka_rules if rule.operation is Operation.CREATE]
    async with without_topics(kafka, SESSIONS, OUTCOMES):
        async with without(kafka, TOPICS_COMMAND, *created):
            status, said = await command(stack_of(TOPICS_COMMAND, kafka), tmp_path, "topics")
        assert (status, f"Create on topic {SESSIONS}, Create on topic {OUTCOMES};" in said) == (REFUSED, True), said
        assert await command(stack_of(TOPICS_COMMAND, kafka), tmp_path, "topics") == (
            0,
            f"created {SESSIONS}\ncreated {OUTCOMES}\n2 topics created\n",
        )


@pytest.mark.parametrize("rule", MODEL_COMMAND.kafka_rules, ids=lambda rule: rule.operation)
async def test_models_without_a_right_on_their_topic_are_neither_listed_nor_announced(
    rule: KafkaRule, kafka: SecuredKafka
) -> None:
    settings = kafka.settings(MODEL_COMMAND.user)

    async def use(*, until_refused: bool) -> None:
        async with asyncio.timeout(30):  # a broker takes a moment to know of a rule
            while True:
                await put_announcement(settings, "no model", None)
                assert await announcements(settings) == {}
                if not until_refused:
                    return

    await use(until_refused=False)
    async with without(kafka, MODEL_COMMAND, rule):
        with pytest.raises(Incompatible, match=f"Kafka refuses user .*: {rule.operation} on topic {rule.name};"):
            await use(until_refused=True)


@pytest.mark.parametrize("rule", RULES_COMMAND.kafka_rules, ids=lambda rule: rule.operation)
async def test_rules_without_a_right_on_their_topic_are_neither_listed_nor_put(
    rule: KafkaRule, kafka: SecuredKafka, tmp_path: Path
) -> None:
    stack = stack_of(RULES_COMMAND, kafka)
    published = ("rules", "put", "--name", "dispute", "--deny", "--track", "t of this test")

    async def use() -> list[tuple[int, str]]:
        return [await command(stack, tmp_path, *each) for each in (published, ("rules", "withdraw", "dispute"))]

    assert [status for status, _ in await use()] == [0, 0]
    async with without(kafka, RULES_COMMAND, rule):
        async with asyncio.timeout(60):  # a broker takes a moment to know of a rule
            said = await use()
            while all(status == 0 for status, _ in said):
                said = await use()
    refused = next(text for status, text in said if status == REFUSED)
    assert f"Kafka refuses user 'musicrec-rules': {rule.operation} on topic {rule.name};" in refused


@asynccontextmanager
async def without_topics(kafka: SecuredKafka, *names: str) -> AsyncIterator[None]:
    from aiokafka.admin import AIOKafkaAdminClient

    from streams.topic_admin import create_missing_topics

    client = AIOKafkaAdminClient(**kafka.administrator.client_options())
    await client.start()
    await client.delete_topics(list(names))
    await client.close()
    try:
        yield
    finally:
        await create_missing_topics(kafka.administrator)


@pytest.mark.row(3)
async def test_a_publisher_without_the_right_to_write_is_told_so(kafka: SecuredKafka, tmp_path: Path) -> None:
    log = tmp_path / "events.jsonl"
    log.write_bytes(play("ada", "t1", 1).encode() + b"\n")
    rule = KafkaRule(Resource.TOPIC, LISTENS, Operation.WRITE)
    async with without(kafka, PUBLISHER, rule):
        await kafka.until(PUBLISHER.user, [rule], allowed=False)
        status, said = await command(stack_of(PUBLISHER, kafka), tmp_path, "replay", str(log))
    assert (status, f"Write on topic {LISTENS}" in said, "Traceback" in said) == (REFUSED, True, False), said


@pytest.mark.row(3)
async def test_what_cannot_be_delivered_is_never_acknowledged(
    kafka: SecuredKafka, valkey: SecuredValkey, tmp_path: Path
) -> None:
    user = f"listener {uuid.uuid4()}"
    stack = stack_of(SESSION, kafka, valkey)
    output = KafkaRule(Resource.TOPIC, SESSIONS, Operation.WRITE)
    async with (
        producing(stack_of(PUBLISHER, kafka)) as producer,
        reading(stack_of(OUTCOME, kafka), SESSIONS, only=about(user)) as tail,
    ):
        worker = start_worker(stack, tmp_path, "session", MUSICREC_AGENT__RETRY_DEADLINE_S="2")
        await until_ready(worker)
        async with without(kafka, SESSION, output):
            await kafka.until(SESSION.user, [output], allowed=False)
            await publish_events(producer, [play(user, "t1", 1)])
            assert await status_of(worker) == GAVE_UP
        assert re.search(rf"TopicAuthorizationFailedError.*{SESSIONS}", worker.log_file.read_text())
        assert await valkey.administrator.keys(f"*{user}*") == []
        async with running(start_worker(stack, tmp_path, "session")):
            await tail.until(lambda t: len(t.records) == 1)


@pytest.mark.row(4)
@pytest.mark.parametrize(
    "rule",
    [
        KafkaRule(Resource.TOPIC, LISTENS, Operation.READ),
        KafkaRule(Resource.GROUP, "musicrec-session", Operation.READ),
    ],
    ids=lambda rule: rule.resource,
)
async def test_a_right_to_read_that_is_taken_from_a_running_worker_ends_it(
    rule: KafkaRule, kafka: SecuredKafka, valkey: SecuredValkey, tmp_path: Path
) -> None:
    user = f"listener {uuid.uuid4()}"
    worker = start_worker(stack_of(SESSION, kafka, valkey), tmp_path, "session")
    await until_ready(worker)
    async with without(kafka, SESSION, rule):
        await kafka.until(SESSION.user, [rule], allowed=False)
        async with producing(stack_of(PUBLISHER, kafka)) as producer:
            await publish_events(producer, [play(user, "t1", 1)])
        assert await status_of(worker) != 0
    assert re.search(rf"AuthorizationFailedError.*{rule.name}", worker.log_file.read_text())
