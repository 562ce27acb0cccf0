"""Checks of what is on the topics after the storm: nothing lost, nothing applied twice, every event answered."""

from collections import defaultdict
from collections.abc import Collection, Iterable

from aiokafka import ConsumerRecord
from redis.asyncio import Redis

from musicrec.contracts import ListenEvent, Recommendation, SessionSnapshot
from musicrec.local import StackAddresses
from musicrec.session import ListenerState


def triggers(sessions: Iterable[ConsumerRecord]) -> list[str]:
    """Return the event of each revision of each listener; what was emitted again counts once.

    Raises:
        AssertionError: a revision was emitted again with other contents.
    """
    emitted: dict[tuple[str, int], list[SessionSnapshot]] = defaultdict(list)
    for record in sessions:
        snapshot = SessionSnapshot.decode(record.value)
        emitted[snapshot.user_id, snapshot.revision].append(snapshot)
    for (user, revision), again in emitted.items():
        assert all(snapshot == again[0] for snapshot in again), f"{user} {revision}: emitted with other contents"
    return [again[0].trigger.event_id for again in emitted.values()]


def summary(
    published: int,
    sessions: Iterable[ConsumerRecord],
    letters: Iterable[ConsumerRecord] = (),
    lists: Iterable[ConsumerRecord] = (),
) -> str:
    """Return the counts of a run as one line; `pytest -s` shows it."""
    emitted = list(sessions)
    return (
        f"events={published} applied={len(triggers(emitted))} emitted_again={len(emitted) - len(triggers(emitted))} "
        f"dead_lettered={len({letter.value for letter in letters})} answered={len(answers(lists))}"
    )


def answers(lists: Iterable[ConsumerRecord]) -> dict[str, str]:
    """Return event id ▸ id of the list that answers it, those passed over included."""
    found: dict[str, str] = {}
    for record in lists:
        made = Recommendation.decode(record.value)
        for event_id in (made.trigger.event_id if made.trigger else "", *made.passed_over):
            found[event_id] = made.list_id
    return found


def assert_each_list_answers_one_event(lists: Iterable[ConsumerRecord]) -> None:
    """Check that a list id, however often it was emitted, is of one event, and of one list to the last byte."""
    found: dict[str, set[bytes]] = defaultdict(set)
    events: list[str] = []
    for record in lists:
        made = Recommendation.decode(record.value)
        assert made.trigger is not None
        assert made.trigger.track_id not in {item.track_id for item in made.items}
        if made.list_id not in found:
            events.append(made.trigger.event_id)
        found[made.list_id].add(record.value)
    assert [list_id for list_id, values in found.items() if len(values) > 1] == []
    assert len(events) == len(set(events))


def assert_each_applied_once(events: Collection[ListenEvent], sessions: Iterable[ConsumerRecord]) -> None:
    """Check that the revisions of all listeners hold each event once."""
    assert sorted(triggers(sessions)) == sorted(event.event_id for event in events)


async def assert_states_hold_each_once(stack: StackAddresses, events: Collection[ListenEvent]) -> None:
    """Check the listeners' states in Redis."""
    expected: dict[str, int] = defaultdict(int)
    for event in events:
        expected[event.user_id] += 1
    async with Redis.from_url(stack.redis.url.get_secret_value()) as redis:
        for user, count in expected.items():
            state = ListenerState.decode(await redis.hget(f"musicrec:session:{user}", "state"))  # type: ignore[misc, arg-type]
            assert state.revision == count
            kept = [event.event_id for event in state.events]
            assert len(kept) == len(set(kept))
