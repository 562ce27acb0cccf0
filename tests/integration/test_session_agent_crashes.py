"""What a crash between two steps of the session agent leaves behind, step by step on a real Valkey."""

import uuid
from collections.abc import AsyncIterator

import pytest
from probe import play

from musicrec.contracts import ListenEvent
from musicrec.local import StackAddresses
from musicrec.settings import SessionSettings
from streams.messages import Incoming
from streams.redis_connection import connect
from streams.session_agent import SessionAgent
from streams.session_store import Overtaken, SessionStore

pytestmark = pytest.mark.kafka


@pytest.fixture
async def store(stack: StackAddresses) -> AsyncIterator[SessionStore]:
    async with connect(stack.redis) as client:
        yield SessionStore(client, ttl_ms=3_600_000)


def restarted(store: SessionStore) -> SessionAgent:
    """Return the agent of a new process: it knows nothing but what is in the store."""
    return SessionAgent(store, SessionSettings(), origin="cluster")


def batch_of(events: list[ListenEvent]) -> list[Incoming]:
    return [
        Incoming("musicrec.listens.v1", 0, offset, e.occurred_at_ms, e.user_id.encode(), e.encode(), [])
        for offset, e in enumerate(events)
    ]


def batch() -> list[Incoming]:
    run = uuid.uuid4().hex[:8]
    good = [play(f"{run}-{n % 3}", f"t{n}", n) for n in range(12)]
    bad = Incoming("musicrec.listens.v1", 0, 12, good[-1].occurred_at_ms, b"u", b"junk", [])
    return [*batch_of(good), bad]


@pytest.mark.row(10)
async def test_crash_before_the_save_emits_the_very_same_messages_again(store: SessionStore) -> None:
    taken = batch()
    emitted = (await restarted(store).decide(taken)).messages  # and then the process is gone
    again = (await restarted(store).decide(taken)).messages
    assert len(emitted) == len(taken)
    assert again == emitted


@pytest.mark.row(10)
async def test_crash_after_the_save_applies_nothing_again_and_refuses_again_what_was_refused(
    store: SessionStore,
) -> None:
    taken = batch()
    decision = await restarted(store).decide(taken)
    await decision.save()
    again = await restarted(store).decide(taken)
    assert [message.topic for message in again.messages] == ["musicrec.listens.v1.dlq"]
    assert again.messages == [m for m in decision.messages if m.topic.endswith(".dlq")]


@pytest.mark.row(8, 10)
async def test_crash_in_the_middle_of_the_save_finishes_only_what_was_not_saved(store: SessionStore) -> None:
    events = [play(f"{uuid.uuid4().hex[:8]}-{n}", f"t{n}", n) for n in range(6)]
    taken = batch_of(events)
    whole = await restarted(store).decide(taken)
    await (await restarted(store).decide(taken[:3])).save()  # three listeners were saved when the process died
    again = await restarted(store).decide(taken)
    assert again.messages == whole.messages[3:]
    await again.save()
    assert (await restarted(store).decide(taken)).messages == []


@pytest.mark.row(11)
async def test_a_worker_that_was_overtaken_saves_nothing_of_what_it_decided(store: SessionStore) -> None:
    (first, second) = (play("listener " + uuid.uuid4().hex, f"t{n}", n) for n in range(2))
    second = second.model_copy(update={"user_id": first.user_id})
    stale = await restarted(store).decide(batch_of([first]))
    await (await restarted(store).decide(batch_of([first, second]))).save()
    with pytest.raises(Overtaken):
        await stale.save()
    assert (await restarted(store).decide(batch_of([first, second]))).messages == []


@pytest.mark.row(8)
async def test_a_save_whose_answer_was_lost_is_done_when_it_comes_again(store: SessionStore) -> None:
    taken = batch_of([play(f"listener {uuid.uuid4()}", "t", 1)])
    decision = await restarted(store).decide(taken)
    await decision.save()
    await decision.save()
    assert (await restarted(store).decide(taken)).messages == []
