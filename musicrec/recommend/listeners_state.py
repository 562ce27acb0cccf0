"""What is known of all listeners, as arrays: one row of numbers each, and their histories behind one another."""

from collections.abc import Mapping
from itertools import chain
from operator import itemgetter
from typing import Final

import numpy as np

from musicrec.recommend.listener_memory import SCORED_SOURCES, HeardTrack, ListenerMemory
from musicrec.recommend.state import Array, Pieces, State, batches, texts

NEVER_SET: Final = 2.0
"""Stands for a dial that was never set: none can stand there, and unlike NaN it equals itself."""
HISTORY = {"tracks": np.int32, "ended_at_s": np.int32, "strengths": np.float32}


def listeners_state(listeners: Mapping[str, ListenerMemory]) -> Pieces:
    """Yield the listeners in order; see `Stateful`."""
    for batch in batches(listeners.items()):
        memories = [memory for _, memory in batch]
        yield from texts("user_ids", map(itemgetter(0), batch))
        yield "numbers", np.array([_numbers(memory) for memory in memories], np.int64).reshape(-1, NUMBERS)
        yield "exploration", np.array([memory.exploration for memory in memories], np.float64)
        yield "discovery", np.array([_dial(memory) for memory in memories], np.float64)
        yield from texts("markets", [memory.market or "" for memory in memories])
        hits = [memory.source_hits for memory in memories]
        yield "source_hits", np.array(hits, np.float32).reshape(-1, SCORED_SOURCES)
        for name, dtype in HISTORY.items():
            kept = [getattr(memory, name)[: memory.length] for memory in memories]
            yield name, np.concatenate([np.empty(0, dtype), *kept])
        # No id is empty: the contract wants a character at least.
        yield from texts("session_ids", [memory.session_id or "" for memory in memories])
        heard = list(chain.from_iterable(memory.session for memory in memories))
        yield "session_tracks", np.array(heard, np.int32)
        last = list(chain.from_iterable(memory.session.values() for memory in memories))
        yield "session_skips", np.array([listen.turned_away for listen in last], np.float64)
        yield "session_ended_at_s", np.array([listen.ended_at_s for listen in last], np.int64)
        yield from texts("blocked_tracks", chain.from_iterable(memory.blocked_tracks for memory in memories))
        yield from texts("blocked_artists", chain.from_iterable(memory.blocked_artists for memory in memories))


def restored_listeners(state: State) -> dict[str, ListenerMemory]:
    """Return the listeners that `state` was taken from.

    Raises:
        Incompatible: something is missing or of another shape.
    """
    user_ids, session_ids = state.texts("user_ids"), state.texts("session_ids")
    table = state.array("numbers", np.int64, len(user_ids), NUMBERS)
    rows: list[list[int]] = table.tolist()
    lengths, sessions, blocked_tracks, blocked_artists = table[:, -4:].T.tolist()
    dials = state.array("discovery", np.float64, len(user_ids))
    markets = state.texts("markets")
    histories = [state.split(name, state.array(name, dtype, None), lengths) for name, dtype in HISTORY.items()]
    listeners = {}
    for (
        user_id,
        row,
        session_id,
        exploration,
        dial,
        market,
        hits,
        heard,
        skips,
        ended,
        tracks,
        artists,
        *history,
    ) in zip(
        user_ids,
        rows,
        session_ids,
        state.array("exploration", np.float64, len(user_ids)).tolist(),
        dials.tolist(),
        markets,
        state.array("source_hits", np.float32, len(user_ids), SCORED_SOURCES),
        state.split("session_tracks", state.array("session_tracks", np.int32, None).tolist(), sessions),
        state.split("session_skips", state.array("session_skips", np.float64, None).tolist(), sessions),
        state.split("session_ended_at_s", state.array("session_ended_at_s", np.int64, None).tolist(), sessions),
        state.split("blocked_tracks", state.texts("blocked_tracks"), blocked_tracks),
        state.split("blocked_artists", state.texts("blocked_artists"), blocked_artists),
        *histories,
        strict=True,
    ):
        number, revision, newest_ms, session_plays, session_new, room, length = row[:-3]
        played, ended_at_s, strengths = (_in_room(kept, room) for kept in history)
        listeners[user_id] = ListenerMemory(
            number=number,
            tracks=played,
            ended_at_s=ended_at_s,
            strengths=strengths,
            length=length,
            revision=revision,
            newest_ms=newest_ms,
            session_id=session_id or None,
            session=dict(zip(heard, map(HeardTrack, skips, ended), strict=True)),
            session_plays=session_plays,
            session_new=session_new,
            exploration=exploration,
            source_hits=hits.copy(),
            blocked_tracks=tuple(tracks),
            blocked_artists=tuple(artists),
            discovery=None if dial == NEVER_SET else dial,
            market=market or None,
        )
    return listeners


def _dial(memory: ListenerMemory) -> float:
    return NEVER_SET if memory.discovery is None else memory.discovery


def _in_room(kept: Array, room: int) -> Array:
    """Return a history with the room that it had, which says when its oldest quarter is forgotten."""
    values = np.zeros(room, kept.dtype)
    values[: len(kept)] = kept
    return values


def _numbers(memory: ListenerMemory) -> tuple[int, ...]:
    return (
        memory.number,
        memory.revision,
        memory.newest_ms,
        memory.session_plays,
        memory.session_new,
        len(memory.tracks),
        memory.length,
        len(memory.session),
        len(memory.blocked_tracks),
        len(memory.blocked_artists),
    )


NUMBERS = len(_numbers(ListenerMemory(number=0)))
