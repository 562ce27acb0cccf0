"""Who waits for which lists."""

import asyncio
from dataclasses import dataclass

import pytest

from musicrec.client.list_readers import ListReaders
from musicrec.client.subscription import Subscription
from musicrec.contracts import EventType, Mode, Recommendation
from musicrec.contracts.recommendation import Timings
from musicrec.contracts.session import Trigger

NOW_MS = 1_760_000_000_000


@dataclass(frozen=True)
class Message:
    key: bytes | None
    value: bytes | None


def made(user: str, number: int = 0, **fields: object) -> Recommendation:
    values: dict[str, object] = {
        "list_id": f"list-{number}",
        "user_id": user,
        "mode": Mode.SESSION,
        "items": (),
        "model_version": "m",
        "index_version": "i",
        "generated_at_ms": NOW_MS,
        "timings": Timings(ranking_ms=1.0),
    }
    return Recommendation.model_validate(values | fields)


def trigger(event_id: str) -> Trigger:
    return Trigger(
        event_id=event_id,
        type=EventType.PLAY,
        occurred_at_ms=NOW_MS,
        track_id="t",
        published_at_ms=NOW_MS,
        partition=0,
        offset=0,
    )


def message(record: Recommendation) -> Message:
    return Message(record.user_id.encode(), record.encode())


async def test_an_answer_goes_to_whoever_waits_for_its_event_or_request() -> None:
    readers = ListReaders()
    with readers.answer_to("ada", "play-1") as first, readers.answer_to("ada", "request-1") as second:
        readers.take([message(made("ada", 1, trigger=trigger("play-1"))), message(made("ada", 2, request_id="other"))])
        assert first.result().list_id == "list-1"
        assert not second.done()
        readers.take([message(made("ada", 3, request_id="request-1", mode=Mode.NEW))])
        assert second.result().list_id == "list-3"


async def test_an_event_that_newer_ones_passed_over_is_answered_by_their_list() -> None:
    readers = ListReaders()
    with readers.answer_to("ada", "play-1") as answer:
        readers.take([message(made("ada", 5, trigger=trigger("play-3"), passed_over=("play-1", "play-2")))])
        assert answer.result().list_id == "list-5"


async def test_an_id_of_another_listener_is_not_an_answer() -> None:
    readers = ListReaders()
    with readers.answer_to("ada", "play-1") as answer, readers.answer_to("bob", "play-2"):
        readers.take([message(made("bob", trigger=trigger("play-1")))])
        assert not answer.done()


async def test_two_who_wait_for_one_list_both_get_it_and_one_that_came_again_harms_nobody() -> None:
    readers = ListReaders()
    again = message(made("ada", trigger=trigger("play-1")))
    with readers.answer_to("ada", "play-1") as first:
        with readers.answer_to("ada", "play-1") as second:
            readers.take([again, again])
        readers.take([again])
        assert first.result() == second.result()


async def test_a_subscription_gets_the_lists_of_its_listener_and_one_of_all_gets_all() -> None:
    readers = ListReaders()
    with readers.subscription("ada") as of_ada, readers.subscription(None) as of_all:
        readers.take(
            [message(made("ada", 1)), message(made("bob", 2)), Message(b"eve", b"{no list"), Message(None, None)]
        )
        readers.end()
        assert [each.list_id async for each in of_ada] == ["list-1"]
        assert [each.list_id async for each in of_all] == ["list-1", "list-2"]


async def test_what_nobody_waits_for_any_more_is_not_parsed() -> None:
    readers = ListReaders()
    with readers.answer_to("ada", "play-1"), readers.subscription("ada"):
        pass
    readers.take([Message(b"ada", None)])
    assert not readers._subscriptions._wanted


async def test_a_reader_who_is_too_slow_misses_the_oldest_and_is_told_how_many() -> None:
    subscription = Subscription[Recommendation](most_waiting=2)
    for number in range(5):
        subscription.put(made("ada", number))
    subscription.end()
    assert subscription.missed == 3
    assert [each.list_id async for each in subscription] == ["list-3", "list-4"]


async def test_a_reader_who_waits_is_woken_by_a_list_and_by_the_end() -> None:
    subscription = Subscription[Recommendation]()
    waiting = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    subscription.put(made("ada"))
    assert (await waiting).list_id == "list-0"
    waiting = asyncio.create_task(anext(subscription))
    await asyncio.sleep(0)
    subscription.end()
    with pytest.raises(StopAsyncIteration):
        await waiting
