"""What every recommender must beat."""

import pytest

from musicrec.errors import BadInput
from musicrec.evaluation.baselines import FOR_STREAMS, FOR_TEXT_SESSIONS, chosen
from musicrec.evaluation.baselines.baseline import Baseline
from musicrec.evaluation.baselines.item_knn import ItemKnn
from musicrec.evaluation.baselines.personal_recency import PersonalRecency
from musicrec.evaluation.baselines.popularity import AllTimePopularity, RecentPopularity
from musicrec.evaluation.baselines.rank_fusion import RankFusion
from musicrec.evaluation.baselines.sequential_rules import SequentialRules
from musicrec.evaluation.baselines.session_knn import VmisKnn, Vstan
from musicrec.evaluation.baselines.transitions import Markov, PersonalMarkov
from musicrec.evaluation.play_memory import Play, PlayMemory, Question

MINUTE_MS = 60_000
DAY_MS = 86_400_000
NOBODY = -1


def memory_of(*sessions: str, apart_ms: int = 60 * MINUTE_MS) -> PlayMemory:
    """Letters are tracks; each session is another listener's, unless it begins with `number:`."""
    memory = PlayMemory(max_sessions=100)
    for number, text in enumerate(sessions):
        listener, _, session = text.rpartition(":")
        before = None
        for place, letter in enumerate(session):
            play = Play(
                listener=int(listener or 100 + number),
                session=number,
                track=ord(letter),
                before=before,
                ended_at_ms=DAY_MS + number * apart_ms + place * MINUTE_MS,
            )
            memory.learn(play)
            before = play.track
    return memory


def best(
    baseline: Baseline, memory: PlayMemory, heard: str, *, listener: int = NOBODY, session: int = 99, at_ms: int = 0
) -> str:
    question = Question(listener, session, [ord(letter) for letter in reversed(heard)], at_ms or 2 * DAY_MS)
    tracks, scores = baseline.rank(memory, question)
    assert scores.tolist() == sorted(scores.tolist(), reverse=True)
    return "".join(map(chr, tracks.tolist()))


def test_popularity_lists_the_most_played() -> None:
    assert best(AllTimePopularity(), memory_of("ab", "b", "bca"), "a") == "bac"


def test_recent_popularity_forgets_what_was_popular() -> None:
    memory = memory_of("aaa", "b", apart_ms=10 * DAY_MS)
    assert best(AllTimePopularity(), memory, "") == "ab"
    assert best(RecentPopularity(), memory, "") == "ba"


def test_markov_lists_what_came_right_after_the_last_track() -> None:
    memory = memory_of("abc", "abd", "acb")
    assert best(Markov(), memory, "ca") == "bc"
    assert best(Markov(), memory, "z") == ""


def test_personal_markov_lists_the_listeners_own_followers_first() -> None:
    memory = memory_of("1:ax", "2:ab", "2:ab", "2:ac")
    assert best(PersonalMarkov(), memory, "a", listener=1) == "xbc"
    assert best(PersonalMarkov(), memory, "a") == "bcx"  # b twice; c and x once, c has the lower index


def test_personal_markov_takes_nothing_across_sessions() -> None:
    memory = memory_of("1:xa", "1:b")
    assert best(PersonalMarkov(), memory, "a", listener=1) == ""


def test_personal_recency_lists_what_was_played_often_or_lately() -> None:
    memory = memory_of("1:aab", "2:c")
    assert best(PersonalRecency(), memory, "", listener=1) == "ba"
    assert best(PersonalRecency(decay=0.1), memory, "", listener=1) == "ab"
    assert best(PersonalRecency(), memory, "") == ""


def test_item_knn_prefers_what_is_seldom_without_the_track() -> None:
    memory = memory_of("ab", "abx", "ax", "bq", "bq", "b")
    # x is in 2 rows, both with a: 2 / sqrt(3 · 2); b in 5, two with a: 2 / sqrt(3 · 5).
    assert best(ItemKnn(), memory, "a") == "xb"


def test_sequential_rules_look_further_than_the_next_place() -> None:
    memory = memory_of("abc", "azc")
    assert best(SequentialRules(recency_power=0.0), memory, "a") == "bcz"  # 1 each for b and z, 1/2 + 1/2 for c
    assert best(SequentialRules(recency_power=0.0, longest_step=1), memory, "a") == "bz"


@pytest.mark.parametrize("baseline", [VmisKnn(), Vstan()])
def test_session_knn_lists_tracks_of_sessions_that_share_more(baseline: Baseline) -> None:
    listed = best(baseline, memory_of("abx", "by", "cz"), "ab")
    assert listed.index("x") < listed.index("y")
    assert "z" not in listed


@pytest.mark.parametrize("baseline", [VmisKnn(), Vstan(), ItemKnn(), SequentialRules()])
def test_no_model_over_sessions_sees_its_own(baseline: Baseline) -> None:
    assert best(baseline, memory_of("abx"), "ab", session=0) == ""


def test_vstan_holds_a_track_near_the_matched_one_for_likelier() -> None:
    assert best(Vstan(repeat_factor=0.0), memory_of("axy"), "a") == "xy"


def test_rank_fusion_adds_up_reciprocal_ranks() -> None:
    memory = memory_of("ab", "ab", "ac", "ccc")
    fused = RankFusion(((Markov(), 1.0), (AllTimePopularity(), 0.5)), rank_constant=1.0)
    # After a: Markov b, c; popularity c, a, b.
    # b: 1/2 + 0.5/4 = 0.625, c: 1/3 + 0.5/2 = 0.583, a: 0.5/3 = 0.167
    assert best(fused, memory, "a") == "bca"


def test_baselines_are_chosen_by_name() -> None:
    assert list(chosen(FOR_STREAMS, "markov, vstan")) == ["markov", "vstan"]
    assert chosen(FOR_STREAMS, "all") == FOR_STREAMS
    assert chosen(FOR_TEXT_SESSIONS, "all").keys() == FOR_TEXT_SESSIONS.keys() - {"sasrec"}
    assert list(chosen(FOR_TEXT_SESSIONS, "sasrec")) == ["sasrec"]
    with pytest.raises(BadInput, match="no baseline 'vstann'; there are popularity,"):
        chosen(FOR_STREAMS, "vstann")
