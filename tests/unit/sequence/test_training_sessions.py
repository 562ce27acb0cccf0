"""What a network is trained and measured on."""

from itertools import pairwise

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from musicrec.sequence.contexts import context_of
from musicrec.sequence.heard_session import HeardSession
from musicrec.sequence.training_sessions import LONGEST, NextTrackCases, TrainingSessions

SESSIONS = st.lists(st.lists(st.sampled_from("abcdefgh"), max_size=70), max_size=30)


def ids(training: TrainingSessions) -> list[list[str]]:
    return [[training.track_ids[track] for track in session] for session in training.sessions]


@given(SESSIONS)
def test_every_pair_of_neighbours_is_trained_on_once(sessions: list[list[str]]) -> None:
    pieces = ids(TrainingSessions.of(map(HeardSession.plain, sessions)))
    assert all(2 <= len(piece) <= LONGEST for piece in pieces)
    pairs = [pair for session in sessions for pair in pairwise(session)]
    assert [pair for piece in pieces for pair in pairwise(piece)] == pairs


@given(SESSIONS, st.integers(10, 300))
def test_a_pass_takes_every_session_once_in_batches_that_are_small_enough(
    sessions: list[list[str]], places: int
) -> None:
    training = TrainingSessions.of(map(HeardSession.plain, sessions))
    batches = training.batches(places, np.random.default_rng(1))
    rows = [row[row >= 0].tolist() for batch in batches for row in batch.tracks]
    assert sorted(rows) == sorted(session.tolist() for session in training.sessions)
    assert all(batch.tracks.size <= max(places, LONGEST) for batch in batches)


def test_another_pass_has_other_batches_and_the_same_seed_the_same() -> None:
    training = TrainingSessions.of(HeardSession.plain(f"a{n} b{n} c{n}".split()) for n in range(50))
    first, second, again = (training.batches(30, np.random.default_rng(seed)) for seed in (1, 2, 1))
    assert not all(np.array_equal(a.tracks, b.tracks) for a, b in zip(first, second, strict=True))
    assert all(np.array_equal(a.tracks, b.tracks) for a, b in zip(first, again, strict=True))


def test_plays_are_counted_by_track() -> None:
    assert TrainingSessions.of(map(HeardSession.plain, ["aab", "ca"])).plays.tolist() == [3, 1, 1]


def test_a_case_is_what_is_known_of_a_session_and_what_came_next() -> None:
    cases = NextTrackCases.of(
        map(HeardSession.plain, [["a", "new", "b"], ["new", "a"]]), ["a", "b"], 100, np.random.default_rng(1)
    )
    assert [session.tolist() for session in cases.sessions] == [[0], [0]]
    assert cases.targets.tolist() == [-1, 1]  # "new" is a miss; before the last session's "a" nothing is known


def test_no_more_cases_are_drawn_than_asked_for() -> None:
    cases = NextTrackCases.of([HeardSession.plain("abcd")] * 20, ["a", "b", "c", "d"], 7, np.random.default_rng(1))
    assert len(cases.sessions) == len(cases.targets) == 7


def test_what_was_skipped_is_read_and_is_no_case() -> None:
    skipped, played = context_of(True, 5), context_of(False, 200)
    session = HeardSession(list("abc"), [0, skipped, played], 0)
    cases = NextTrackCases.of([session], ["a", "b", "c"], 100, np.random.default_rng(1))
    assert [tracks.tolist() for tracks in cases.sessions] == [[0, 1]]
    assert [contexts.tolist() for contexts in cases.contexts] == [[0, skipped]]
    assert cases.targets.tolist() == [2]


@given(SESSIONS)
def test_every_play_keeps_how_it_was_heard(sessions: list[list[str]]) -> None:
    heard = [HeardSession(tracks, [ord(track) - 96 for track in tracks], 0) for tracks in sessions]
    training = TrainingSessions.of(heard)
    of_track = {number: ord(track) - 96 for number, track in enumerate(training.track_ids)}
    for tracks, contexts in zip(training.sessions, training.contexts, strict=True):
        assert [of_track[track] for track in tracks.tolist()] == contexts.tolist()
    for batch in training.batches(100, np.random.default_rng(1)):
        expected = [[of_track.get(track, 0) for track in row] for row in batch.tracks.tolist()]
        assert batch.contexts.tolist() == expected
