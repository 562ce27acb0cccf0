"""Lists with variety, through the ranking core's door."""

from dataclasses import replace

import numpy as np
import pytest
from listening import Listening
from sounds import FewSounds

from musicrec.contracts import Mode, RecommendationRequest
from musicrec.errors import Incompatible
from musicrec.evaluation.contest import rank_in
from musicrec.recommend import RankedList, RankingSettings, Recommender
from musicrec.recommend.diversity import varied_places
from musicrec.recommend.state import State, joined

SMALL = RankingSettings(max_sessions=1_000)
NOTHING = np.zeros((4, 0), np.float32)
NOBODY = np.full(4, -1, np.int32)
SCORES = np.array([3.0, 2.9, 2.0, 1.0])


@pytest.fixture
def world() -> Listening:
    return Listening()


@pytest.fixture
def recommender(world: Listening) -> Recommender:
    """Knows a crowd that hears `seed`, then six tracks of one artist, then one track each of six others."""
    recommender = Recommender(SMALL)
    for number in range(8):
        world.pause()
        for track, artist in [("seed", "seed"), *((f"same-{n}", "one") for n in range(6))]:
            recommender.learn(world.play(f"listener-{number}", track, artist))
        for n in range(6):
            recommender.learn(world.play(f"listener-{number}", f"other-{n}", f"artist-{n}"))
    return recommender


def with_diversity(recommender: Recommender, diversity: float, **settings: float) -> Recommender:
    varied = Recommender(replace(SMALL, diversity=diversity, **settings))  # type: ignore[arg-type]
    varied.restore(State(joined(recommender.state())))
    return varied


def listed(ranked: RankedList) -> list[str]:
    return [item.track_id for item in ranked.items]


def of_one_artist(ranked: RankedList, count: int) -> int:
    return sum(name.startswith("same-") for name in listed(ranked)[:count])


def test_the_more_variety_is_asked_for_the_fewer_tracks_of_one_artist_lead_the_list(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = world.play("ann", "seed", "seed")
    counts = [of_one_artist(with_diversity(recommender, d).rank(snapshot), 6) for d in (0.0, 0.2, 0.5, 0.9)]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] == 6
    assert counts[-1] == 1


def test_the_first_place_stays_with_the_best_candidate_and_no_track_is_lost(
    world: Listening, recommender: Recommender
) -> None:
    snapshot = world.play("ann", "seed", "seed")
    plain, varied = recommender.rank(snapshot), with_diversity(recommender, 0.7).rank(snapshot)
    assert listed(plain)[0] == listed(varied)[0]
    assert set(listed(plain)) == set(listed(varied))
    assert (np.diff([item.score for item in varied.items]) <= 0).all()


def test_a_list_tells_its_variety_and_where_its_tracks_stood(world: Listening, recommender: Recommender) -> None:
    snapshot = world.play("ann", "seed", "seed")
    plain, varied = recommender.rank(snapshot), with_diversity(recommender, 0.7).rank(snapshot)
    assert (plain.making.diversity, varied.making.diversity) == (None, 0.7)
    assert [listed(plain)[rank - 1] for rank in varied.making.ranker_ranks] == listed(varied)
    assert varied.making.dial_ranks is None
    turned = with_diversity(recommender, 0.7).rank(snapshot.model_copy(update={"discovery": -1.0}))
    before = with_diversity(recommender, 0.0).rank(snapshot.model_copy(update={"discovery": -1.0}))
    assert before.making.dial_ranks == ()
    assert turned.making.dial_ranks
    assert [listed(before)[rank - 1] for rank in turned.making.dial_ranks] == listed(turned)


def test_only_the_best_candidates_change_their_places(world: Listening, recommender: Recommender) -> None:
    snapshot = world.play("ann", "seed", "seed")
    plain = recommender.rank(snapshot)
    varied = with_diversity(recommender, 0.9, diversity_candidates=8).rank(snapshot)
    assert listed(varied)[:8] != listed(plain)[:8]
    assert listed(varied)[8:] == listed(plain)[8:]


def test_a_cap_on_artists_holds_in_a_list_with_variety(world: Listening, recommender: Recommender) -> None:
    snapshot = world.play("ann", "seed", "seed")
    ranked = with_diversity(recommender, 0.1, artist_cap=1).rank(snapshot)
    assert of_one_artist(ranked, 7) == 1


@pytest.mark.parametrize("mode", [Mode.PERSONAL, Mode.SIMILAR])
def test_lists_on_request_have_variety_too(mode: Mode, world: Listening, recommender: Recommender) -> None:
    recommender.learn(world.play("ann", "seed", "seed"))
    asked = RecommendationRequest(
        request_id="r", user_id="ann", mode=mode, track_id="seed", limit=6, requested_at_ms=world.now_ms
    )
    plain = recommender.answer(asked, None, world.now_ms)
    varied = with_diversity(recommender, 0.9).answer(asked, None, world.now_ms)
    assert of_one_artist(varied, 6) < of_one_artist(plain, 6)


class TwoSounds(FewSounds):
    """A vector index in which the odd tracks of one artist sound alike, and all else does not."""

    version = "sounds-1"

    def __len__(self) -> int:
        return 12

    def vector(self, track_id: str) -> np.ndarray | None:
        kind, _, number = track_id.partition("-")
        if kind == "seed" or not number.isdigit():
            return None
        vector = np.zeros(12, np.float32)
        vector[0 if kind == "other" and int(number) % 2 else int(number) + 1] = 1.0
        return vector

    def search(self, vector: np.ndarray, k: int) -> list[tuple[str, float]]:
        return []


def test_tracks_that_sound_alike_are_kept_apart(world: Listening, recommender: Recommender) -> None:
    heard = Recommender(replace(SMALL, diversity=0.9), TwoSounds())
    heard.restore(State(joined(recommender.state())))
    names = listed(heard.rank(world.play("ann", "seed", "seed")))
    alike = [names.index(name) for name in ("other-1", "other-3", "other-5")]
    apart = [names.index(name) for name in ("other-0", "other-2", "other-4")]
    assert sorted(alike)[1] > max(apart)


def test_vectors_of_the_encoder_and_of_the_sound_count_as_much_as_the_artist() -> None:
    vectors = np.array([[1, 0], [1, 0], [0, 1], [0, 0]], np.float32)
    artists = np.array([0, 0, 1, -1], np.int32)
    for encoded, sounds in ((vectors, NOTHING), (NOTHING, vectors), (vectors, vectors)):
        assert varied_places(SCORES, NOBODY, encoded, sounds, 0.6).tolist() == [0, 2, 3, 1]
    assert varied_places(SCORES, artists, NOTHING, NOTHING, 0.6).tolist() == [0, 2, 3, 1]
    # Another artist and the same direction: half as similar.
    halves = varied_places(SCORES, np.array([0, 1, 0, 2], np.int32), vectors, NOTHING, 0.4).tolist()
    assert halves == [0, 1, 2, 3]


def test_no_variety_keeps_the_order() -> None:
    vectors = np.ones((4, 1), np.float32)
    assert varied_places(SCORES, NOBODY, vectors, vectors, 0.0).tolist() == [0, 1, 2, 3]
    assert varied_places(np.ones(4), NOBODY, NOTHING, NOTHING, 0.5).tolist() == [0, 1, 2, 3]
    assert varied_places(SCORES[:0], NOBODY[:0], NOTHING[:0], NOTHING[:0], 0.5).tolist() == []


def test_a_track_that_was_put_forward_counts_at_the_place_where_it_is_shown(
    world: Listening, recommender: Recommender
) -> None:
    varied = with_diversity(recommender, 0.9)
    ranked = varied.rank(world.play("ann", "seed", "seed"))
    second = ranked.items[1].track_id
    assert ranked.making.ranker_ranks[1] > 2
    assert rank_in(ranked, varied.knowledge.catalogue.index_of(second)) == 2


@pytest.mark.parametrize("value", [-0.1, 1.0])
def test_a_weight_that_leaves_nothing_of_the_score_is_refused(value: float) -> None:
    with pytest.raises(Incompatible, match=rf"diversity: {value}; a number from 0 to below 1"):
        RankingSettings(diversity=value)
