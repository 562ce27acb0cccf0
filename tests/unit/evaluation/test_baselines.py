"""What every recommender must beat."""

from musicrec.evaluation.baselines import Baseline, MarkovBaseline, PopularityBaseline, SessionKnnBaseline


def teach(baseline: Baseline, *sessions: str) -> None:
    for number, session in enumerate(sessions):
        before = None
        for letter in session:
            baseline.learn(number, ord(letter), before)
            before = ord(letter)


def best(baseline: Baseline, heard: str, session: int = 99) -> str:
    tracks, _ = baseline.rank(session, [ord(letter) for letter in reversed(heard)])
    return "".join(map(chr, tracks.tolist()))


def test_popularity_lists_the_most_played() -> None:
    baseline = PopularityBaseline()
    teach(baseline, "ab", "b", "bca")
    assert best(baseline, "a") == "bac"


def test_markov_lists_what_came_right_after_the_last_track() -> None:
    baseline = MarkovBaseline()
    teach(baseline, "abc", "abd", "acb")
    assert best(baseline, "ca") == "bc"
    assert best(baseline, "z") == ""


def test_session_knn_lists_tracks_of_sessions_that_share_more() -> None:
    baseline = SessionKnnBaseline(max_sessions=100)
    teach(baseline, "abx", "by", "cz")
    listed = best(baseline, "ab")
    assert listed.index("x") < listed.index("y")
    assert "z" not in listed


def test_session_knn_does_not_see_its_own_session() -> None:
    baseline = SessionKnnBaseline(max_sessions=100)
    teach(baseline, "abx")
    assert best(baseline, "ab", session=0) == ""
