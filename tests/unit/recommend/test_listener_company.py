"""Tracks that were played around the session's tracks before, in whatever order."""

import numpy as np
import pytest

from musicrec.recommend.listener_company import COMPANY_FEATURES, write_company
from musicrec.recommend.listener_memory import ListenerMemory
from musicrec.recommend.top_k import MIN_CAPACITY

HOUR_S = 3_600
AFTER, BEFORE, SHARE = slice(0, 3), slice(3, 6), 6


def memory_of(plays: list[tuple[int, int]]) -> ListenerMemory:
    memory = ListenerMemory(1)
    for track, ended_at_s in plays:
        memory.remember(track, 1_000 * ended_at_s, 1.0, 1_000)
    return memory


def sitting(start_s: int, *tracks: int) -> list[tuple[int, int]]:
    return [(track, start_s + 180 * place) for place, track in enumerate(tracks)]


def features(memory: ListenerMemory, session: list[int], listed: list[int], now_s: int) -> np.ndarray:
    out = np.full((len(listed), COMPANY_FEATURES), 7.0, np.float32)  # what stood there before is overwritten
    write_company(
        np.array(listed, np.int64), len(listed), np.array(session, np.int64), len(session),
        memory.tracks, memory.ended_at_s, memory.length, 1_000, 2_400, now_s,
        np.zeros(MIN_CAPACITY, np.int16), np.zeros(MIN_CAPACITY, np.float32), 0, out,
    )  # fmt: skip
    return out


def test_what_was_played_before_counts_like_what_was_played_after() -> None:
    out = features(memory_of(sitting(0, 2, 1, 3)), [1], [2, 3], HOUR_S)
    assert out[0, BEFORE].tolist() == out[1, AFTER].tolist()
    assert out[0, BEFORE].all()
    assert not out[0, AFTER].any()


def test_company_fades_with_every_play_between() -> None:
    out = features(memory_of(sitting(0, 1, 2, 3)), [1], [2, 3], HOUR_S)
    assert (out[0, AFTER] > out[1, AFTER]).all()


def test_a_sitting_ends_the_company() -> None:
    out = features(memory_of(sitting(0, 1) + sitting(10 * HOUR_S, 2)), [1], [2], 11 * HOUR_S)
    assert not out[0, :SHARE].any()


def test_earlier_tracks_of_the_session_count_less() -> None:
    memory = memory_of(sitting(0, 1, 2) + sitting(10 * HOUR_S, 4, 3))
    out = features(memory, [1, 4], [2, 3], 11 * HOUR_S)
    assert out[0, SHARE] > out[1, SHARE]


def test_a_candidate_without_a_past_has_no_company() -> None:
    out = features(memory_of(sitting(0, 1, 2) + sitting(10 * HOUR_S, 1)), [1], [9, 2], 11 * HOUR_S)
    assert not out[0, : COMPANY_FEATURES - 1].any()
    assert out[1, :COMPANY_FEATURES].any()


def test_plays_at_this_hour_of_the_day_are_told_from_others() -> None:
    day_s = 24 * HOUR_S
    memory = memory_of([(2, 8 * HOUR_S), (3, 20 * HOUR_S), (1, day_s + 8 * HOUR_S)])
    morning = features(memory, [1], [2, 3], day_s + 8 * HOUR_S + 60)
    assert morning[0, 8] == 1.0
    assert morning[1, 8] == 0.0


def test_the_hour_before_midnight_is_near_the_one_after() -> None:
    memory = memory_of([(2, 24 * HOUR_S - 600), (1, 48 * HOUR_S + 300)])
    assert features(memory, [1], [2], 48 * HOUR_S + 600)[0, 8] == 1.0


def test_the_distance_runs_from_the_current_tracks_last_play_before_this_session() -> None:
    memory = memory_of(sitting(0, 1, 2, 3) + sitting(10 * HOUR_S, 1))
    out = features(memory, [1], [2, 3], 11 * HOUR_S)
    assert out[:, 10] == pytest.approx([1.0, 0.5])
    assert out[:, 14].tolist() == [1.0, 1.0]
