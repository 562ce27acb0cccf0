"""The check of lists sees what must not be in one, and who got none."""

from dataclasses import replace
from typing import Any

import pytest
from aiokafka import ConsumerRecord
from page_records import recommendation
from small_world import NOW_MS, World, record
from storm.checks.events import Events
from storm.checks.lists import Lists
from storm.findings import Findings, Invariant
from storm.reference import Expected, View
from storm.traffic import DENIED

from musicrec.contracts import Outcome, Recommendation, SessionSnapshot, Trigger
from musicrec.contracts.session import ListenOutcome
from streams.messages import Outgoing


class Checked:
    """The first listener who heard something, and lists for their events."""

    def __init__(self) -> None:
        world = World.of(3, 30)
        self.findings = Findings()
        self.events = Events(world.sent, self.findings)
        for one in world.listens:
            self.events.take_listen(one)
        for one in world.sessions:
            self.events.take_session(one)
        self.lists = Lists(self.events, {}, self.findings)
        self.trigger_of: dict[tuple[str, str], Trigger] = {
            (s.user_id, s.trigger.event_id): s.trigger
            for s in (SessionSnapshot.decode(one.value) for one in world.sessions)
        }
        self.event = next(e for e in self.events.applied.values() if e.session is not None)

    def list_for(self, event: Expected, *tracks: str, **fields: Any) -> ConsumerRecord:
        trigger = self.trigger_of[event.user_id, event.event_id]
        values = {"list_id": f"l-{event.event_id}", "trigger": trigger, "generated_at_ms": NOW_MS} | fields
        made = recommendation(event.user_id, *tracks, **values)
        return as_record(made)

    @property
    def found(self) -> list[Invariant]:
        return [violation.invariant for violation in self.findings.violations]


def as_record(made: Recommendation | Outcome) -> ConsumerRecord:
    return record("topic", 0, Outgoing("topic", made.user_id.encode(), made.encode(), []))


def good_tracks(event: Expected) -> list[str]:
    view: View | None = event.session
    assert view is not None
    heard = {track for track, _, _ in view.entries}
    return [track for track in (f"track-{n}" for n in range(240)) if track not in heard][:5]


@pytest.fixture
def checked() -> Checked:
    return Checked()


def test_a_good_list_is_no_violation_however_often_it_comes(checked: Checked) -> None:
    one = checked.list_for(checked.event, *good_tracks(checked.event))
    checked.lists.take_list(one)
    checked.lists.take_list(one)

    assert checked.found == []
    assert checked.lists.published_again == 1


def test_one_list_id_with_two_contents_is_seen(checked: Checked) -> None:
    tracks = good_tracks(checked.event)
    checked.lists.take_list(checked.list_for(checked.event, *tracks))
    checked.lists.take_list(checked.list_for(checked.event, *tracks[::-1]))

    assert checked.found == [Invariant.SAME_LIST]


def test_the_newest_track_of_the_session_twice_the_same_and_an_unknown_one_are_seen(checked: Checked) -> None:
    assert checked.event.session is not None
    playing = checked.event.session.entries[-1][0]
    one, *_ = good_tracks(checked.event)
    for number, tracks in enumerate(((playing,), (one, one), ("unheard of",), ())):
        checked.lists.take_list(checked.list_for(checked.event, *tracks, list_id=f"l{number}"))

    assert checked.found == [Invariant.LISTS] * 4


def test_a_track_that_a_rule_denies_is_seen(checked: Checked) -> None:
    checked.lists.take_list(checked.list_for(checked.event, *good_tracks(checked.event), DENIED[1]))

    assert checked.found == [Invariant.LISTS]


def test_a_removed_track_is_seen_once_workers_must_know(checked: Checked) -> None:
    checked.lists.announced = {"doomed"}
    checked.lists.removed_ms = {"doomed": NOW_MS - 61_000}
    checked.lists.take_list(checked.list_for(checked.event, "doomed", list_id="late"))
    checked.lists.take_list(checked.list_for(checked.event, "doomed", list_id="early", generated_at_ms=NOW_MS - 5_000))

    assert checked.found == [Invariant.LISTS]


def test_a_list_for_the_event_of_another_listener_is_seen(checked: Checked) -> None:
    one = checked.list_for(checked.event, *good_tracks(checked.event))
    other = Recommendation.decode(one.value).model_copy(update={"user_id": "somebody else"})
    checked.lists.take_list(replace(as_record(other), key=b"somebody else"))

    assert checked.found == [Invariant.ISOLATION]


def test_an_event_without_list_and_a_listen_without_outcome_are_seen(checked: Checked) -> None:
    checked.lists.finish()

    applied = len(checked.events.applied)
    listens = sum(event.is_listen for event in checked.events.applied.values())
    assert checked.findings.counts[Invariant.LISTS] == applied + listens


def test_an_outcome_with_a_list_that_came_later_or_a_wrong_rank_is_seen(checked: Checked) -> None:
    mine = [e for e in checked.events.applied.values() if e.user_id == checked.event.user_id and e.session is not None]
    first, second = mine[:2]
    checked.lists.take_list(checked.list_for(first, *good_tracks(second)))
    outcome = Outcome(
        user_id=second.user_id,
        event_id=second.event_id,
        track_id=second.fields["track_id"],
        outcome=ListenOutcome.COMPLETED,
        played_at_ms=NOW_MS,
        list_id=f"l-{first.event_id}",
        list_length=5,
    )
    checked.lists.take_outcome(as_record(outcome))
    assert checked.found == []

    checked.lists.take_outcome(as_record(outcome.model_copy(update={"rank": 3})))
    checked.lists.take_outcome(as_record(outcome.model_copy(update={"event_id": first.event_id})))
    assert checked.found == [Invariant.LISTS, Invariant.ISOLATION]
