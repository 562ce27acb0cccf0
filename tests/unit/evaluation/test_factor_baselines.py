"""Baselines of factors: a running session is folded in, and nothing later than the question is in them."""

from typing import Any

import numpy as np
import pytest

from musicrec.evaluation.baselines.als import Als
from musicrec.evaluation.baselines.baseline import Baseline
from musicrec.evaluation.baselines.best_of import best_of
from musicrec.evaluation.baselines.session_matrix import companions, session_matrix
from musicrec.evaluation.baselines.truncated_svd import TruncatedSvd
from musicrec.evaluation.play_memory import Play, PlayMemory, Question

# As many singular vectors as tracks would say nothing: every track is then like itself alone.
FACTORS = [TruncatedSvd(dimension=2, repeat_factor=0.0), Als(repeat_factor=0.0)]


def memory_of(*sessions: list[int]) -> PlayMemory:
    memory = PlayMemory(max_sessions=100)
    for number, tracks in enumerate(sessions):
        learn(memory, number, tracks)
    return memory


def learn(memory: PlayMemory, session: int, tracks: list[int]) -> None:
    for place, track in enumerate(tracks):
        memory.learn(Play(session, session, track, tracks[place - 1] if place else None, 1_000 * session + place))


def listed(baseline: Baseline, memory: PlayMemory, heard: list[int], session: int = 99) -> list[int]:
    tracks, scores = baseline.rank(memory, Question(99, session, heard[::-1], 1_000_000))
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    return tracks.tolist()


def test_the_session_matrix_holds_one_for_every_track_of_a_session() -> None:
    matrix = session_matrix(memory_of([0, 2, 0], [1]))
    assert matrix.toarray().tolist() == [[1, 0, 1], [0, 1, 0]]


def test_companions_are_tracks_of_other_sessions_with_a_track_of_the_query() -> None:
    memory = memory_of([0, 1], [1, 2], [3, 4])
    assert sorted(companions(memory, Question(9, 9, [1], 0), [1], 512).tolist()) == [0, 1, 2]
    assert sorted(companions(memory, Question(9, 1, [1], 0), [1], 512).tolist()) == [0, 1]
    assert sorted(companions(memory, Question(9, 9, [1], 0), [1], 1).tolist()) == [1, 2]  # the newest row alone


@pytest.mark.parametrize("baseline", FACTORS)
def test_tracks_that_often_share_sessions_with_those_heard_come_first(baseline: Baseline) -> None:
    memory = memory_of(*[[0, 1, 2]] * 6, [1, 3], *[[3, 4, 5]] * 6)
    assert listed(baseline, memory, [0, 1])[0] == 2
    assert listed(baseline, memory, [5])[:2] in ([3, 4], [4, 3])


@pytest.mark.parametrize("baseline", FACTORS)
def test_without_a_known_track_nothing_is_listed(baseline: Baseline) -> None:
    assert listed(baseline, memory_of([0, 1]), []) == []


@pytest.mark.parametrize("made", [TruncatedSvd, Als])
def test_what_was_played_after_the_last_build_has_no_factors_until_the_next(made: Any) -> None:
    memory = memory_of([0, 1], [0, 1])
    baseline = made(dimension=1, every_plays=4, repeat_factor=0.0)
    assert listed(baseline, memory, [0])[:1] == [1]
    learn(memory, 2, [0, 2])
    assert 2 not in listed(baseline, memory, [0])
    learn(memory, 3, [0, 2])
    assert 2 in listed(baseline, memory, [0])


def test_two_memories_have_models_of_their_own() -> None:
    baseline = TruncatedSvd(dimension=1, repeat_factor=0.0)
    assert listed(baseline, memory_of([0, 1], [0, 1]), [0])[:1] == [1]
    assert listed(baseline, memory_of([0, 2, 1], [0, 2]), [0])[:1] == [2]


def test_the_best_are_those_of_a_full_sort() -> None:
    scores = np.random.default_rng(1).integers(0, 50, 1_000).astype(np.float32)
    tracks, kept = best_of(scores, 100)
    assert kept.tolist() == sorted(scores.tolist(), reverse=True)[:100]
    assert len(set(tracks.tolist())) == 100
