"""What came right after the current track, and how much before it was the same."""

import numpy as np
import pytest

from musicrec.recommend.listener_memory import ListenerMemory
from musicrec.recommend.session_store import SessionStore
from musicrec.recommend.successions import (
    LONGEST_MATCH,
    OTHERS_FEATURES,
    OWN_FEATURES,
    write_others_successions,
    write_own_successions,
)
from musicrec.recommend.top_k import MIN_CAPACITY

SHARE, COUNT, MATCH, IS_BEST, RECENCY, IS_NEWEST = range(6)


def own(history: list[int], session: list[int], listed: list[int], step_s: int = 180) -> np.ndarray:
    memory = ListenerMemory(1)
    for place, track in enumerate(history):
        memory.remember(track, 1_000 * step_s * place, 1.0, 1_000)
    out = np.full((len(listed), OWN_FEATURES), 7.0, np.float32)
    write_own_successions(
        np.array(listed, np.int64), len(listed), np.array(session, np.int64), len(session), memory.tracks,
        memory.ended_at_s, memory.length, 1_000, 2_400, np.zeros(MIN_CAPACITY, np.int16), 0, out,
    )  # fmt: skip
    return out


def others(rows: list[tuple[int, list[int]]], session: list[int], listed: list[int], listener: int = 99) -> np.ndarray:
    store = SessionStore(100, 40, 64)
    store.grow(MIN_CAPACITY)
    for number, (whose, tracks) in enumerate(rows, 1):
        serial = store.open_row(number, whose)
        for track in tracks:
            serial = store.listen(serial, track, 1.0, 1_000)
    postings = store.rows_of
    out = np.full((len(listed), OTHERS_FEATURES), 7.0, np.float32)
    write_others_successions(
        np.array(listed, np.int64), len(listed), np.array(session, np.int64), len(session), -1, listener,
        store.tracks, store.lengths, store.session, store.listener, store.next_serial, postings.values,
        postings.start, postings.room, postings.written, 64, np.zeros(MIN_CAPACITY, np.int16), 0, out,
    )  # fmt: skip
    return out


def test_shares_are_of_the_times_that_anything_followed() -> None:
    out = own([1, 2, 1, 3, 1, 2, 1], [1], [2, 3, 4])
    assert out[:, SHARE] == pytest.approx([2 / 3, 1 / 3, 0.0])


def test_the_longer_stretch_that_is_played_again_is_told() -> None:
    # 5, 1 went on with 2; 6, 1 with 3; the session is 5, 1.
    out = own([5, 1, 2, 6, 1, 3, 5, 1], [1, 5], [2, 3])
    assert out[:, MATCH] * LONGEST_MATCH == pytest.approx([2, 1])
    assert out[:, IS_BEST].tolist() == [1.0, 0.0]


def test_the_newest_follower_is_told() -> None:
    out = own([1, 2, 1, 3, 1], [1], [2, 3])
    assert out[:, IS_NEWEST].tolist() == [0.0, 1.0]
    assert out[1, RECENCY] > out[0, RECENCY]


def test_nothing_follows_across_a_pause() -> None:
    assert not own([1, 2, 1], [1], [2], step_s=4_000).any()


def test_an_endless_repetition_follows_nothing() -> None:
    assert not own([1, 1, 1, 1], [1], [2]).any()


def test_others_sessions_count_and_the_listeners_own_do_not() -> None:
    rows = [(1, [1, 2]), (2, [1, 3]), (99, [1, 4])]
    out = others(rows, [1], [2, 3, 4])
    assert out[:, SHARE] == pytest.approx([0.5, 0.5, 0.0])


def test_others_long_stretches_count_too() -> None:
    out = others([(1, [7, 1, 2]), (2, [8, 1, 3])], [1, 7], [2, 3])
    assert out[:, IS_BEST].tolist() == [1.0, 0.0]


def test_a_track_without_sessions_has_no_followers() -> None:
    assert not others([(1, [5, 6])], [1], [2]).any()
