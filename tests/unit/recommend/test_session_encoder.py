"""A trained session encoder among the sources: when it speaks, and of which tracks."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import pytest
from listening import START_MS, Listening
from numpy.typing import NDArray
from sounds import FewSounds

from musicrec.contracts import ReasonCode, Track
from musicrec.recommend import RankedList, RankingSettings, Recommender
from musicrec.recommend.encoders import FORMER_UNASKED
from musicrec.recommend.fusion import Source
from musicrec.recommend.ranker import Ranker
from musicrec.recommend.session_encoder import Codes
from musicrec.recommend.state import State, joined

LONG_AGO_MS = START_MS - 1
ALONE = {f"weight_{source.label}": 0.0 for source in Source if source is not Source.SESSION_ENCODER}


@dataclass
class Neighbours:
    """An encoder whose session goes on where its newest track lies, one step around a circle."""

    track_ids: Sequence[str]
    trained_until_ms: int = LONG_AGO_MS
    version: str = "circle"
    longest: int = 3
    scale: float = 10.0
    heard: list[list[int]] = field(default_factory=list)
    contexts: list[list[tuple[bool, int]]] = field(default_factory=list)
    artists: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    sound_version: str | None = None
    sounds: list[NDArray[np.float32] | None] = field(default_factory=list)

    @property
    def vectors(self) -> NDArray[np.float16]:
        angle = 2 * np.pi * np.arange(len(self.track_ids)) / len(self.track_ids)
        return np.stack([np.cos(angle), np.sin(angle)], axis=1).astype(np.float16)

    @property
    def codes(self) -> Codes:
        return Codes.of(self.vectors)

    @property
    def artist_ids(self) -> Sequence[str]:
        return list(self.artists)

    @property
    def artist_codes(self) -> Codes:
        return Codes.of(np.array([*self.artists.values()], np.float16).reshape(-1, 2))

    def placed(self, artist_id: str | None, sound: NDArray[np.float32] | None) -> NDArray[np.float32] | None:
        self.sounds.append(sound)
        return self.artists.get(artist_id) if artist_id is not None else None

    def direction(
        self, places: NDArray[np.float32], skipped: NDArray[np.bool_], gaps_s: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        self.contexts.append(list(zip(skipped.tolist(), gaps_s.tolist(), strict=True)))
        rows = np.argmax(places @ self.vectors.T.astype(np.float32), axis=1)
        self.heard.append(rows.tolist())
        return self.vectors[(rows[-1] + 1) % len(self.track_ids)].astype(np.float32)

    def nearest(self, direction: NDArray[np.float32], k: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        cosines = self.vectors.astype(np.float32) @ direction
        best = np.argsort(-cosines, kind="stable")[:k]
        return best, cosines[best]


def recommender(*encoders: Neighbours, only: bool = True) -> Recommender:
    settings = RankingSettings(max_sessions=100, ranked_candidates=0, **(ALONE if only else {}))
    return Recommender(settings, encoders=encoders)


def listed(ranked: RankedList) -> list[str]:
    return [item.track_id for item in ranked.items]


def heard_of(recommender: Recommender, world: Listening, tracks: str) -> None:
    for snapshot in world.session("somebody", tracks):
        recommender.learn(snapshot)


def test_tracks_are_listed_in_the_order_of_their_logits_with_the_encoders_reason() -> None:
    world, ours = Listening(), recommender(Neighbours(list("abcdef")))
    heard_of(ours, world, "f e d c b a")
    ranked = ours.rank(world.play("ann", "a"), 3)
    assert listed(ranked) == ["b", "c", "d"] or listed(ranked) == ["b", "c", "f"]
    assert ranked.items[0].reason is ReasonCode.GOES_WITH_THIS
    assert ranked.items[0].sources[0].source == "session_encoder"


def test_with_variety_tracks_that_lie_side_by_side_do_not_follow_each_other() -> None:
    world, names = Listening(), list("abcdefghijkl")
    ours = recommender(Neighbours(names))
    varied = Recommender(RankingSettings(max_sessions=100, ranked_candidates=0, diversity=0.6, **ALONE))
    varied.use_encoder(varied.encoded(Neighbours(names)))
    heard_of(ours, world, "l k j i h g f e d c b a unknown")
    varied.restore(State(joined(ours.state())))
    snapshot = world.play("ann", "a")

    def steps_apart(ranked: RankedList) -> int:
        first, second = (names.index(name) for name in listed(ranked)[:2])
        return min((first - second) % 12, (second - first) % 12)

    assert listed(ours.rank(snapshot))[0] == listed(varied.rank(snapshot))[0] == "b"
    assert steps_apart(ours.rank(snapshot)) == 1
    assert steps_apart(varied.rank(snapshot)) >= 3
    tracks = np.array([ours.knowledge.catalogue.index_of(name) for name in ("a", "unknown")])
    vectors = varied._candidates.encoders.vectors(tracks)
    assert vectors[0].tolist() == pytest.approx([1.0, 0.0], abs=0.01)
    assert not vectors[1].any()


def test_tracks_of_the_session_itself_stand_further_back() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"))
    settings = RankingSettings(max_sessions=100, ranked_candidates=0, exclude_current=False, repeat_factor=1.0, **ALONE)
    ours = Recommender(settings, encoders=[encoder])
    heard_of(ours, world, "f e d c b a")
    # As near as c, which is new to the session; d and f lie further away.
    assert listed(ours.rank(world.play("ann", "a"), 4))[:3] == ["b", "c", "a"]


def test_a_session_is_read_with_its_newest_known_tracks_the_oldest_first() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"))
    ours = recommender(encoder)
    heard_of(ours, world, "a b c d e f new")
    for track in ("a", "b", "new", "d"):
        newest = world.play("ann", track)
    ours.rank(newest)
    assert encoder.heard == [[0, 1, 3]]
    ours.rank(world.play("ann", "f"))
    assert encoder.heard[-1] == [1, 3, 5]


def test_tracks_that_nobody_played_yet_are_not_listed_and_appear_once_they_are() -> None:
    world, ours = Listening(), recommender(Neighbours(list("abcdef")))
    heard_of(ours, world, "a c")
    assert "b" not in listed(ours.rank(world.play("ann", "a")))
    heard_of(ours, world, "b")
    assert listed(ours.rank(world.play("ben", "a")))[0] == "b"


def test_of_what_it_was_trained_on_an_encoder_says_nothing() -> None:
    world = Listening()
    seen = Neighbours(list("abcdef"), trained_until_ms=world.now_ms + 10 * 3_600_000)
    ours = recommender(seen)
    heard_of(ours, world, "a b c")
    assert Source.SESSION_ENCODER.label not in _sources(ours.rank(world.play("ann", "a")))
    world.pause(minutes=20 * 60)
    assert Source.SESSION_ENCODER.label in _sources(ours.rank(world.play("ben", "a")))


def test_of_several_encoders_the_one_speaks_that_has_seen_most_before() -> None:
    world = Listening()
    old, newer = Neighbours(list("abc")), Neighbours(list("abc"), trained_until_ms=world.now_ms + 3_600_000)
    ours = recommender(newer, old)
    heard_of(ours, world, "a b c")  # an hour's pause first
    ours.rank(world.play("ann", "a"))
    assert (len(old.heard), len(newer.heard)) == (0, 1)
    early = Listening()
    ours.rank(early.play("ben", "a"))
    assert (len(old.heard), len(newer.heard)) == (1, 1)


def swapped(ours: Recommender, encoder: Neighbours | None) -> None:
    ours.use_encoder(None if encoder is None else ours.encoded(encoder))


def test_a_list_is_made_by_one_encoder_and_says_by_which() -> None:
    world, ours = Listening(), recommender(Neighbours(list("abcdef")))
    heard_of(ours, world, "f e d c b a")
    settings = ours.settings.version()
    before = ours.rank(world.play("ann", "a"), 1)
    swapped(ours, Neighbours(list("adbecf"), version="another"))
    after = ours.rank(world.play("ben", "a"), 1)
    swapped(ours, None)
    without = ours.rank(world.play("eve", "a"), 1)
    assert (listed(before), before.model_version) == (["b"], f"{settings}+circle")
    assert (listed(after), after.model_version) == (["d"], f"{settings}+another")
    assert without.model_version == settings
    assert Source.SESSION_ENCODER.label not in _sources(without)


def test_a_list_whose_question_is_older_than_every_encoder_names_none() -> None:
    world = Listening()
    ours = recommender(Neighbours(list("abc"), trained_until_ms=world.now_ms + 10 * 3_600_000))
    heard_of(ours, world, "a b c")
    assert ours.rank(world.play("ann", "a")).model_version == ours.settings.version()


def test_tracks_that_are_heard_of_while_an_encoder_is_prepared_are_listed_by_it() -> None:
    world, ours = Listening(), recommender()
    heard_of(ours, world, "a")
    encoded = ours.encoded(Neighbours(list("abcdef")))
    heard_of(ours, world, "b")
    ours.use_encoder(encoded)
    assert listed(ours.rank(world.play("ann", "a"), 1)) == ["b"]


def test_the_former_encoder_speaks_about_what_the_new_one_was_trained_on() -> None:
    world, late = Listening(), Listening()
    former = Neighbours(list("abc"), version="former")
    ours = recommender(former)
    heard_of(ours, world, "a b c")
    swapped(ours, Neighbours(list("abc"), trained_until_ms=world.now_ms, version="new"))
    assert ours.rank(late.play("ann", "a")).model_version.endswith("+former")
    world.pause(minutes=60)
    assert ours.rank(world.play("ben", "a")).model_version.endswith("+new")


def test_the_former_encoder_goes_when_nobody_asks_for_it_any_more() -> None:
    world, late = Listening(), Listening()
    ours = recommender(Neighbours(list("abc"), version="former"))
    heard_of(ours, world, "a b c")
    swapped(ours, Neighbours(list("abc"), trained_until_ms=world.now_ms, version="new"))
    world.pause(minutes=60)
    old, new = late.play("ann", "a"), world.play("ben", "a")
    for _ in range(FORMER_UNASKED - 1):
        ours.rank(new, 1)
    assert ours.rank(old, 1).model_version.endswith("+former")
    for _ in range(FORMER_UNASKED):
        ours.rank(new, 1)
    assert ours.rank(old, 1).model_version == ours.settings.version()
    assert ours.rank(new, 1).model_version.endswith("+new")


def test_an_older_encoder_that_is_put_back_speaks_alone() -> None:
    world = Listening()
    newer = Neighbours(list("abc"), trained_until_ms=world.now_ms, version="newer")
    ours = recommender(newer)
    heard_of(ours, world, "a b c")
    world.pause(minutes=60)
    swapped(ours, Neighbours(list("abc"), version="older"))
    assert ours.rank(world.play("ann", "a")).model_version.endswith("+older")
    assert newer.heard == []


def test_of_two_that_were_trained_until_the_same_time_the_one_put_in_use_last_speaks() -> None:
    world, ours = Listening(), recommender(Neighbours(list("abc"), version="first"))
    heard_of(ours, world, "a b c")
    for version in ("second", "third"):
        swapped(ours, Neighbours(list("abc"), version=version))
        assert ours.rank(world.play("ann", "a")).model_version.endswith(f"+{version}")


def test_what_was_learned_with_one_encoder_is_restored_beside_another() -> None:
    world, ours = Listening(), recommender(Neighbours(list("abcdef")), only=False)
    heard_of(ours, world, "f e d c b a")
    swapped(ours, Neighbours(list("adbecf"), version="another"))
    state = State(dict(ours.state()))
    other = recommender(Neighbours(list("adbecf"), version="another"), only=False)
    other.restore(state)
    snapshot = world.play("ann", "a")
    assert listed(other.rank(snapshot)) == listed(ours.rank(snapshot))


def test_a_restored_recommender_lists_what_the_first_one_does() -> None:
    world, ours = Listening(), recommender(Neighbours(list("abcdef")), only=False)
    heard_of(ours, world, "f e d c b a")
    other = recommender(Neighbours(list("abcdef")), only=False)
    other_world = Listening()
    heard_of(other, other_world, "a b")
    other.rank(other_world.play("ben", "a"))  # it has looked up the tracks of another catalogue
    other.restore(State(dict(ours.state())))
    snapshot = world.play("ann", "a")
    assert listed(other.rank(snapshot)) == listed(ours.rank(snapshot))


def test_silent_features_change_nothing_before_something_was_learned_of_them() -> None:
    random = np.random.default_rng(1)
    ranker, scores = Ranker(4, 8, 0.1, silent=[1, 3]), np.zeros(5)
    for _ in range(50):
        features = random.random((5, 4)).astype(np.float32)
        features[:, [1, 3]] = 0.0
        ranker.train(features, random.random(5) + 0.1, 5, 2, 1.0, scores)
    loud = features.copy()
    loud[:, [1, 3]] = random.random((5, 2))
    fused, quiet_scores, loud_scores = np.ones(5), np.zeros(5), np.zeros(5)
    ranker.score(features, fused, 5, quiet_scores)
    ranker.score(loud, fused, 5, loud_scores)
    assert loud_scores == pytest.approx(quiet_scores)
    assert quiet_scores.std() > 0
    ranker.train(loud, fused, 5, 2, 1.0, scores)
    ranker.score(loud, fused, 5, loud_scores)
    ranker.score(features, fused, 5, quiet_scores)
    assert loud_scores != pytest.approx(quiet_scores, abs=1e-6)


def _sources(ranked: RankedList) -> set[str]:
    return {source.source for item in ranked.items for source in item.sources}


@dataclass
class Sounds(FewSounds):
    """An audio index of a few tracks."""

    by_track: dict[str, NDArray[np.float32]]
    model_version: str = "embedder-1"
    version: str = "embedder-1/0"

    def __len__(self) -> int:
        return len(self.by_track)

    def vector(self, track_id: str) -> NDArray[np.float32] | None:
        return self.by_track.get(track_id)

    def search(self, vector: NDArray[np.float32], k: int) -> list[tuple[str, float]]:
        return []


def ranker_sees(ours: Recommender, track: str) -> tuple[float, bool]:
    """Return the encoder's logit of a track after the newest list, and whether training saw it."""
    tracks = np.array([ours.knowledge.catalogue.index_of(track)], np.int64)
    logits, was_trained = ours._candidates.encoder_logits(tracks)
    return float(logits[0]), bool(was_trained[0])


def test_a_track_that_training_never_saw_is_scored_where_its_artist_lies_and_not_searched_for() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"))
    encoder.artists = {"ann": encoder.vectors[1].astype(np.float32)}  # where b lies
    ours = recommender(encoder)
    heard_of(ours, world, "f e d c b a")
    ours.add_track(Track(track_id="new", artist_id="ann"))
    ours.add_track(Track(track_id="nowhere", artist_id="eve"))
    ranked = ours.rank(world.play("ann", "a"), 6)
    assert "new" not in [item.track_id for item in ranked.items if item.reason is ReasonCode.GOES_WITH_THIS]
    logit, was_trained = ranker_sees(ours, "new")
    assert logit == pytest.approx(ranker_sees(ours, "b")[0], abs=0.2)
    assert not was_trained
    assert ranker_sees(ours, "b")[1]
    assert np.isnan(ranker_sees(ours, "nowhere")[0])


def test_a_session_of_tracks_that_training_never_saw_is_read_where_their_artists_lie() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"))
    encoder.artists = {"ann": encoder.vectors[3].astype(np.float32)}
    ours = recommender(encoder)
    heard_of(ours, world, "f e d c b a")
    ours.add_track(Track(track_id="new", artist_id="ann"))
    assert listed(ours.rank(world.play("ann", "new"), 1)) == ["e"]


def test_an_artist_that_is_named_later_or_another_one_places_a_track_then() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"))
    encoder.artists = {"ann": encoder.vectors[1].astype(np.float32), "ben": encoder.vectors[2].astype(np.float32)}
    ours = recommender(encoder)
    heard_of(ours, world, "f e d c b a")
    ours.add_track(Track(track_id="new"))
    ours.rank(world.play("ann", "a"))
    assert np.isnan(ranker_sees(ours, "new")[0])
    for artist, track in (("ann", "b"), ("ben", "c")):
        ours.add_track(Track(track_id="new", artist_id=artist))
        ours.rank(world.play("ann", "a"))
        assert ranker_sees(ours, "new")[0] == pytest.approx(ranker_sees(ours, track)[0], abs=0.2)


def test_a_sound_that_comes_later_places_a_track_then() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"), sound_version="embedder-1")
    encoder.artists = {"ann": encoder.vectors[1].astype(np.float32)}
    sounds = Sounds({})
    ours = Recommender(RankingSettings(max_sessions=100, ranked_candidates=0, **ALONE), sounds, encoders=[encoder])
    heard_of(ours, world, "f e d c b a")
    ours.add_track(Track(track_id="new", artist_id="ann"))
    ours.rank(world.play("ann", "a"))
    assert ranker_sees(ours, "new")[0] == pytest.approx(ranker_sees(ours, "b")[0], abs=0.2)
    assert encoder.sounds == []  # there lies its artist
    sounds.by_track["new"] = np.ones(4, np.float32)
    ours.rank(world.play("ben", "a"))
    assert np.array_equal(encoder.sounds[-1], np.ones(4))
    assert ranker_sees(ours, "new")[0] == pytest.approx(ranker_sees(ours, "b")[0], abs=0.2)


def test_a_sound_of_another_embedder_places_nothing() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"), sound_version="embedder-2")
    sounds = Sounds({"new": np.ones(4, np.float32)})
    ours = Recommender(RankingSettings(max_sessions=100, ranked_candidates=0, **ALONE), sounds, encoders=[encoder])
    heard_of(ours, world, "f e d c b a")
    ours.add_track(Track(track_id="new"))
    ours.rank(world.play("ann", "a"))
    assert encoder.sounds == []


def test_an_encoder_is_told_what_was_skipped_and_how_long_after_the_play_before() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"))
    ours = recommender(encoder)
    heard_of(ours, world, "f e d c b a")
    first = world.play("ann", "a")
    second = world.play("ann", "b", skip=True)
    gap_s = (second.entries[-1].ended_at_ms - first.entries[-1].ended_at_ms) // 1000
    assert gap_s > 0
    ours.rank(second)
    assert encoder.contexts[-1] == [(False, 0), (True, gap_s)]


def test_a_lesson_asks_the_encoder_about_the_session_as_the_list_before_it_did() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"))
    ours = Recommender(RankingSettings(max_sessions=100, ranker_lesson_every=1, **ALONE), encoders=[encoder])
    heard_of(ours, world, "f e d c b a")
    for snapshot in (world.play("ann", "a"), world.play("ann", "c", skip=True), world.play("ann", "d")):
        ours.learn(snapshot)
        ours.rank(snapshot)
    asked = len(encoder.heard)
    ours.learn(world.play("ann", "e"))
    assert len(encoder.heard) == asked + 1
    assert (encoder.heard[-1], encoder.contexts[-1]) == (encoder.heard[-2], encoder.contexts[-2])


def test_new_tracks_are_candidates_in_the_order_in_which_they_fit_the_session() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"))
    encoder.artists = {"near": encoder.vectors[1].astype(np.float32), "far": encoder.vectors[4].astype(np.float32)}
    settings = RankingSettings(max_sessions=100, ranked_candidates=0, new_max_plays=0, new_looked_at=6)
    ours = Recommender(settings, encoders=[encoder])
    heard_of(ours, world, "f e d c b a")
    for track, artist in (("fits", "near"), ("other", None), ("far-1", "far"), ("far-2", "far"), ("far-3", "far")):
        ours.add_track(Track(track_id=track, artist_id=artist))
    ours.rank(world.play("ann", "a"))
    new = ours._candidates.keys[Source.NEW, :5].tolist()
    # The first fits, though others came later; of those that lie in one place the newest comes first.
    assert [ours.knowledge.catalogue.track_id(track) for track in new] == ["fits", "far-3", "far-2", "far-1", "other"]


def test_an_exploration_slot_has_what_fits_the_session_more_often_and_tells_how_often() -> None:
    world, encoder = Listening(), Neighbours(list("abcdef"), scale=8.0)
    encoder.artists = {"near": encoder.vectors[1].astype(np.float32), "far": encoder.vectors[4].astype(np.float32)}
    ours = Recommender(RankingSettings(max_sessions=100, exploration_fit=0.25), encoders=[encoder])
    heard_of(ours, world, "f e d c b a")
    ours.add_track(Track(track_id="fits", artist_id="near"))
    ours.add_track(Track(track_id="does-not", artist_id="far"))
    drawn = []
    for listener in range(200):
        newest = world.play(f"listener-{listener}", "a")
        drawn += [item for item in ours.rank(newest, 4).items if item.propensity is not None]
    shares = {track: np.mean([item.track_id == track for item in drawn]) for track in ("fits", "does-not")}
    told = {item.track_id: item.propensity for item in drawn}
    assert len(drawn) == 200
    # Opposite directions are 16 logits apart.
    assert told["fits"] == pytest.approx(1 / (1 + np.exp(-0.25 * 16)), abs=0.01)
    assert shares["fits"] == pytest.approx(told["fits"], abs=0.03)
