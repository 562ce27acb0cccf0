"""Test, then train: which plays are cases, and what was known when they were guessed."""

from collections.abc import Iterator

from musicrec.contracts import EventType, ListenEvent
from musicrec.evaluation.metrics import Group
from musicrec.evaluation.prequential import PrequentialRun, announce_all
from musicrec.recommend import RankingSettings, Recommender

MINUTE_MS = 60_000
START_MS = 1_700_000_000_000


def plays(*listens: tuple[str, str, int]) -> Iterator[ListenEvent]:
    """(listener, track, minute at which the play ends); a play lasts three minutes."""
    for number, (user, track, minute) in enumerate(listens):
        yield ListenEvent(
            event_id=f"e{minute:06d}-{number:03d}",
            user_id=user,
            type=EventType.PLAY,
            occurred_at_ms=START_MS + minute * MINUTE_MS,
            track_id=track,
            ms_played=3 * MINUTE_MS,
        )


def run() -> PrequentialRun:
    return PrequentialRun(Recommender(RankingSettings(max_sessions=100)))


def cases(evaluation: PrequentialRun) -> tuple[int, int, int]:
    board = evaluation.contest.scores["musicrec"]
    return board.all.cases, board.groups[Group.REPEAT].cases, board.groups[Group.NEW].cases


def test_the_first_play_of_a_session_is_no_case() -> None:
    evaluation = run()
    evaluation.score(plays(("ann", "a", 0), ("ann", "b", 100), ("bob", "a", 101)))
    assert cases(evaluation) == (0, 0, 0)


def test_a_play_after_another_track_of_the_session_is_a_case() -> None:
    evaluation = run()
    evaluation.score(plays(("ann", "a", 0), ("ann", "b", 3), ("ann", "b", 6), ("ann", "a", 9)))
    # b after a, and a after b; b after b is none. a was played before, b was not.
    assert cases(evaluation) == (2, 1, 1)


def test_warm_up_is_learned_and_not_scored() -> None:
    evaluation = run()
    evaluation.warm_up(plays(*((f"u{n}", track, 10 * n + at) for n in range(5) for at, track in enumerate("abc"))))
    assert cases(evaluation) == (0, 0, 0)
    evaluation.score(plays(("ann", "a", 1_000), ("ann", "b", 1_003)))
    figures = evaluation.figures()["models"]
    assert isinstance(figures, dict)
    assert set(figures) == {"musicrec", "popularity", "markov", "session-knn"}
    assert figures["musicrec"]["all"] == {"events": 1, "hr@20": 1.0, "mrr@20": 1.0}
    assert figures["markov"]["new"] == {"events": 1, "hr@20": 1.0, "mrr@20": 1.0}


def test_a_track_is_guessed_before_it_is_learned() -> None:
    evaluation = run()
    evaluation.score(plays(("ann", "a", 0), ("ann", "never-seen", 3)))
    for board in evaluation.contest.scores.values():
        assert (board.all.cases, board.all.hits) == (1, 0)


def test_a_repetition_in_the_warm_up_makes_the_target_a_repeat() -> None:
    evaluation = run()
    evaluation.warm_up(plays(("ann", "b", 0)))
    evaluation.score(plays(("ann", "a", 100), ("ann", "b", 103)))
    assert cases(evaluation) == (1, 1, 0)


def test_a_case_is_counted_in_every_group_it_belongs_to() -> None:
    evaluation = run()
    evaluation.score(plays(("bob", "a", 0), ("ann", "a", 50), ("ann", "b", 53), ("ann", "c", 56)))
    evaluation.score([*plays(("ann", "a", 59))])
    groups = {group: counter.cases for group, counter in evaluation.contest.scores["musicrec"].groups.items()}
    # b right after the first track; b and c heard by nobody before; a heard by ann.
    assert groups == {
        Group.REPEAT: 1,
        Group.NEW: 2,
        Group.UNHEARD: 2,
        Group.EARLY: 1,
        Group.COMPLETED: 3,
        Group.SKIPPED: 0,
    }


def test_a_short_play_is_a_skipped_target() -> None:
    evaluation = run()
    long, short = plays(("ann", "a", 0), ("ann", "b", 1))
    evaluation.score([long, short.model_copy(update={"ms_played": 5_000})])
    groups = evaluation.contest.scores["musicrec"].groups
    assert (groups[Group.SKIPPED].cases, groups[Group.COMPLETED].cases) == (1, 0)


def test_lists_are_described_by_the_plays_and_artists_before_the_case() -> None:
    evaluation = run()
    heard = [("bob", "a", 0), ("bob", "b", 3), ("eve", "b", 4), ("ann", "c", 50), ("ann", "d", 53)]
    artists = {"a": "x", "b": "x", "c": "y", "d": "y"}
    named = [event.model_copy(update={"artist_id": artists[str(event.track_id)]}) for event in plays(*heard)]
    evaluation.warm_up(named[:4])
    evaluation.score(named[4:])
    figures = evaluation.figures()["models"]
    assert isinstance(figures, dict)
    # b, a are listed after c: 2 and 1 plays, the most played has 2; both are of x.
    assert figures["popularity"]["popularity@20"] == (2 / 2 + 1 / 2) / 2
    assert figures["popularity"]["artist_diversity@20"] == 0.0


def test_a_catalogue_that_is_announced_holds_every_track_with_its_first_artist_and_no_play() -> None:
    recommender = Recommender(RankingSettings(max_sessions=100))
    heard = plays(("ann", "b", 0), ("ann", "a", 3), ("ann", "b", 6), ("ann", "b", 9))
    artists = (None, "x", "y", "z")
    events = [event.model_copy(update={"artist_id": each}) for event, each in zip(heard, artists, strict=True)]
    announce_all(recommender, events)
    catalogue = recommender.knowledge.catalogue
    assert [catalogue.track_id(track) for track in range(len(catalogue))] == ["a", "b"]
    assert [catalogue.artist_id_of(track) for track in range(2)] == ["x", "y"]
    assert recommender.knowledge.popularity.plays[:2].tolist() == [0, 0]


def test_a_track_that_is_announced_and_was_never_played_is_unheard() -> None:
    evaluation = run()
    events = list(plays(("ann", "a", 0), ("ann", "b", 3), ("ann", "a", 6)))
    announce_all(evaluation.contest.recommender, events)
    evaluation.score(events)
    assert evaluation.contest.scores["musicrec"].groups[Group.UNHEARD].cases == 1
