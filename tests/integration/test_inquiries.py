"""What the page answers to those who look closer: a listener's journey, dead letters, and a replay of them."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from aiohttp import ClientResponse, ClientSession
from conftest import Worker
from page_server import serving
from probe import play, producing, publish, publish_events, reading
from pydantic import SecretStr

from musicrec.local import StackAddresses
from musicrec.topics import LISTENS, OUTCOMES, REQUESTS
from streams.web.replays import WRONG_TOKEN_PAUSE_S

pytestmark = pytest.mark.kafka

DEADLINE_S = 60.0
TOKEN = "a token of sixteen characters or more"
OPERATOR = {"Authorization": f"Bearer {TOKEN}"}


def somebody() -> str:
    return f"listener {uuid.uuid4()}"


@pytest.fixture
async def page(stack: StackAddresses) -> AsyncIterator[ClientSession]:
    async with serving(stack, operator_token=SecretStr(TOKEN)) as address, ClientSession(address) as client:
        yield client


async def told(response: ClientResponse) -> tuple[int, str]:
    return response.status, await response.text()


async def journey(page: ClientSession, user: str) -> Any:
    async with page.get("/journey.json", params={"user": user}) as response:
        assert response.status == 200, await response.text()
        return await response.json()


async def until(look: Callable[[], Awaitable[Any]], is_it: Callable[[Any], bool]) -> Any:
    async with asyncio.timeout(DEADLINE_S):
        while not is_it(seen := await look()):
            await asyncio.sleep(0.1)
    return seen


async def test_a_journey_is_read_back_from_the_topics_and_goes_on_with_what_comes(
    stack: StackAddresses, page: ClientSession, worker: Worker
) -> None:
    user = somebody()
    async with worker("session"), worker("ranking"), worker("outcome"), producing(stack) as producer:
        async with reading(stack, OUTCOMES.name, only=lambda record: record.key == user.encode()) as tail:
            await publish_events(producer, [play(user, "t1", 1), play(user, "t2", 2)])
            await publish(producer, LISTENS.name, [(user.encode(), b"no event")])
            await tail.until(lambda t: len(t.records) == 2)

        async def rows() -> Any:
            return (await journey(page, user))["rows"]

        # The letter and the second list may still be on their way.
        message, second, first = await until(
            rows, lambda rows: len(rows) == 3 and rows[0]["refused"] and rows[1]["list"] is not None
        )
        assert (message["type"], message["refused"][0]["reason"]) == ("message", "malformed")
        assert [row["title"] for row in (second, first)] == ["t2", "t1"]
        assert (first["session"]["revision"], second["session"]["revision"]) == (1, 2)
        assert [heard["title"] for heard in first["heard"]] == ["t2"]
        assert first["list"]["list_id"] != second["list"]["list_id"]
        await publish_events(producer, [play(user, "t3", 3)])
        third, *_ = await until(rows, lambda rows: rows[0]["list"] is not None and rows[0]["title"] == "t3")
        assert third["session"]["revision"] == 3


async def test_of_a_listener_whom_nobody_knows_there_is_nothing_and_without_one_the_question_is_refused(
    page: ClientSession,
) -> None:
    assert (await journey(page, somebody()))["rows"] == []
    for question, why in (("", "0 characters"), (f"user={'x' * 600}", "600 characters"), ("user=%ff%fe", "")):
        status, said = await told(await page.get(f"/journey.json?{question}"))
        assert status == (400 if why else 200), said
        assert why in said


async def test_dead_letters_are_counted_listed_and_shown_whole(stack: StackAddresses, page: ClientSession) -> None:
    user = somebody()
    async with producing(stack) as producer:
        sent = await producer.send_and_wait(
            f"{LISTENS.name}.dlq",
            b"\x1b[2J{",
            key=user.encode(),
            headers=[("odd", b"\xff"), ("dlq-reason", b"malformed")],
        )
    place = f"{LISTENS.name}.dlq[{sent.partition}]@{sent.offset}"
    async with page.get("/dead-letters.json", params={"topic": LISTENS.name, "since": "1h"}) as response:
        listing = await response.json()
    assert listing["total"] == sum(count["count"] for count in listing["counts"])
    line = next(letter for letter in listing["letters"] if letter["place"] == place)
    assert (line["listener"], line["reason"]) == (user, "unreadable")
    async with page.get("/dead-letter.json", params={"place": place}) as response:
        whole = await response.json()
    assert (whole["value"], whole["value_bytes"], ["odd", "\\xff"] in whole["headers"]) == ("\\x1b[2J{", 5, True)


QUESTIONS = [
    ("/dead-letters.json?topic=acme.v1", "'acme.v1' has no dead letters"),
    ("/dead-letters.json?reason=gone", "'gone' is no reason"),
    ("/dead-letters.json?since=yesterday", "yesterday"),
    ("/dead-letter.json?place=here", "'here' is no place"),
    ("/dead-letter.json", "is no place"),
    (f"/dead-letter.json?place={LISTENS.name}[0]@99999999", "no dead letter lies there"),
]


async def test_a_question_that_cannot_be_answered_is_told_what_is_wrong_with_it(page: ClientSession) -> None:
    for question, why in QUESTIONS:
        status, said = await told(await page.get(question))
        assert (status, why in said) == (400, True), (question, said)


async def test_an_operator_replays_what_was_refused_and_sees_how_far_it_is(
    stack: StackAddresses, page: ClientSession, worker: Worker
) -> None:
    request = {"request_id": uuid.uuid4().hex, "user_id": (user := somebody()), "mode": "popular"}
    value = json.dumps(request | {"requested_at_ms": time.time_ns() // 1_000_000}).encode()
    async with producing(stack) as producer:
        sent = await producer.send_and_wait(f"{REQUESTS.name}.dlq", value, key=user.encode())
    chosen = {"place": [f"{REQUESTS.name}.dlq[{sent.partition}]@{sent.offset}"]}
    async with reading(stack, REQUESTS.name, only=lambda record: record.key == user.encode()) as tail:
        assert (await told(await page.post("/replay", json=chosen, headers=OPERATOR)))[0] == 202
        await tail.until(lambda t: len(t.records) == 1)

        async def replay() -> Any:
            async with page.get("/board.json") as response:
                return (await response.json())["replay"]

        done = await until(replay, lambda replay: not replay["running"])
    assert tail.records[0].value == value
    assert done == {"running": False, "found": 1, "replayed": 1, "skipped": {}, "stopped": False, "error": None}


@pytest.mark.row(45)
async def test_nobody_replays_without_the_token_and_guessing_it_takes_its_time(page: ClientSession) -> None:
    began_s = time.monotonic()
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": f"Basic {TOKEN}"}):
        status, said = await told(await page.post("/replay", json={"place": ["x"]}, headers=headers))
        assert (status, "MUSICREC_WEB__OPERATOR_TOKEN" in said) == (401, True)
    assert time.monotonic() - began_s >= WRONG_TOKEN_PAUSE_S
    assert (await page.post("/replay/stop", json={})).status == 401


BODIES = [
    (b"{", "not JSON"),
    (b"{}", "has to be an object that chooses"),
    (b"[]", "has to be an object that chooses"),
    (b'{"place": []}', "a list of strings is needed"),
    (b'{"place": "x"}', "a list of strings is needed"),
    (b'{"places": ["x"]}', "letters are chosen by"),
    (b'{"topic": ["acme"]}', "'acme' has no dead letters"),
    (json.dumps({"place": [f"{LISTENS.name}.dlq[0]@{n}" for n in range(201)]}).encode(), "201 places"),
]


@pytest.mark.row(45)
async def test_a_replay_that_does_not_say_what_it_means_begins_not_and_never_means_everything(
    page: ClientSession,
) -> None:
    for body, why in BODIES:
        status, said = await told(await page.post("/replay", data=body, headers=OPERATOR))
        assert (status, why in said) == (400, True), (body, said)
    async with page.get("/board.json") as response:
        assert (await response.json())["replay"] is None


async def test_a_page_without_a_token_only_shows(stack: StackAddresses) -> None:
    async with serving(stack) as address, ClientSession(address) as client:
        status, said = await told(await client.post("/replay", json={"place": ["x"]}, headers=OPERATOR))
        assert (status, "musicrec dlq replay" in said) == (403, True)
        async with client.get("/board.json") as response:
            assert (await response.json())["may_replay"] is False
