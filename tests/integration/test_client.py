"""The client against the real broker and real workers."""

import asyncio
import threading
import time
import uuid
from pathlib import Path

import pytest
from aiohttp import ClientSession, WSServerHandshakeError
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from conftest import Worker, own_servers, start_worker, until_ready
from gateway_process import GatewayProcess, problem, until_readyz
from probe import reading
from secured_servers import SecuredKafka

from musicrec.access import PUBLISHER, SUBSCRIBER
from musicrec.client import AsyncClient, Client, feedback, play, skip
from musicrec.contracts import EventType, ListenEvent, Mode, Outcome, Recommendation, Track
from musicrec.errors import BadInput, Incompatible, Unavailable
from musicrec.local import StackAddresses
from musicrec.topics import TOPICS

pytestmark = pytest.mark.kafka

LISTENS, TRACKS = "musicrec.listens.v1", "musicrec.tracks.v1"
TOPICS_BY_NAME = {topic.name: topic for topic in TOPICS}
SLOW_S = 60.0
"""For a list on a loaded machine."""


def fresh(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


async def test_events_and_requests_are_answered(stack: StackAddresses, worker: Worker) -> None:
    ada, bob = fresh("ada"), fresh("bob")
    tracks = [fresh("track") for _ in range(3)]
    async with worker("session"), worker("ranking"), AsyncClient(stack.kafka) as musicrec:
        async with musicrec.lists(ada) as of_ada, musicrec.lists() as of_all:
            heard = [play(ada, track, ms_played=200_000, artist_id="a") for track in tracks]
            after = [await musicrec.list_after(event, deadline_s=SLOW_S) for event in heard]
            assert [made.trigger.event_id for made in after if made.trigger] == [event.event_id for event in heard]
            passed = await musicrec.list_after(skip(bob, tracks[0], ms_played=2_000), deadline_s=SLOW_S)
            assert passed.user_id == bob
            async with asyncio.timeout(SLOW_S):
                assert [(await anext(of_ada)).list_id for _ in heard] == [made.list_id for made in after]
                seen: set[str] = set()
                while not {passed.list_id, *(made.list_id for made in after)} <= seen:
                    seen.add((await anext(of_all)).list_id)
            for track in (fresh("other"), fresh("other")):
                await musicrec.list_after(play(bob, track, ms_played=200_000), deadline_s=SLOW_S)
        async with asyncio.timeout(SLOW_S):  # a list answers at once, what was heard is learned a little later
            while len((asked := await musicrec.ask(ada, Mode.POPULAR, limit=2, deadline_s=SLOW_S)).items) < 2:
                await asyncio.sleep(0.1)
        assert (asked.user_id, asked.mode, len(asked.items)) == (ada, Mode.POPULAR, 2)
        several = await asyncio.gather(*(musicrec.ask(ada, deadline_s=SLOW_S) for _ in range(20)))
        assert len({made.request_id for made in several}) == 20


async def test_what_was_played_after_a_list_is_told_to_whoever_reads_outcomes(
    stack: StackAddresses, worker: Worker
) -> None:
    ada, bob = fresh("ada"), fresh("bob")
    tracks = [fresh("track") for _ in range(3)]
    async with (
        worker("session"),
        worker("ranking"),
        worker("outcome"),
        AsyncClient(stack.kafka) as musicrec,
        musicrec.outcomes(ada) as of_ada,
        musicrec.outcomes() as of_all,
    ):
        for user in (bob, ada):
            heard = [play(user, track, ms_played=200_000, duration_ms=200_000) for track in tracks]
            lists = [await musicrec.list_after(event, deadline_s=SLOW_S) for event in heard]
        async with asyncio.timeout(SLOW_S):
            of_hers = [await anext(of_ada) for _ in heard]
            of_both: list[Outcome] = []  # others may listen beside them
            while len(of_both) < 6:
                outcome = await anext(of_all)
                of_both += [outcome] if outcome.user_id in (ada, bob) else []
    assert [outcome.track_id for outcome in of_hers] == tracks
    assert [outcome.list_id for outcome in of_hers] == [None, lists[0].list_id, lists[1].list_id]
    assert [outcome for outcome in of_both if outcome.user_id == ada] == of_hers


async def test_many_tasks_share_a_client_and_every_event_arrives_once(stack: StackAddresses) -> None:
    users = [fresh("user") for _ in range(40)]
    async with AsyncClient(stack.kafka.bootstrap_servers) as musicrec:
        keys = {user.encode() for user in users}
        async with reading(stack, LISTENS, only=lambda record: record.key in keys) as tail:

            async def listen(user: str) -> None:
                for number in range(10):
                    await musicrec.publish(play(user, f"t{number}", ms_played=1_000))

            await asyncio.gather(*(listen(user) for user in users))
            await tail.until(lambda t: len(t.records) >= 400)
            await tail.quiet()
    heard: dict[str, list[str | None]] = {}
    for record in tail.records:
        event = ListenEvent.decode(record.value)
        heard.setdefault(event.user_id, []).append(event.track_id)
    assert heard == {user: [f"t{number}" for number in range(10)] for user in users}


async def test_a_track_is_announced_and_removed(stack: StackAddresses) -> None:
    track = Track(track_id=fresh("track"), title="So What", artist_id="miles")
    key = track.track_id.encode()
    async with (
        AsyncClient(stack.kafka) as musicrec,
        reading(stack, TRACKS, only=lambda record: record.key == key) as tail,
    ):
        await musicrec.publish(track)
        await musicrec.remove_track(track.track_id)
        await tail.until(lambda t: len(t.records) == 2)
    assert [record.value for record in tail.records] == [track.encode(), None]


async def test_a_list_that_does_not_come_is_unavailable_and_the_next_one_is_awaited_anew(stack: StackAddresses) -> None:
    async with AsyncClient(stack.kafka) as musicrec:
        with pytest.raises(Unavailable, match=r"no list for 'nobody' within 0\.2 s .* do session and ranking workers"):
            await musicrec.ask("nobody", deadline_s=0.2)


def test_a_program_without_an_event_loop_does_the_same(stack: StackAddresses) -> None:
    user = fresh("user")
    got: list[Recommendation] = []
    with Client(stack.kafka) as musicrec:
        musicrec.publish(feedback(user, EventType.LIKE, track_id="t"))
        with pytest.raises(Unavailable, match="no list for"):
            musicrec.ask(user, deadline_s=0.2)
        with musicrec.lists(user) as lists:
            reader = threading.Thread(target=lambda: got.extend(lists))
            reader.start()
    reader.join(20)
    assert not reader.is_alive(), "the iterator ends with its client"
    assert got == []
    with pytest.raises(Incompatible, match="use it as a context"):
        musicrec.publish(play(user, "t", ms_played=1))


async def test_threads_may_share_a_client(stack: StackAddresses, worker: Worker) -> None:
    user = fresh("user")

    def ask_in_threads() -> list[str | None]:
        with Client(stack.kafka) as musicrec, musicrec.lists(user) as lists:
            made = musicrec.list_after(play(user, "t", ms_played=1_000), deadline_s=SLOW_S)
            assert next(lists) == made
            found: list[str | None] = []
            threads = [
                threading.Thread(target=lambda: found.append(musicrec.ask(user, deadline_s=SLOW_S).request_id))
                for _ in range(5)
            ]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            return found

    async with worker("session"), worker("ranking"):
        found = await asyncio.to_thread(ask_in_threads)
    assert len(set(found)) == 5


async def test_a_broker_that_is_not_there_and_an_address_that_is_none_are_named() -> None:
    with pytest.raises(Unavailable, match=r"127\.0\.0\.1:1 "):
        async with AsyncClient("127.0.0.1:1"):
            pytest.fail("it connected")
    with pytest.raises(Incompatible, match="'nonsense' is no address of Kafka"):
        AsyncClient("nonsense")


async def test_a_record_that_is_too_large_is_refused_before_it_is_sent(stack: StackAddresses) -> None:
    word = "\x01" * 128  # six bytes each, as JSON writes it
    track = Track(track_id="t", tags=(word,) * 64, title=8 * word, album=8 * word, artist_name=8 * word)
    async with AsyncClient(stack.kafka) as musicrec:
        with pytest.raises(BadInput, match="bytes; Track allows 65536"):
            await musicrec.publish(track)


async def publish_again_and_again(musicrec: AsyncClient, track: Track) -> None:
    async with asyncio.timeout(SLOW_S):  # the broker needs a moment to know
        while True:
            await musicrec.publish(track)
            await asyncio.sleep(0.1)


@pytest.mark.row(3)
async def test_what_the_broker_refuses_is_told_and_what_follows_it_is_published(stack: StackAddresses) -> None:
    topic = TOPICS_BY_NAME[TRACKS]
    admin = AIOKafkaAdminClient(**stack.kafka.client_options())
    await admin.start()

    async def take_up_to(size: str) -> None:
        changed = {**topic.config, "max.message.bytes": size}
        await admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, TRACKS, changed)])

    small, large = Track(track_id=fresh("t")), Track(track_id=fresh("t"), title="x" * 1_000)
    async with AsyncClient(stack.kafka, publish_deadline_s=SLOW_S) as musicrec:
        try:
            await take_up_to("300")
            with pytest.raises(BadInput, match=f"{TRACKS} does not take it"):
                await publish_again_and_again(musicrec, large)
            for _ in range(3):
                await musicrec.publish(small.model_copy(update={"track_id": large.track_id}))
        finally:
            await take_up_to(str(topic.max_message_bytes))
            await admin.close()


@pytest.mark.row(3)
async def test_a_producer_whose_numbers_the_broker_does_not_expect_begins_anew(stack: StackAddresses) -> None:
    user = fresh("user")
    async with (
        AsyncClient(stack.kafka, publish_deadline_s=SLOW_S) as musicrec,
        reading(stack, LISTENS, only=lambda record: record.key == user.encode()) as tail,
    ):
        await musicrec.publish(play(user, "t0", ms_played=1_000))
        assert musicrec._producer is not None
        numbers = musicrec._producer._txn_manager
        (partition,) = numbers._sequence_numbers
        numbers.increment_sequence_number(partition, 5)
        await musicrec.publish(play(user, "t1", ms_played=1_000))
        await musicrec.publish(play(user, "t2", ms_played=1_000))
        await tail.until(lambda t: len(t.records) >= 3)
    assert [ListenEvent.decode(record.value).track_id for record in tail.records] == ["t0", "t1", "t2"]


@pytest.mark.row(6)
async def test_a_broker_that_restarts_loses_no_event_and_no_subscription(
    tmp_path: Path,
) -> None:
    user = fresh("user")
    async with own_servers(tmp_path / "stack") as servers:
        stack, kafka = servers.addresses, servers.kafka_server
        assert kafka is not None
        workers = [start_worker(stack, tmp_path, agent) for agent in ("session", "ranking")]
        gateway = GatewayProcess(stack, tmp_path, PUBLISH_DEADLINE_S=1)
        await asyncio.gather(gateway.listens(), *(until_ready(each) for each in workers))
        async with AsyncClient(stack.kafka, publish_deadline_s=SLOW_S) as musicrec, musicrec.lists(user) as lists:
            before = await musicrec.list_after(play(user, "t0", ms_played=1_000), deadline_s=SLOW_S)
            assert (await anext(lists)) == before
            async with ClientSession(gateway.url, headers=gateway.token(user)) as http:
                await until_readyz(http)
                async with http.ws_connect("/v1/lists/socket") as socket:
                    await kafka.stop()
                    away = await refused_while_kafka_is_away(http)
                    assert not socket.closed, "streams outlive a broker that is away"
            meanwhile = play(user, "t1", ms_played=1_000)
            waiting = asyncio.create_task(musicrec.list_after(meanwhile, deadline_s=SLOW_S))
            await asyncio.sleep(1.0)
            await kafka.start()
            made = await waiting
            assert made.trigger is not None
            assert made.trigger.event_id == meanwhile.event_id
            async with asyncio.timeout(SLOW_S):
                assert (await anext(lists)).list_id == made.list_id
            async with ClientSession(gateway.url, headers=gateway.token(user)) as http:
                await until_readyz(http)
                async with (
                    reading(stack, LISTENS, only=lambda record: record.key == user.encode()) as tail,
                    http.post("/v1/events", json=away) as response,
                ):
                    assert response.status == 200, await response.text()
                    await tail.until(lambda t: len(t.records) == len(away))
        await asyncio.gather(gateway.process.stop(), *(each.stop() for each in workers))


async def refused_while_kafka_is_away(http: ClientSession) -> list[dict[str, object]]:
    """Post events to the gateway; return them, for when it is back."""
    events: list[dict[str, object]] = [
        {"event_id": fresh("e"), "type": "play", "track_id": "t", "ms_played": 1_000} for _ in range(3)
    ]
    started_s = time.monotonic()
    async with http.post("/v1/events", json=events[:2]) as response:
        body = await problem(response, 503)
        assert body.get("unknown") == 2 or "nothing was published" in body["detail"]
        assert int(response.headers["Retry-After"]) > 0
    assert time.monotonic() - started_s < 30, "within the deadline, and not when the broker is back"
    await until_readyz(http, 503)
    assert (await http.get("/livez")).status == 200
    async with http.post("/v1/events", json=events[2]) as response:
        assert "nothing was published" in (await problem(response, 503))["detail"]
    async with http.get("/v1/list") as response:
        await problem(response, 503)
    with pytest.raises(WSServerHandshakeError) as refusal:
        await http.ws_connect("/v1/lists/socket")
    assert refusal.value.status == 503
    return events


async def test_a_user_without_the_right_is_told_which_one_is_missing(secured_kafka: SecuredKafka) -> None:
    async with AsyncClient(secured_kafka.settings(SUBSCRIBER.user)) as musicrec:
        with pytest.raises(Incompatible, match=f"{SUBSCRIBER.user}.*Write on topic {LISTENS}"):
            await musicrec.publish(play("ada", "t", ms_played=1))
    async with AsyncClient(secured_kafka.settings(PUBLISHER.user)) as musicrec:
        await musicrec.publish(play("ada", "t", ms_played=1))
        with pytest.raises(Incompatible, match=f"{PUBLISHER.user}.*Read on topic musicrec.recommendations.v1"):
            await musicrec.ask("ada")
