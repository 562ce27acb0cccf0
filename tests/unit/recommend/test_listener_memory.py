"""A listener's history, habits and base level."""

import numpy as np
import pytest

from musicrec.recommend.listener_memory import ListenerMemory, base_level_scores, habit_scores
from musicrec.recommend.top_k import Scratch


def memory_of(tracks: list[int], step_s: int = 180) -> ListenerMemory:
    memory = ListenerMemory(1)
    for place, track in enumerate(tracks):
        memory.remember(track, 1_000 * step_s * place, 1.0, 1_000)
    return memory


def habits(memory: ListenerMemory, query: list[int]) -> dict[int, float]:
    scratch, keys, scores = Scratch(), np.zeros(10, np.int64), np.zeros(10)
    found = habit_scores(
        memory.tracks, memory.ended_at_s, memory.strengths, memory.length,
        np.array(query, np.int64), len(query), 0, scratch.scores, scratch.touched,
        3, 0.5, 0.5, 1.0, 2_400, 1e9, 0.0, 10, keys, scores,
    )  # fmt: skip
    return dict(zip(keys[:found].tolist(), scores[:found].tolist(), strict=True))


def test_a_habit_is_what_followed_the_current_track_before() -> None:
    # 1 was followed by 2, then 3 at half the weight; the second 1 has no past yet.
    assert habits(memory_of([1, 2, 3, 9, 1]), [1]) == pytest.approx({2: 1.0, 3: 0.5, 9: 0.25})


def test_an_occurrence_after_the_same_track_before_counts_more() -> None:
    scores = habits(memory_of([5, 1, 2, 6, 1, 3, 5, 1]), [1, 5])
    assert scores[2] > scores[3]


def test_a_pause_ends_what_follows() -> None:
    memory = ListenerMemory(1)
    for track, ended_at_s in ((1, 0), (2, 4_000), (1, 4_200)):
        memory.remember(track, 1_000 * ended_at_s, 1.0, 100)
    assert habits(memory, [1]) == {}


def test_the_base_level_is_the_sum_over_plays_of_plays_since_to_the_minus_d() -> None:
    memory = memory_of([7, 8, 7])
    scratch, keys, scores = Scratch(), np.zeros(5, np.int64), np.zeros(5)
    decay = np.arange(1, 10, dtype=np.float64) ** -0.5
    found = base_level_scores(
        memory.tracks, memory.strengths, memory.length, decay, scratch.scores, scratch.touched, 5, keys, scores
    )
    assert keys[:found].tolist() == [7, 8]
    assert scores[:found] == pytest.approx([1 + 3**-0.5, 2**-0.5])


def test_a_late_listen_takes_its_place_in_time() -> None:
    memory = ListenerMemory(1)
    for track, ended_at_ms in ((1, 1_000), (3, 3_000), (2, 2_000)):
        memory.remember(track, ended_at_ms, 1.0, 100)
    assert memory.tracks[: memory.length].tolist() == [1, 2, 3]


def test_the_oldest_quarter_is_forgotten_when_the_history_is_full() -> None:
    memory = ListenerMemory(1)
    for track in range(101):
        memory.remember(track, track * 1_000, 1.0, 100)
    assert memory.tracks[: memory.length].tolist() == list(range(25, 101))


def test_exploration_rises_with_new_tracks_and_falls_with_known_ones() -> None:
    memory = ListenerMemory(1)
    for track in range(50):
        memory.hear(track, 0, turned_away=0.0)
        memory.remember(track, track * 1_000, 1.0, 1_000)
    explored = memory.exploration
    assert explored > 0.5
    for _ in range(50):
        memory.hear(1, 0, turned_away=0.0)
    assert memory.exploration < explored
