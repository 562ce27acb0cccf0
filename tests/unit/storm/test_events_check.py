"""The check of events agrees with the product on what is right, and sees what is wrong."""

from dataclasses import replace

import pytest
from small_world import World
from storm.findings import Invariant
from storm.schedule import Fault

from musicrec.contracts import SessionSnapshot

BURSTS = (Fault.DUPLICATES, Fault.REORDERED, Fault.TOO_LATE, Fault.FUTURE, Fault.HOT_LISTENER, Fault.POISON)


@pytest.mark.parametrize("seed", range(4))
def test_the_session_logic_and_the_reference_agree_on_each_message(seed: int) -> None:
    world = World.of(seed, 60, BURSTS)

    assert len(world.sessions) > 1_000
    assert len(world.letters) > 200
    assert world.found() == {}


def test_an_event_without_snapshot_is_lost() -> None:
    world = World.of(1, 20)
    del world.sessions[7]

    assert list(world.found()) == [Invariant.NOTHING_LOST]


def test_a_refused_message_without_dead_letter_is_lost() -> None:
    world = World.of(1, 20, [Fault.POISON])
    del world.letters[3]

    assert list(world.found()) == [Invariant.NOTHING_LOST]


def test_an_event_that_was_acknowledged_and_is_gone_is_lost() -> None:
    world = World.of(1, 20)
    del world.listens[-1]

    assert Invariant.NOTHING_LOST in world.found()


def test_an_event_applied_again_is_seen() -> None:
    world = World.of(1, 20)
    last = SessionSnapshot.decode(world.sessions[-1].value)
    again = last.model_copy(update={"revision": last.revision + 1})
    world.sessions.append(replace(world.sessions[-1], value=again.encode()))

    assert list(world.found()) == [Invariant.NOTHING_TWICE]


def test_a_revision_with_two_contents_is_seen() -> None:
    world = World.of(1, 20)
    other = SessionSnapshot.decode(world.sessions[5].value).model_copy(update={"supersedes": ("s",)})
    world.sessions.append(replace(world.sessions[5], value=other.encode()))

    assert list(world.found()) == [Invariant.NOTHING_TWICE]


def test_the_same_snapshot_emitted_again_is_no_violation() -> None:
    world = World.of(1, 20)
    world.sessions.append(world.sessions[5])

    assert world.found() == {}


def test_a_dial_that_stands_elsewhere_is_seen() -> None:
    world = World.of(1, 60)
    snapshots = [SessionSnapshot.decode(each.value) for each in world.sessions]
    number = next(n for n, s in enumerate(snapshots) if s.discovery is not None and s.trigger.type.is_listen)
    wrong = snapshots[number].model_copy(update={"discovery": None})
    world.sessions[number] = replace(world.sessions[number], value=wrong.encode())

    assert list(world.found()) == [Invariant.ISOLATION]


def test_a_session_that_begins_elsewhere_is_seen() -> None:
    world = World.of(1, 20)
    snapshot = next(
        (n, s) for n, r in enumerate(world.sessions) if (s := SessionSnapshot.decode(r.value)).started_at_ms
    )
    number, right = snapshot
    wrong = right.model_copy(update={"started_at_ms": right.started_at_ms - 1})
    world.sessions[number] = replace(world.sessions[number], value=wrong.encode())

    assert list(world.found()) == [Invariant.SESSIONS]


def test_a_snapshot_with_the_event_of_another_listener_is_seen() -> None:
    world = World.of(1, 20)
    wrong = SessionSnapshot.decode(world.sessions[0].value).model_copy(update={"user_id": "somebody else"})
    world.sessions.append(replace(world.sessions[0], value=wrong.encode()))

    assert Invariant.ISOLATION in world.found()


def test_a_dead_letter_that_is_not_the_message_or_has_another_reason_is_seen() -> None:
    world = World.of(1, 20, [Fault.POISON])
    world.letters[0] = replace(world.letters[0], value=b"something else")
    headers = [(name, b"too_late" if name == "dlq-reason" else value) for name, value in world.letters[1].headers]
    world.letters[1] = replace(world.letters[1], headers=tuple(headers))

    found = world.found()
    assert list(found) == [Invariant.LETTERS]
    assert len(found[Invariant.LETTERS]) == 2
