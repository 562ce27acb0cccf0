"""Plays in, recommendations out: session, ranking and outcome workers on a real Kafka and a real Valkey."""

import time
import uuid

import pytest
from conftest import Worker
from probe import Tail, play, producing, publish, publish_events, reading

from musicrec.contracts import (
    DeadLetter,
    Degradation,
    EventType,
    ListenEvent,
    Mode,
    Outcome,
    Recommendation,
    RecommendationRequest,
    Track,
)
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses

pytestmark = pytest.mark.kafka

SESSIONS, LISTS, OUTCOMES = "musicrec.sessions.v1", "musicrec.recommendations.v1", "musicrec.outcomes.v1"
TRACKS, REQUESTS = "musicrec.tracks.v1", "musicrec.requests.v1"


def fresh(name: str) -> str:
    return f"{name} {uuid.uuid4().hex[:8]}"


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
    a, b, c = fresh("a"), fresh("b"), fresh("c")
    crowd = [fresh("listener") for _ in range(5)]
    late = fresh("listener")
    async with (
        reading(stack, LISTS, OUTCOMES) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
        worker("outcome"),
    ):
        for user in crowd:
            await publish_events(producer, [play(user, track, n) for n, track in enumerate((a, b, c))])
        await tail.until(lambda t: answered(t) == 15 and len(t.on(OUTCOMES)) == 15)
        await publish_events(producer, [play(late, a, 0), play(late, b, 1)])
        await tail.until(lambda t: answered(t) == 17)
        await publish_events(producer, [play(late, c, 2)])
        await tail.until(lambda t: len(t.on(OUTCOMES)) == 18)
    lists = [Recommendation.decode(record.value) for record in tail.on(LISTS)]
    assert len({made.list_id for made in lists}) == len(lists)
    after_b = next(made for made in lists if made.user_id == late and made.session_revision == 2)
    assert after_b.mode is Mode.SESSION
    assert after_b.trigger is not None
    assert after_b.trigger.event_id == f"{late}-000001"
    tracks = [item.track_id for item in after_b.items]
    assert tracks[0] == c
    assert b not in tracks
    assert len(set(tracks)) == len(tracks)
    assert [item.score for item in after_b.items] == sorted((i.score for i in after_b.items), reverse=True)
    assert all(item.sources for item in after_b.items)
    outcome = next(
        o for o in (Outcome.decode(r.value) for r in tail.on(OUTCOMES)) if o.user_id == late and o.track_id == c
    )
    assert (outcome.rank, outcome.list_id) == (1, after_b.list_id)
    assert outcome.sources == after_b.items[0].sources


async def test_blocked_and_skipped_tracks_are_in_no_later_list(stack: StackAddresses, worker: Worker) -> None:
    a, b, c, d = (fresh(name) for name in "abcd")
    crowd, user = [fresh("listener") for _ in range(3)], fresh("listener")
    artist = fresh("artist")
    async with (
        reading(stack, LISTS) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
    ):
        for other in crowd:
            events = [play(other, t, n, artist_id=artist if t == d else None) for n, t in enumerate((a, b, c, d))]
            await publish_events(producer, events)
        await tail.until(lambda t: answered(t) == 12)
        block = ListenEvent(
            event_id=fresh("block"),
            user_id=user,
            type=EventType.BLOCK_ARTIST,
            occurred_at_ms=play(user, a, 0).occurred_at_ms + 1,
            artist_id=artist,
        )
        skip = play(user, b, 1, type=EventType.SKIP, ms_played=4_000)
        await publish_events(producer, [play(user, a, 0), block, skip])
        await tail.until(lambda t: answered(t) == 15)
    last = Recommendation.decode(tail.on(LISTS)[-1].value)
    offered = {item.track_id for item in last.items}
    assert c in offered
    assert not offered & {b, d}


async def test_requests_are_answered_by_mode_with_their_request_id(stack: StackAddresses, worker: Worker) -> None:
    known, stranger = fresh("listener"), fresh("listener")
    new = fresh("new track")
    announced = Track(track_id=new, title="Just out", released_at_ms=time.time_ns() // 1_000_000)
    asked = [
        request(known, Mode.PERSONAL),
        request(stranger, Mode.PERSONAL),
        request(stranger, Mode.POPULAR, limit=3),
        request(stranger, Mode.NEW),
        request(stranger, Mode.SIMILAR, track_id=fresh("never heard of")),
    ]
    async with (
        reading(stack, LISTS) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
    ):
        await publish(producer, TRACKS, [(new.encode(), announced.encode())])
        await publish_events(producer, [play(known, fresh("t"), n) for n in range(5)])
        await tail.until(lambda t: answered(t) == 5)
        await publish(producer, REQUESTS, [(r.user_id.encode(), r.encode()) for r in asked])
        wanted = {r.request_id for r in asked}
        await tail.until(lambda t: {Recommendation.decode(r.value).request_id for r in t.on(LISTS)} >= wanted)
    made = [Recommendation.decode(record.value) for record in tail.on(LISTS)]
    answers = {answer.request_id: answer for answer in made if answer.request_id is not None}
    assert set(answers) == {r.request_id for r in asked}
    personal, first_time, popular, fresh_ones, similar = (answers[r.request_id] for r in asked)
    assert personal.degraded == () or Degradation.NO_HISTORY not in personal.degraded
    assert Degradation.NO_HISTORY in first_time.degraded
    assert first_time.items
    assert len(popular.items) == 3
    assert new in {item.track_id for item in fresh_ones.items}
    assert Degradation.UNKNOWN_SEED in similar.degraded


async def test_bad_request_becomes_a_dead_letter(stack: StackAddresses, worker: Worker) -> None:
    bad = request("u", Mode.PERSONAL).encode().replace(b'"personal"', b'"similar"')
    async with reading(stack, f"{REQUESTS}.dlq") as tail, producing(stack) as producer, worker("ranking"):
        await publish(producer, REQUESTS, [(b"u", bad)])
        await tail.until(lambda t: len(t.records) == 1)
    letter = DeadLetter.from_headers(list(tail.records[0].headers))
    assert letter.reason is DeadLetterReason.INVALID
    assert "track_id" in letter.error_message
    assert tail.records[0].value == bad


async def test_removed_track_is_in_no_list_any_more(stack: StackAddresses, worker: Worker) -> None:
    a, gone = fresh("a"), fresh("gone")
    crowd = [fresh("listener") for _ in range(3)]
    user = fresh("listener")
    async with (
        reading(stack, LISTS) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
    ):
        await publish(producer, TRACKS, [(gone.encode(), Track(track_id=gone).encode())])
        for other in crowd:
            await publish_events(producer, [play(other, a, 0), play(other, gone, 1)])
        await tail.until(lambda t: answered(t) == 6)
        await publish(producer, TRACKS, [(gone.encode(), None)])
        for number in range(20):
            await publish_events(producer, [play(user, a if number == 0 else fresh("t"), number)])
            await tail.until(lambda t, n=number: answered(t) == 7 + n)  # type: ignore[misc]
            last = Recommendation.decode(tail.on(LISTS)[-1].value)
            if gone not in {item.track_id for item in last.items}:
                break
    assert gone not in {item.track_id for item in last.items}
