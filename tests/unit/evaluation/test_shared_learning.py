"""Workers that learn from a share of the listeners, in evaluation."""

from listening import Listening

from musicrec.evaluation.contest import Contest
from musicrec.evaluation.shared_learning import SharedLearning
from musicrec.recommend import RankingSettings, Recommender

PLACES = {"in the share": 0, "of the first": 1, "of the second": 5}
"""Of one in four; and the second of two workers has whoever stands at 4 to 7."""


def workers(count: int) -> list[Recommender]:
    return [Recommender(RankingSettings(max_sessions=100)) for _ in range(count)]


def test_all_learn_from_the_share_and_each_from_its_own() -> None:
    shared = SharedLearning(workers(2), one_in=4, place_of=PLACES.__getitem__)
    listening = Listening()
    for user in PLACES:
        shared.learn(listening.play(user, "a"))
    first, second = shared.workers
    assert set(first.knowledge.listeners) == {"in the share", "of the first"}
    assert set(second.knowledge.listeners) == {"in the share", "of the second"}
    assert [shared.answering(user) for user in PLACES] == [first, first, second]


def test_workers_have_like_parts_of_the_share_and_of_the_others() -> None:
    shared = SharedLearning(workers(3), one_in=4, place_of=int)
    answering = [[shared.workers.index(shared.answering(str(n))) for n in range(start, 1_200, 4)] for start in (0, 1)]
    assert [[part.count(worker) for worker in range(3)] for part in answering] == [[100] * 3] * 2


def figures_of(ours: Recommender | SharedLearning) -> object:
    contest, listening = Contest(ours, {}), Listening()
    for round_number in range(6):
        for user in PLACES:
            before = listening.play(user, f"t{round_number % 3}")
            contest.teach(before, f"t{round_number % 3}", None)
            target = f"t{(round_number + 1) % 3}"
            contest.ask(before, [f"t{round_number % 3}"], target, [])
            contest.teach(listening.play(user, target), target, f"t{round_number % 3}")
    board = contest.scores["musicrec"]
    return board.all.figures(), board.figures(contest.ours.known_tracks)["coverage@20"]


def test_workers_that_learn_from_everybody_score_as_one() -> None:
    (one,) = workers(1)
    assert figures_of(SharedLearning(workers(3), one_in=1, place_of=PLACES.__getitem__)) == figures_of(one)
