"""Plays in, recommendations out: session, ranking and outcome workers on a real Kafka and a real Valkey."""

import asyncio
import itertools
import time
import uuid
from collections.abc import AsyncIterator, Callable

import pytest
from aiokafka import ConsumerRecord
from conftest import Worker
from probe import Tail, about, play, producing, publish, publish_events, reading

from musicrec.contracts import (
    DeadLetter,
    Degradation,
    EventType,
    ListenEvent,
    Mode,
    Outcome,
    Recommendation,
    RecommendationRequest,
    SessionSnapshot,
    Track,
)
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses

pytestmark = pytest.mark.kafka

SESSIONS, LISTS, OUTCOMES = "musicrec.sessions.v1", "musicrec.recommendations.v1", "musicrec.outcomes.v1"
TRACKS, REQUESTS = "musicrec.tracks.v1", "musicrec.requests.v1"


LEARNED_DEADLINE_S = 60.0
"""All workers know of a play within a second; a loaded machine gets more time."""


def fresh(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


def of(run: str) -> Callable[[ConsumerRecord], bool]:
    """Return whether a record is about a listener of this run."""
    return lambda record: (record.key or b"").startswith(run.encode())


async def attempts(name: str) -> AsyncIterator[str]:
    """Yield new listeners until the deadline: what the crowd did is learned soon after it was answered, not before."""
    async with asyncio.timeout(LEARNED_DEADLINE_S):
        for number in itertools.count():
            yield f"{name} {number}"
            await asyncio.sleep(0.2)


def newest_list(tail: Tail, user: str, revision: int) -> Recommendation | None:
    """Return the list that answers this revision of a listener's session, once it has come."""
    lists = (Recommendation.decode(record.value) for record in tail.on(LISTS) if record.key == user.encode())
    return next((made for made in lists if made.session_revision == revision), None)


def answered(tail: Tail) -> int:
    """Count the events that have a list, those included that a newer event's list answers."""
    lists = (Recommendation.decode(record.value) for record in tail.on(LISTS))
    return sum(1 + len(made.passed_over) for made in lists if made.trigger is not None)


def request(user: str, mode: Mode, **fields: object) -> RecommendationRequest:
    now_ms = time.time_ns() // 1_000_000
    return RecommendationRequest.model_validate(
        {"request_id": fresh("request"), "user_id": user, "mode": mode, "requested_at_ms": now_ms} | fields
    )


async def test_every_play_gets_a_list_that_continues_what_others_did(stack: StackAddresses, worker: Worker) -> None:
    run = fresh("run")
    a, b, c = fresh("a"), fresh("b"), fresh("c")
    crowd = [f"{run} crowd {number}" for number in range(5)]
    async with (
        reading(stack, LISTS, OUTCOMES, only=of(run)) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
        worker("outcome"),
    ):
        for user in crowd:
            await publish_events(producer, [play(user, track, n) for n, track in enumerate((a, b, c))])
        await tail.until(lambda t: answered(t) == 15 and len(t.on(OUTCOMES)) == 15)
        async for late in attempts(f"{run} late"):
            await publish_events(producer, [play(late, a, 0), play(late, b, 1)])
            await tail.until(lambda t, user=late: newest_list(t, user, 2) is not None)  # type: ignore[misc]
            after_b = newest_list(tail, late, 2)
            assert after_b is not None
            if after_b.items[0].track_id == c:
                break
        await publish_events(producer, [play(late, c, 2)])
        await tail.until(lambda t: any(o.track_id == c for o in outcomes(t, late)))
    lists = [Recommendation.decode(record.value) for record in tail.on(LISTS)]
    assert len({made.list_id for made in lists}) == len(lists)
    assert after_b.mode is Mode.SESSION
    assert after_b.trigger is not None
    assert after_b.trigger.event_id == f"{late}-000001"
    tracks = [item.track_id for item in after_b.items]
    assert b not in tracks
    assert len(set(tracks)) == len(tracks)
    assert [item.score for item in after_b.items] == sorted((i.score for i in after_b.items), reverse=True)
    assert all(item.sources for item in after_b.items)
    assert after_b.making is not None
    assert after_b.making.excluded.playing == 1
    outcome = next(o for o in outcomes(tail, late) if o.track_id == c)
    assert (outcome.rank, outcome.list_id) == (1, after_b.list_id)
    assert outcome.sources == after_b.items[0].sources


def outcomes(tail: Tail, user: str) -> list[Outcome]:
    return [Outcome.decode(record.value) for record in tail.on(OUTCOMES) if record.key == user.encode()]


async def test_outcome_worker_that_was_away_joins_as_one_that_was_not(stack: StackAddresses, worker: Worker) -> None:
    run = fresh("run")
    users, tracks = [f"{run} {number}" for number in range(20)], [fresh("t") for _ in range(5)]
    async with (
        reading(stack, LISTS, OUTCOMES, only=of(run)) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
    ):
        for number, track in enumerate(tracks):
            await publish_events(producer, [play(user, track, number) for user in users])
            await tail.until(lambda t, n=number: answered(t) == (n + 1) * len(users))  # type: ignore[misc]
        async with worker("outcome"):
            await tail.until(lambda t: len(t.on(OUTCOMES)) == len(users) * len(tracks))
    for user in users:
        made = {o.track_id: o.list_id for o in outcomes(tail, user)}
        before = [newest_list(tail, user, revision) for revision in range(1, len(tracks))]
        assert [made[track] for track in tracks] == [None, *(shown.list_id for shown in before if shown)]


async def test_blocked_and_skipped_tracks_are_in_no_later_list(stack: StackAddresses, worker: Worker) -> None:
    run = fresh("run")
    a, b, c, d, artist = (fresh(name) for name in ("a", "b", "c", "d", "artist"))
    crowd = [f"{run} crowd {number}" for number in range(3)]
    async with (
        reading(stack, LISTS, only=of(run)) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
    ):
        for other in crowd:
            events = [play(other, t, n, artist_id=artist if t == d else None) for n, t in enumerate((a, b, c, d))]
            await publish_events(producer, events)
        await tail.until(lambda t: answered(t) == 12)
        async for user in attempts(f"{run} user"):
            block = ListenEvent(
                event_id=fresh("block"),
                user_id=user,
                type=EventType.BLOCK_ARTIST,
                occurred_at_ms=play(user, a, 0).occurred_at_ms + 1,
                artist_id=artist,
            )
            skip = play(user, b, 1, type=EventType.SKIP, ms_played=4_000)
            await publish_events(producer, [play(user, a, 0), block, skip])
            await tail.until(lambda t, user=user: newest_list(t, user, 3) is not None)  # type: ignore[misc]
            last = newest_list(tail, user, 3)
            assert last is not None
            offered = {item.track_id for item in last.items}
            assert b not in offered
            if c in offered:  # the crowd is known by now, and with it the track of the blocked artist
                break
    assert d not in offered


async def test_a_listener_who_turns_the_dial_gets_more_new_or_more_familiar_tracks_from_then_on(
    stack: StackAddresses, worker: Worker
) -> None:
    run = fresh("run")
    own, others = [fresh("own") for _ in range(10)], [fresh("others") for _ in range(10)]
    seed = fresh("seed")
    crowd = [f"{run} crowd {number}" for number in range(4)]

    def dial(user: str, value: float, number: int) -> ListenEvent:
        after_ms = play(user, seed, 0).occurred_at_ms + number
        return ListenEvent(
            event_id=fresh("dial"), user_id=user, type=EventType.SET_DISCOVERY, occurred_at_ms=after_ms, discovery=value
        )

    async with (
        reading(stack, SESSIONS, LISTS, only=of(run)) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
    ):
        for other in crowd:
            await publish_events(producer, [play(other, t, n) for n, t in enumerate([seed, *own, *others])])
        await tail.until(lambda t: answered(t) == 21 * len(crowd))
        async for user in attempts(f"{run} user"):
            listens = [play(user, track, n - 200) for n, track in enumerate(own)] + [play(user, seed, 0)]
            await publish_events(producer, listens)
            await tail.until(lambda t, user=user: newest_list(t, user, 11) is not None)  # type: ignore[misc]
            await publish_events(producer, [dial(user, 1.0, 1)])
            await tail.until(lambda t, user=user: newest_list(t, user, 12) is not None)  # type: ignore[misc]
            await publish_events(producer, [dial(user, -1.0, 2), play(user, seed, 1)])
            await tail.until(lambda t, user=user: newest_list(t, user, 14) is not None)  # type: ignore[misc]
            lists = [made for n in (11, 12, 14) if (made := newest_list(tail, user, n)) is not None]
            heard = [sum(item.track_id in own for item in made.items[:8]) for made in lists]
            if (heard[1], heard[2]) == (0, 8):  # what the crowd and the user heard is known by now
                break
    snapshots = [SessionSnapshot.decode(record.value) for record in tail.on(SESSIONS) if record.key == user.encode()]
    assert [snapshot.discovery for snapshot in snapshots] == [None] * 11 + [1.0, -1.0, -1.0]
    told = [made.making for made in lists if made.making is not None]
    assert [making.discovery for making in told] == [None, 1.0, -1.0]
    assert told[1].new_to_listener is not None
    assert {1, 2, 3, 4, 5, 6, 7, 8} <= set(told[1].new_to_listener)


async def test_requests_are_answered_by_mode_with_their_request_id(stack: StackAddresses, worker: Worker) -> None:
    run = fresh("run")
    known, stranger = f"{run} known", f"{run} stranger"
    new = fresh("new track")
    announced = Track(track_id=new, title="Just out", released_at_ms=time.time_ns() // 1_000_000)
    asked = [
        request(stranger, Mode.PERSONAL),
        request(stranger, Mode.POPULAR, limit=3),
        request(stranger, Mode.NEW),
        request(stranger, Mode.SIMILAR, track_id=fresh("never heard of")),
    ]

    def answers(tail: Tail) -> dict[str, Recommendation]:
        made = [Recommendation.decode(record.value) for record in tail.on(LISTS)]
        return {answer.request_id: answer for answer in made if answer.request_id is not None}

    async with (
        reading(stack, LISTS, only=of(run)) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
    ):
        await publish(producer, TRACKS, [(new.encode(), announced.encode())])
        await publish_events(producer, [play(known, fresh("t"), n) for n in range(5)])
        await tail.until(lambda t: answered(t) == 5)
        async for _ in attempts(known):
            personal = request(known, Mode.PERSONAL)
            await publish(producer, REQUESTS, [(known.encode(), personal.encode())])
            await tail.until(lambda t, wanted=personal.request_id: wanted in answers(t))  # type: ignore[misc]
            if Degradation.NO_HISTORY not in answers(tail)[personal.request_id].degraded:
                break
        await publish(producer, REQUESTS, [(r.user_id.encode(), r.encode()) for r in asked])
        await tail.until(lambda t: answers(t).keys() >= {r.request_id for r in asked})
    first_time, popular, fresh_ones, similar = (answers(tail)[r.request_id] for r in asked)
    assert Degradation.NO_HISTORY in first_time.degraded
    assert first_time.items
    assert len(popular.items) == 3
    assert new in {item.track_id for item in fresh_ones.items}
    assert Degradation.UNKNOWN_SEED in similar.degraded


@pytest.mark.row(18)
async def test_bad_request_becomes_a_dead_letter(stack: StackAddresses, worker: Worker) -> None:
    user = fresh("listener")
    bad = request(user, Mode.PERSONAL).encode().replace(b'"personal"', b'"similar"')
    async with (
        reading(stack, f"{REQUESTS}.dlq", only=about(user)) as tail,
        producing(stack) as producer,
        worker("ranking"),
    ):
        await publish(producer, REQUESTS, [(user.encode(), bad)])
        await tail.until(lambda t: len(t.records) == 1)
    letter = DeadLetter.from_headers(list(tail.records[0].headers))
    assert letter.reason is DeadLetterReason.INVALID
    assert "track_id" in letter.error_message
    assert tail.records[0].value == bad


@pytest.mark.row(20)
async def test_removed_track_is_in_no_list_any_more(stack: StackAddresses, worker: Worker) -> None:
    run = fresh("run")
    a, gone = fresh("a"), fresh("gone")
    async with (
        reading(stack, LISTS, only=of(run)) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
    ):

        async def offered(user: str) -> set[str]:
            await publish_events(producer, [play(user, a, 0)])
            await tail.until(lambda t: newest_list(t, user, 1) is not None)
            made = newest_list(tail, user, 1)
            return {item.track_id for item in made.items} if made else set()

        await publish(producer, TRACKS, [(gone.encode(), Track(track_id=gone).encode())])
        for number in range(3):
            other = f"{run} crowd {number}"
            await publish_events(producer, [play(other, a, 0), play(other, gone, 1)])
        async for user in attempts(f"{run} before"):
            if gone in await offered(user):
                break
        await publish(producer, TRACKS, [(gone.encode(), None)])
        async for user in attempts(f"{run} after"):
            if gone not in await offered(user):
                break
        assert all([gone not in await offered(f"{run} later {number}") for number in range(3)])
