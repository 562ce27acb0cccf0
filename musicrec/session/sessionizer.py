"""Event in, session out.  No clock, no I/O: time comes in with the events.

Rules
    1. Listens are ordered by their end (then by event id).  A session ends where `gap_ms` or more lie between the end
       of one listen and the start of the next.
    2. An event at most `grace_ms` behind the listener's newest event is put in its place; the result is the one that
       arrival in order would have given, for listens of up to `LONGEST_LISTEN_MS`.  A later one is refused as too late.
    3. An event id is applied once.  The same message again, or the same id with the same body, changes nothing; the
       same id with another body is refused.
    4. Feedback belongs to the session in whose time it falls and moves no boundary.
    5. A snapshot shows the session of the event that made it; a listener is where their newest event says.
"""

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass, replace
from zlib import crc32

from musicrec.contracts import EventType, ListenEvent, ListenOutcome, SessionEntry, SessionSnapshot, Trigger
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.ids import derived_id
from musicrec.session.feedback import feedback_weight
from musicrec.session.listen_outcome import listen_outcome, played_fraction
from musicrec.session.listener_state import AppliedEvent, Block, CutSession, ListenerState, Position, SetDial, SetMarket
from musicrec.settings import SessionSettings

LONGEST_LISTEN_MS = 2 * 3_600_000
"""How long a late listen may be and still find the session that it continues: older sessions are kept this long."""

MAX_EVENTS = 300
"""Events kept per listener: three times the longest list of tracks in a snapshot, and under 40 kB in Redis."""

MAX_BLOCKED = 1_000
"""Tracks, and artists, that one listener can block: all of them travel in each snapshot."""


@dataclass(frozen=True, slots=True)
class Applied:
    """The event changed the listener's state."""

    state: ListenerState
    snapshot: SessionSnapshot


@dataclass(frozen=True, slots=True)
class Duplicate:
    """The event was applied before; the state stays as it is."""

    state: ListenerState


def apply(state: ListenerState, event: ListenEvent, position: Position, rules: SessionSettings) -> Applied | Duplicate:
    """Apply one event of the listener whose state it is.

    Raises:
        BadInput: the event is too late, in the future, or reuses an id for another body; the state stays as it is.
    """
    if state.has_applied(position):
        return Duplicate(state)
    new = _applied_event(event)
    if _seen_before(state, new):
        return Duplicate(state)
    _check_time(state, new, position, rules)
    events, at = _insert(state.events, new)
    newest_ms = max(state.newest_ms, new.occurred_at_ms)
    tracks, artists = _blocks_after(state, new, newest_ms - rules.grace_ms)
    after = replace(
        state,
        revision=state.revision + 1,
        newest_ms=newest_ms,
        events=events,
        tracks=tracks,
        artists=artists,
        discovery=_dial_after(state.discovery, event),
        market=_market_after(state.market, event),
        origin=position.origin,
        partition=position.partition,
        offset=position.offset,
    )
    session = _session_around(events, state.cut, at, rules)
    superseded = _superseded(session, state, at, rules)
    snapshot = _snapshot(event.user_id, after, new, position.timestamp_ms, session, superseded, rules)
    return Applied(_forget(after, rules), snapshot)


def standing_session(user_id: str, state: ListenerState, rules: SessionSettings) -> SessionSnapshot | None:
    """Return the snapshot of the listener's newest event, out of their state; None where no event was ever applied.

    It is the one that was published for that event, but that `published_at_ms` is the event time, and `offset` that of
    the event that was applied last; earlier ids of the session are not named again.
    """
    if not state.events:
        return None
    newest = state.events[-1]
    session = _session_around(state.events, state.cut, len(state.events) - 1, rules)
    return _snapshot(user_id, state, newest, newest.occurred_at_ms, session, (), rules)


@dataclass(frozen=True, slots=True)
class _Session:
    """A run of listens without a gap, and the feedback that fell into its time."""

    session_id: str
    started_at_ms: int
    last_ended_at_ms: int
    listens: tuple[AppliedEvent, ...]
    feedback: tuple[AppliedEvent, ...]
    tracks_dropped: int


def _applied_event(event: ListenEvent) -> AppliedEvent:
    return AppliedEvent(
        occurred_at_ms=event.occurred_at_ms,
        event_id=event.event_id,
        type=event.type.value,
        track_id=event.track_id,
        artist_id=event.artist_id,
        ms_played=event.ms_played if event.type.is_listen else None,
        duration_ms=event.duration_ms,
        digest=crc32(event.encode()),
    )


def _seen_before(state: ListenerState, new: AppliedEvent) -> bool:
    for event in state.events:
        if event.event_id == new.event_id:
            if event.digest != new.digest:
                raise BadInput(
                    f"event_id: {new.event_id!r} was applied before with another body; ids are never reused",
                    DeadLetterReason.CONFLICTING_DUPLICATE,
                )
            return True
    return False


def _check_time(state: ListenerState, new: AppliedEvent, position: Position, rules: SessionSettings) -> None:
    ahead_ms = new.occurred_at_ms - position.timestamp_ms
    if ahead_ms > rules.future_tolerance_ms:
        raise BadInput(
            f"occurred_at_ms: {ahead_ms} ms ahead of the message's own timestamp; "
            f"at most {rules.future_tolerance_ms} ms are tolerated",
            DeadLetterReason.IN_THE_FUTURE,
        )
    # Events older than the oldest kept one of a cut session could have been applied and dropped.
    floor_ms = state.events[0].occurred_at_ms if state.cut is not None else 0
    behind_ms = state.newest_ms - new.occurred_at_ms
    if behind_ms > rules.grace_ms or new.occurred_at_ms < floor_ms:
        raise BadInput(
            f"occurred_at_ms: {behind_ms} ms behind the listener's newest event; "
            f"at most {rules.grace_ms} ms are placed in order",
            DeadLetterReason.TOO_LATE,
        )


def _insert(events: tuple[AppliedEvent, ...], new: AppliedEvent) -> tuple[tuple[AppliedEvent, ...], int]:
    if not events or events[-1][:2] < new[:2]:  # in order, nearly always
        return (*events, new), len(events)
    at = bisect_left(events, new[:2], key=lambda event: event[:2])
    return (*events[:at], new, *events[at:]), at


def _blocks_after(
    state: ListenerState, new: AppliedEvent, watermark_ms: int
) -> tuple[tuple[tuple[str, Block], ...], tuple[tuple[str, Block], ...]]:
    if new.type in ("block_track", "unblock_track"):
        return _set_block(state.tracks, str(new.track_id), new, watermark_ms), state.artists
    if new.type in ("block_artist", "unblock_artist"):
        return state.tracks, _set_block(state.artists, str(new.artist_id), new, watermark_ms)
    return state.tracks, state.artists


def _set_block(
    blocks: tuple[tuple[str, Block], ...], key: str, new: AppliedEvent, watermark_ms: int
) -> tuple[tuple[str, Block], ...]:
    known = dict(blocks)
    word = Block(new.occurred_at_ms, new.type.startswith("block"))
    # At the same millisecond the block wins: to play what somebody refused is the worse mistake.
    known[key] = max(known.get(key, word), word)
    kept = {k: b for k, b in known.items() if b.blocked or b.set_at_ms >= watermark_ms}
    if sum(block.blocked for block in kept.values()) > MAX_BLOCKED:
        raise BadInput(f"a listener can block {MAX_BLOCKED} ids; unblock one first")
    return tuple(sorted(kept.items()))


def _dial_after(dial: SetDial | None, event: ListenEvent) -> SetDial | None:
    if event.type is not EventType.SET_DISCOVERY or event.discovery is None:
        return dial
    word = SetDial(event.occurred_at_ms, event.discovery)
    return word if dial is None else max(dial, word)


def _market_after(market: SetMarket | None, event: ListenEvent) -> SetMarket | None:
    if event.market is None:
        return market
    word = SetMarket(event.occurred_at_ms, event.market)
    return word if market is None else max(market, word)


def _is_boundary(before: AppliedEvent, after: AppliedEvent, rules: SessionSettings) -> bool:
    return after.started_at_ms - before.occurred_at_ms >= rules.gap_ms


def _anchor(events: Sequence[AppliedEvent], at: int, rules: SessionSettings) -> int | None:
    """Return the index of a listen in whose session the event at index `at` falls."""
    event = events[at]
    if event.is_listen:
        return at
    before = next((i for i in range(at - 1, -1, -1) if events[i].is_listen), None)
    if before is not None and event.occurred_at_ms - events[before].occurred_at_ms < rules.gap_ms:
        return before
    after = next((i for i in range(at + 1, len(events)) if events[i].is_listen), None)
    if after is not None and events[after].started_at_ms <= event.occurred_at_ms:
        return after
    return None


def _session_around(
    events: Sequence[AppliedEvent], cut: CutSession | None, at: int, rules: SessionSettings
) -> _Session | None:
    """Return the session that the event at index `at` belongs to; None for feedback outside any session."""
    anchor = _anchor(events, at, rules)
    if anchor is None:
        return None
    first = anchor
    oldest = events[anchor]
    for i in range(anchor - 1, -1, -1):
        if events[i].is_listen:
            if _is_boundary(events[i], oldest, rules):
                break
            first, oldest = i, events[i]
    last = anchor
    newest = events[anchor]
    for i in range(anchor + 1, len(events)):
        if events[i].is_listen:
            if _is_boundary(newest, events[i], rules):
                break
            last, newest = i, events[i]
    run = events[first : last + 1]
    listens = tuple(event for event in run if event.is_listen)
    started_at_ms = listens[0].started_at_ms
    end_ms = listens[-1].occurred_at_ms
    feedback = tuple(
        event
        for event in events
        if not event.is_listen and started_at_ms <= event.occurred_at_ms < end_ms + rules.gap_ms
    )
    if cut is not None and not any(event.is_listen for event in events[:first]):
        return _Session(cut.session_id, cut.started_at_ms, end_ms, listens, feedback, cut.tracks_dropped)
    # The id depends on the first listen alone: the same session gets the same id in any order of arrival.
    session_id = derived_id("s", listens[0].event_id, started_at_ms)
    return _Session(session_id, started_at_ms, end_ms, listens, feedback, 0)


def _superseded(now: _Session | None, state: ListenerState, at: int, rules: SessionSettings) -> tuple[str, ...]:
    """Return the ids under which parts of the session were published before this event."""
    if now is None or at == len(state.events):
        return ()  # in order: a session only grows at its end and keeps its id
    listens = [i for i, event in enumerate(state.events) if event.is_listen]
    nearest = [max((i for i in listens if i < at), default=None), min((i for i in listens if i >= at), default=None)]
    neighbours = [_session_around(state.events, state.cut, i, rules) for i in nearest if i is not None]
    kept = {listen.event_id for listen in now.listens}
    ids = {
        session.session_id
        for session in neighbours
        if session is not None and session.session_id != now.session_id and session.listens[0].event_id in kept
    }
    return tuple(sorted(ids))


def _snapshot(
    user_id: str,
    state: ListenerState,
    event: AppliedEvent,
    published_at_ms: int,
    session: _Session | None,
    supersedes: tuple[str, ...],
    rules: SessionSettings,
) -> SessionSnapshot:
    trigger = Trigger(
        event_id=event.event_id,
        type=EventType(event.type),
        track_id=event.track_id,
        artist_id=event.artist_id,
        outcome=_outcome(event, rules) if event.is_listen else None,
        occurred_at_ms=event.occurred_at_ms,
        published_at_ms=published_at_ms,
        partition=state.partition,
        offset=state.offset,
    )
    blocked_tracks = tuple(key for key, block in state.tracks if block.blocked)
    blocked_artists = tuple(key for key, block in state.artists if block.blocked)
    discovery = None if state.discovery is None else state.discovery.value
    market = None if state.market is None else state.market.market
    if session is None:
        return SessionSnapshot(
            user_id=user_id,
            revision=state.revision,
            trigger=trigger,
            blocked_tracks=blocked_tracks,
            blocked_artists=blocked_artists,
            discovery=discovery,
            market=market,
        )
    entries, left_out = _entries(session, rules)
    return SessionSnapshot(
        user_id=user_id,
        revision=state.revision,
        session_id=session.session_id,
        supersedes=supersedes,
        started_at_ms=session.started_at_ms,
        last_ended_at_ms=session.last_ended_at_ms,
        entries=entries,
        entries_left_out=left_out + session.tracks_dropped,
        previous_track_id=_listen_before(session, event),
        trigger=trigger,
        blocked_tracks=blocked_tracks,
        blocked_artists=blocked_artists,
        discovery=discovery,
        market=market,
    )


def _listen_before(session: _Session, event: AppliedEvent) -> str | None:
    before = None
    for listen in session.listens:
        if (listen.occurred_at_ms, listen.event_id) >= (event.occurred_at_ms, event.event_id):
            break
        before = listen.track_id
    return before


def _outcome(listen: AppliedEvent, rules: SessionSettings) -> ListenOutcome:
    return listen_outcome(listen.ms_played or 0, listen.duration_ms, skip_pressed=listen.type == "skip", rules=rules)


def _entries(session: _Session, rules: SessionSettings) -> tuple[tuple[SessionEntry, ...], int]:
    """Return the newest entries, as many as a snapshot carries, and how many older ones there are."""
    counts: dict[str, int] = {}
    last: dict[str, AppliedEvent] = {}
    for listen in session.listens:
        track_id = str(listen.track_id)
        counts[track_id] = counts.get(track_id, 0) + 1
        last.pop(track_id, None)  # its place is that of the last time
        last[track_id] = listen
    weights: dict[str, float] = {}
    for event in session.feedback:
        weight = feedback_weight(event.type, rules)
        if event.track_id is not None and weight:
            weights[event.track_id] = weights.get(event.track_id, 0.0) + weight
    shown = list(last.items())[-rules.max_entries :]  # made for these alone: they are most of the work
    entries = tuple(
        SessionEntry(
            track_id=track_id,
            artist_id=listen.artist_id,
            listens=counts[track_id],
            outcome=_outcome(listen, rules),
            ms_played=listen.ms_played or 0,
            played_fraction=played_fraction(listen.ms_played or 0, listen.duration_ms),
            ended_at_ms=listen.occurred_at_ms,
            feedback=weights.get(track_id, 0.0),
        )
        for track_id, listen in shown
    )
    return entries, len(last) - len(shown)


def _forget(state: ListenerState, rules: SessionSettings) -> ListenerState:
    """Drop what no event within the grace can touch any more, and the oldest events of an endless session."""
    state = _drop_finished_sessions(state, rules)
    if len(state.events) <= MAX_EVENTS:
        return state
    # Dropping a third at a time keeps this off the path of nearly every event.
    keep_from = len(state.events) - (2 * MAX_EVENTS) // 3
    while keep_from < len(state.events) - 1 and not state.events[keep_from].is_listen:
        keep_from += 1
    kept = state.events[keep_from:]
    session = _session_around(state.events, state.cut, keep_from, rules)
    if session is None or session.listens[0].event_id == kept[0].event_id:
        return replace(state, events=kept, cut=None)
    kept_tracks = {event.track_id for event in kept}
    dropped = {event.track_id for event in session.listens} - kept_tracks
    head = CutSession(session.session_id, session.started_at_ms, session.tracks_dropped + len(dropped))
    return replace(state, events=kept, cut=head)


def _drop_finished_sessions(state: ListenerState, rules: SessionSettings) -> ListenerState:
    horizon_ms = state.newest_ms - rules.grace_ms - rules.gap_ms - LONGEST_LISTEN_MS
    if state.events[0].occurred_at_ms >= horizon_ms:
        return state
    start = len(state.events)
    newest: AppliedEvent | None = None
    for i in range(len(state.events) - 1, -1, -1):
        event = state.events[i]
        if event.is_listen:
            if newest is not None and event.occurred_at_ms < horizon_ms and _is_boundary(event, newest, rules):
                break
            newest = event
            start = i
        elif event.occurred_at_ms >= horizon_ms:
            start = min(start, i)
    if start == 0:
        return state
    kept = state.events[start:]
    return replace(state, events=kept, cut=state.cut if not any(e.is_listen for e in state.events[:start]) else None)
