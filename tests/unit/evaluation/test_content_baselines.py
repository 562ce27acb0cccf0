"""Baselines that know artists and popularity, and what was skipped."""

from musicrec.contracts import ListenOutcome
from musicrec.evaluation.baselines.content_profile import ContentProfile
from musicrec.evaluation.baselines.preference_classifier import PreferenceClassifier
from musicrec.evaluation.play_memory import Play, PlayMemory, Question

DONE, SKIPPED = ListenOutcome.COMPLETED, ListenOutcome.SKIPPED_EARLY
ANN, BOB = 1, 2


def play(listener: int, track: int, artist: int, outcome: ListenOutcome = DONE, at_ms: int = 0) -> Play:
    return Play(listener, listener, track, None, at_ms, artist, outcome)


def memory_of(*plays: Play) -> PlayMemory:
    memory = PlayMemory(max_sessions=100)
    for each in plays:
        memory.learn(each)
    return memory


def question(listener: int, *newest_first: int) -> Question:
    return Question(listener, listener, list(newest_first), 1_000_000)


def test_the_profile_lists_the_artists_liked_and_of_each_the_most_played_tracks_first() -> None:
    bob = [play(BOB, track, artist) for track, artist in ((10, 0), (10, 0), (11, 0), (20, 1), (30, 2))]
    memory = memory_of(*bob, play(ANN, 12, 0), play(ANN, 12, 0), play(ANN, 21, 1))
    tracks, _ = ContentProfile(popularity_power=0.1).rank(memory, question(ANN))
    # Two of ann's three plays are of artist 0; 30 is of an artist that she never played.
    assert tracks.tolist() == [10, 12, 11, 20, 21]


def test_what_was_skipped_is_no_part_of_the_profile() -> None:
    memory = memory_of(play(BOB, 10, 0), play(BOB, 20, 1), play(ANN, 10, 0, SKIPPED), play(ANN, 20, 1))
    tracks, _ = ContentProfile().rank(memory, question(ANN))
    assert tracks.tolist() == [20]


def test_the_running_session_is_part_of_the_profile() -> None:
    memory = memory_of(play(BOB, 10, 0), play(BOB, 11, 0))
    assert ContentProfile().rank(memory, question(ANN, 10))[0].tolist() == [10, 11]
    assert ContentProfile().rank(memory, question(ANN))[0].tolist() == []


def test_the_classifier_learns_which_artist_is_skipped() -> None:
    classifier = PreferenceClassifier(noes=0)
    memory = PlayMemory(max_sessions=100)
    for number in range(200):
        track, artist, outcome = ((10, 0, DONE), (20, 1, SKIPPED))[number % 2]
        learned = play(BOB, track, artist, outcome, number)
        classifier.learn(memory, question(BOB), learned)
        memory.learn(learned)
    tracks, chances = classifier.rank(memory, question(BOB))
    assert tracks.tolist() == [10, 20]
    assert chances[0] > 0.8 > 0.3 > chances[1]


def test_the_classifier_learns_each_play_before_the_memory_knows_it() -> None:
    classifier = PreferenceClassifier()
    memory = memory_of(play(BOB, 10, 0))
    classifier.learn(memory, question(BOB), play(BOB, 99, 7))
    assert memory.known == 11  # not even that the track exists
    assert classifier.rank(memory, question(BOB))[0].tolist() == [10]


def test_candidates_come_from_the_history_too() -> None:
    memory = memory_of(play(ANN, 10, -1), play(ANN, 11, -1))
    assert sorted(PreferenceClassifier().rank(memory, question(ANN))[0].tolist()) == [10, 11]
