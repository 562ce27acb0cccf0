"""Sessions and lists in one process, on a real Valkey: what comes out is what two agents would have published."""

import uuid
from collections.abc import AsyncIterator, Sequence
from typing import NamedTuple

import pytest
from probe import play
from redis.asyncio import Redis

from musicrec.contracts import DeadLetter, ListenEvent, Recommendation, SessionSnapshot, Track
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.local import StackAddresses
from musicrec.recommend import Recommender
from musicrec.recommend.variants import Variants
from musicrec.settings import RankingAgentSettings, SessionSettings
from streams.counters import Counters
from streams.list_store import ListStore
from streams.listen_ranking import ListenRanking
from streams.messages import Decision, Incoming, Outgoing
from streams.metrics import EventOutcome
from streams.ranking_agent import Rankers, SessionRanking
from streams.redis_connection import connect
from streams.running_sessions import RunningSessions
from streams.session_agent import SessionAgent
from streams.session_store import Overtaken, SessionStore

pytestmark = pytest.mark.kafka

LISTENS, SESSIONS, LISTS = "musicrec.listens.v1", "musicrec.sessions.v1", "musicrec.recommendations.v1"


class Place(NamedTuple):
    partition: int
    offset: int


@pytest.fixture
async def redis(stack: StackAddresses) -> AsyncIterator[Redis]:
    async with connect(stack.redis) as client:
        yield client


@pytest.fixture
def origin() -> str:
    return f"cluster {uuid.uuid4().hex[:8]}"


def session_agent(redis: Redis, origin: str) -> SessionAgent:
    return SessionAgent(SessionStore(redis, ttl_ms=3_600_000), SessionSettings(), origin)


def ranking(redis: Redis, origin: str, *tracks: str) -> SessionRanking:
    recommender = Recommender()
    for track in tracks:
        recommender.add_track(Track(track_id=track))
    settings = RankingAgentSettings(stale_after_ms=0)
    return SessionRanking(
        Rankers(Variants(recommender), RunningSessions(), ListStore(redis, origin), settings, lambda: "none")
    )


def restarted(redis: Redis, origin: str, *tracks: str) -> ListenRanking:
    """Return the handler of a new process that knows some tracks."""
    return ListenRanking(session_agent(redis, origin), ranking(redis, origin, *(tracks or ("a", "b", "c"))))


def batch_of(events: Sequence[ListenEvent], first_offset: int = 0) -> list[Incoming]:
    return [
        Incoming(LISTENS, 0, offset, event.occurred_at_ms, event.user_id.encode(), event.encode(), [])
        for offset, event in enumerate(events, start=first_offset)
    ]


def plays(listeners: int = 2, each: int = 1) -> list[ListenEvent]:
    run = uuid.uuid4().hex[:8]
    return [play(f"{run}-{user}", f"t{number}", number) for number in range(each) for user in range(listeners)]


def on(topic: str, messages: Sequence[Outgoing]) -> list[Outgoing]:
    return [message for message in messages if message.topic == topic]


def lists(decision: Decision) -> list[Recommendation]:
    return [Recommendation.decode(message.value) for message in on(LISTS, decision.to_deliver())]


async def test_snapshots_are_those_of_the_session_agent_and_each_listener_gets_a_list(
    redis: Redis, origin: str
) -> None:
    events = plays(listeners=3, each=2)
    taken = batch_of(events)

    decision = await restarted(redis, origin).decide(taken)

    alone = await session_agent(redis, origin).decide(taken)
    assert on(SESSIONS, decision.to_deliver()) == alone.messages
    made = lists(decision)
    newest = {event.user_id: event for event in events}
    assert {each.user_id: each.trigger.event_id for each in made if each.trigger} == {
        user: event.event_id for user, event in newest.items()
    }
    assert {event_id for each in made for event_id in each.passed_over} == {e.event_id for e in events[:3]}


@pytest.mark.row(10)
async def test_worker_that_knows_more_emits_the_very_same_again_after_a_crash_before_the_save(
    redis: Redis, origin: str
) -> None:
    taken = batch_of(plays(listeners=3, each=2))

    emitted = (await restarted(redis, origin, "a", "b").decide(taken)).to_deliver()  # and then the process is gone
    again = (await restarted(redis, origin, "c", "d", "e").decide(taken)).to_deliver()

    assert len(emitted) == 6 + 3
    assert again == emitted


@pytest.mark.row(10)
async def test_crash_after_the_save_emits_nothing_again(redis: Redis, origin: str) -> None:
    taken = batch_of(plays())
    await (await restarted(redis, origin).decide(taken)).save()

    again = await restarted(redis, origin).decide(taken)

    assert again.to_deliver() == []
    assert again.outcomes == {EventOutcome.DUPLICATE: 2}


@pytest.mark.row(11)
async def test_ranking_worker_beside_it_publishes_the_very_same_list(redis: Redis, origin: str) -> None:
    """As while a deployment changes back to session and ranking workers."""
    taken = batch_of(plays())
    decision = await restarted(redis, origin, "a", "b").decide(taken)
    published = [
        Incoming(SESSIONS, 0, offset, 0, message.key, message.value, message.headers)
        for offset, message in enumerate(on(SESSIONS, decision.to_deliver()))
    ]

    beside = await ranking(redis, origin, "c", "d").decide(published)

    assert beside.messages == on(LISTS, decision.to_deliver())


@pytest.mark.row(11)
async def test_event_that_a_session_worker_has_applied_is_left_to_the_reader_of_its_snapshot(
    redis: Redis, origin: str
) -> None:
    taken = batch_of(plays())
    in_hand = await restarted(redis, origin).decide(taken)
    await (await session_agent(redis, origin).decide([*taken, *batch_of(plays(), first_offset=2)])).save()

    await in_hand.save()  # the very same states: no matter whose save it was
    assert (await restarted(redis, origin).decide(taken)).to_deliver() == []


@pytest.mark.row(11)
async def test_worker_that_was_overtaken_decides_again(redis: Redis, origin: str) -> None:
    first, second = plays(listeners=1, each=2)
    in_hand = await restarted(redis, origin).decide(batch_of([first]))
    await (await session_agent(redis, origin).decide(batch_of([first, second]))).save()

    with pytest.raises(Overtaken):
        await in_hand.save()


async def test_outcomes_are_counted_by_the_topic_that_each_agent_reads(redis: Redis, origin: str) -> None:
    taken = batch_of(plays(listeners=2, each=2))
    decision = await restarted(redis, origin).decide(taken)
    counters = Counters("session-ranking")

    counters.finished(taken, decision, 0)

    events = {
        (sample.labels["topic"], sample.labels["outcome"]): sample.value
        for family in counters.registry.collect()
        for sample in family.samples
        if sample.name == "musicrec_events_total"
    }
    assert events == {(LISTENS, "applied"): 4, (SESSIONS, "listed"): 2, (SESSIONS, "passed_over"): 2}


@pytest.mark.row(9)
async def test_snapshot_without_a_list_is_refused_with_its_place_and_the_session_goes_on(
    redis: Redis, origin: str
) -> None:
    spoilt, other = plays(listeners=2)
    await redis.rpush(f"musicrec:lists:{origin}:0:{spoilt.user_id}", "somebody else's")  # type: ignore[misc]
    decision = await restarted(redis, origin).decide(batch_of([spoilt, other]))
    delivered = decision.to_deliver()
    places = [Place(4, 100 + number) for number in range(len(delivered))]

    (letter,) = decision.dead_letters_of_delivered(places)
    await decision.save()

    assert [made.user_id for made in lists(decision)] == [other.user_id]
    (snapshot,) = [m for m in on(SESSIONS, delivered) if m.key == spoilt.user_id.encode()]
    assert (letter.topic, letter.key, letter.value) == (f"{SESSIONS}.dlq", snapshot.key, snapshot.value)
    why = DeadLetter.from_headers(letter.headers)
    assert (why.original_topic, why.original_partition, why.original_offset) == (SESSIONS, 4, 100)
    assert (why.reason, why.app) == (DeadLetterReason.UNREADABLE_STATE, "ranking")
    assert letter.headers[: len(snapshot.headers)] == snapshot.headers
    assert len({name for name, _ in letter.headers}) == len(letter.headers)
    next_play = play(spoilt.user_id, "t", 1)
    (after,) = (await session_agent(redis, origin).decide(batch_of([next_play], first_offset=9))).messages
    assert SessionSnapshot.decode(after.value).revision == 2


async def test_message_that_the_ranking_fails_on_costs_its_list_and_not_its_session(redis: Redis, origin: str) -> None:
    (message,) = batch_of(plays(listeners=1))
    broken = BadInput("KeyError in the handler", DeadLetterReason.HANDLER_ERROR)

    decision = await restarted(redis, origin).refuse(message, broken)
    await decision.save()

    (snapshot,) = decision.to_deliver()
    (letter,) = decision.dead_letters_of_delivered([Place(0, 7)])
    assert snapshot.topic == SESSIONS
    assert (letter.topic, letter.value) == (f"{SESSIONS}.dlq", snapshot.value)
    assert (await restarted(redis, origin).decide([message])).outcomes == {EventOutcome.DUPLICATE: 1}


async def test_message_that_the_sessions_refuse_is_refused_as_ever(redis: Redis, origin: str) -> None:
    junk = Incoming(LISTENS, 0, 5, 0, b"u", b"junk", [])

    decision = await restarted(redis, origin).decide([junk])

    (letter,) = decision.to_deliver()
    why = DeadLetter.from_headers(letter.headers)
    assert (letter.topic, why.original_offset, why.app) == (f"{LISTENS}.dlq", 5, "session")
    assert decision.then is None
