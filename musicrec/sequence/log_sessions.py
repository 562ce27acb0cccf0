"""Sessions of a listening log, by the rules that sessions have live."""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

from musicrec.contracts import ListenEvent
from musicrec.session import Duplicate, ListenerState, Position, apply
from musicrec.settings import SessionSettings


class HeardSession(NamedTuple):
    """What one listener heard in a session."""

    tracks: list[str]
    """The oldest first; skips are left out, and a track that is played again at once counts once."""
    ended_at_ms: int


def sessions_of(events: Iterable[ListenEvent], rules: SessionSettings | None = None) -> Iterator[HeardSession]:
    """Yield sessions of two tracks and more in the order of their ends.

    Args:
        events: in event-time order.
        rules: of sessions; the usual ones if not given.
    """
    rules = rules or SessionSettings()
    states: dict[str, ListenerState] = {}
    running: dict[str, tuple[str | None, HeardSession]] = {}
    ended: list[HeardSession] = []
    for offset, event in enumerate(events):
        applied = apply(
            states.get(event.user_id, ListenerState()), event, Position("log", 0, offset, event.occurred_at_ms), rules
        )
        if isinstance(applied, Duplicate):
            continue
        states[event.user_id] = applied.state
        trigger, session_id = applied.snapshot.trigger, applied.snapshot.session_id
        if not trigger.type.is_listen or trigger.track_id is None:
            continue
        known_id, heard = running.get(event.user_id, (None, HeardSession([], 0)))
        if known_id != session_id:
            ended.append(heard)
            heard = HeardSession([], 0)
        if not (trigger.outcome is not None and trigger.outcome.is_skip) and heard.tracks[-1:] != [trigger.track_id]:
            heard = HeardSession([*heard.tracks, trigger.track_id], event.occurred_at_ms)
        running[event.user_id] = (session_id, heard)
    ended += [heard for _, heard in running.values()]
    yield from sorted((heard for heard in ended if len(heard.tracks) > 1), key=lambda heard: heard.ended_at_ms)
