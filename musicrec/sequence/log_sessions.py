"""Sessions of a listening log, by the rules that sessions have live."""

from collections.abc import Iterable, Iterator

from musicrec.contracts import ListenEvent
from musicrec.sequence.contexts import context_of
from musicrec.sequence.heard_session import HeardSession
from musicrec.session import Duplicate, ListenerState, Position, apply
from musicrec.settings import SessionSettings


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
        known_id, heard = running.get(event.user_id, (None, None))
        if heard is None or known_id != session_id:
            ended += [heard] if heard is not None else []
            heard, gap_s = HeardSession([], [], 0), 0
        else:
            gap_s = (event.occurred_at_ms - heard.ended_at_ms) // 1000
        is_skip = trigger.outcome is not None and trigger.outcome.is_skip
        if heard.tracks[-1:] == [trigger.track_id]:
            heard.contexts[-1] = context_of(is_skip, gap_s)
        else:
            heard.tracks.append(trigger.track_id)
            heard.contexts.append(context_of(is_skip, gap_s))
        running[event.user_id] = (session_id, heard._replace(ended_at_ms=event.occurred_at_ms))
    ended += [heard for _, heard in running.values() if heard is not None]
    yield from sorted((heard for heard in ended if len(heard.tracks) > 1), key=lambda heard: heard.ended_at_ms)
