"""What is said of a publisher's messages."""

import json
import zlib
from collections.abc import Callable, Iterable
from typing import Any

import pytest
from aiokafka.partitioner import murmur2

from musicrec.conformance import Check, Conformance, Finding, Message, Verdict
from musicrec.contracts import EventType, ListenEvent, Track
from musicrec.topics import LISTENS, TRACKS, Topic

NOON_MS = 1_760_000_000_000
USERS = ("ada", "bob", "cy")


def by_murmur2(key: bytes) -> int:
    return (murmur2(key) & 0x7FFF_FFFF) % LISTENS.partitions


def by_crc32(key: bytes) -> int:
    return zlib.crc32(key) % LISTENS.partitions


def plays(count: int = 60, **fields: Any) -> list[ListenEvent]:
    """Plays of three minutes without a pause between them, by each of three listeners."""
    return [
        ListenEvent(
            **{
                "event_id": f"{user} {number}",
                "user_id": user,
                "type": EventType.SKIP if number % 10 == 9 else EventType.PLAY,
                "track_id": f"t{number}",
                "occurred_at_ms": NOON_MS + (number + 1) * 180_000,
                "ms_played": 180_000,
                "duration_ms": 180_000,
            }
            | fields
        )
        for number in range(count // len(USERS))
        for user in USERS
    ]


def message(
    event: ListenEvent,
    *,
    partition: Callable[[bytes], int] = by_murmur2,
    delay_ms: int = 200,
    key: bytes | None = None,
    **more: Any,
) -> Message:
    key = event.user_id.encode() if key is None else key
    value = json.dumps(json.loads(event.encode()) | more).encode()
    return Message(event.event_id, partition(key), event.occurred_at_ms + delay_ms, key, value, ())


def judged(messages: Iterable[Message], topic: Topic = LISTENS, partitions: int | None = None) -> dict[Check, Finding]:
    conformance = Conformance(topic, partitions or topic.partitions)
    for each in messages:
        conformance.take(each)
    return {finding.check: finding for finding in conformance.findings()}


def verdicts(found: dict[Check, Finding]) -> set[Check]:
    return {check for check, finding in found.items() if finding.verdict is not Verdict.HOLDS}


def test_a_publisher_that_keeps_the_contract_is_told_so() -> None:
    assert verdicts(judged(map(message, plays()))) == set()


def test_librdkafkas_default_partitioner_is_recognised_by_where_messages_lie() -> None:
    found = judged(message(event, partition=by_crc32) for event in plays())
    assert verdicts(found) == {Check.PARTITIONER}
    assert "partitioner=murmur2_random" in found[Check.PARTITIONER].said
    elsewhere = judged(message(event, partition=lambda key: (by_murmur2(key) + 1) % 12) for event in plays())
    assert "partitioner=murmur2_random" not in elsewhere[Check.PARTITIONER].said
    assert len(elsewhere[Check.PARTITIONER].examples) == 3


def test_a_key_in_quotes_is_shown_beside_the_listener() -> None:
    found = judged(message(event, key=f'"{event.user_id}"'.encode()) for event in plays())
    assert verdicts(found) == {Check.KEY}
    assert found[Check.KEY].examples[0].endswith('key "ada", user_id ada')
    without = judged(message(event)._replace(key=None) for event in plays())
    assert verdicts(without) == {Check.KEY, Check.PARTITIONER}


def test_values_that_are_refused_are_counted_by_reason_with_the_field() -> None:
    broken = [message(event)._replace(value=b"{") for event in plays(6)]
    untyped = [message(event, ms_played="180000") for event in plays(6)]
    found = judged([*broken, *untyped, *map(message, plays())])
    assert found[Check.VALUE].verdict is Verdict.FAILS
    assert "12 of 72 are refused (malformed 6, invalid 6)" in found[Check.VALUE].said
    structured = message(plays()[0])._replace(headers=(("content-type", b"application/cloudevents+json"),))
    assert "binary mode" in judged([structured])[Check.VALUE].examples[0]


def test_a_misspelt_field_is_held_against_what_it_may_mean_and_a_publishers_own_is_none() -> None:
    found = judged(message(event, artistId="a", device="phone") for event in plays())
    assert verdicts(found) == {Check.UNKNOWN_FIELDS}
    assert "artistId (60, artist_id is meant?), device (60)" in found[Check.UNKNOWN_FIELDS].said
    assert verdicts(judged(message(event, device="phone") for event in plays())) == set()


@pytest.mark.parametrize(("delay_ms", "verdict"), [(-7_200_000, Verdict.FAILS), (3_600_000, Verdict.WARNS)])
def test_times_of_another_zone_are_recognised(delay_ms: int, verdict: Verdict) -> None:
    found = judged(message(event, delay_ms=delay_ms + 300) for event in plays())
    assert found[Check.CLOCK].verdict is verdict
    assert "a time zone taken for UTC?" in found[Check.CLOCK].said


def test_events_that_come_too_late_for_their_listener_alone_are_named() -> None:
    events = plays()
    offline = events[0].model_copy(update={"event_id": "offline", "occurred_at_ms": NOON_MS})
    found = judged(map(message, [*events, offline]))
    assert verdicts(found) == {Check.ORDER}
    assert found[Check.ORDER].examples == ("offline: 1 h behind the listener's newest event",)
    swapped = [events[3], events[0], *events[6:]]
    assert verdicts(judged(map(message, swapped))) == set()


def test_starts_in_the_place_of_ends_are_recognised_by_listens_that_would_overlap() -> None:
    # Of different lengths: among equal ones a start looks like an end one track later.
    lengths = (60_000, 400_000, 120_000, 300_000)
    starts, at_ms = [], NOON_MS
    for number in range(60):
        played = lengths[number % 4]
        starts.append(
            plays(3)[0].model_copy(
                update={"event_id": str(number), "occurred_at_ms": at_ms, "ms_played": played, "duration_ms": played}
            )
        )
        at_ms += played
    found = judged(map(message, starts))
    assert verdicts(found) == {Check.LISTENS}
    assert "send the END" in found[Check.LISTENS].said
    ends = [event.model_copy(update={"occurred_at_ms": event.occurred_at_ms + event.ms_played}) for event in starts]
    assert verdicts(judged(map(message, ends))) == set()


def test_seconds_and_missing_lengths_are_recognised() -> None:
    assert "in seconds?" in judged(map(message, plays(ms_played=180, duration_ms=180)))[Check.LENGTHS].said
    assert "duration_ms in seconds?" in judged(map(message, plays(duration_ms=180)))[Check.LENGTHS].said
    guessed = judged(map(message, plays(duration_ms=None)))[Check.LENGTHS]
    assert (guessed.verdict, "without duration_ms" in guessed.said) == (Verdict.WARNS, True)


def test_an_id_may_come_again_and_not_with_another_body_or_for_somebody_else() -> None:
    events = plays()
    again = judged(map(message, [*events, *events]))
    assert verdicts(again) == set()
    assert "60 came again and are applied once" in again[Check.EVENT_IDS].said
    other = events[0].model_copy(update={"track_id": "another"})
    assert verdicts(judged(map(message, [*events, other]))) == {Check.EVENT_IDS}
    shared = [event.model_copy(update={"event_id": event.event_id.split()[1]}) for event in events]
    assert judged(map(message, shared))[Check.EVENT_IDS].verdict is Verdict.WARNS


def test_of_an_empty_topic_nothing_is_judged() -> None:
    found = judged([])
    assert {each.verdict for check, each in found.items() if check is not Check.UNKNOWN_FIELDS} == {Verdict.UNSEEN}


def test_the_partitioner_is_judged_by_the_partitions_that_the_topic_has() -> None:
    found = judged(
        (message(event, partition=lambda key: (murmur2(key) & 0x7FFF_FFFF) % 50) for event in plays()), partitions=50
    )
    assert verdicts(found) == set()


def test_a_catalogue_is_judged_by_its_own_contract_and_may_hold_tombstones() -> None:
    key, value = b"t-1", Track(track_id="t-1").encode()
    partition = (murmur2(key) & 0x7FFF_FFFF) % TRACKS.partitions
    announced = Message("a", partition, NOON_MS, key, value, ())
    assert verdicts(judged([announced, announced._replace(value=None)], TRACKS)) == set()
