"""A skip speaks of what is like it."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import Listening

from musicrec.contracts import ListenOutcome, SessionEntry
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.skip_likeness import (
    PLACE_DECAY,
    SKIP_FEATURES,
    clear_skip_likeness,
    turned_away,
    write_skip_likeness,
)

SMALL = RankingSettings(max_sessions=2_000, max_tracks=1_000, ranker_lesson_every=1, exploration_slots=0)


def unit_rows(random: np.random.Generator, rows: int, columns: int) -> np.ndarray:
    vectors = random.normal(size=(rows, columns)).astype(np.float32)
    vectors[random.random(rows) < 0.2] = 0.0  # without a vector
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)


@settings(deadline=None)  # the first call compiles
@given(st.integers(0, 10_000), st.integers(0, 6), st.integers(1, 8), st.sampled_from([0, 3]))
def test_each_side_is_what_a_look_at_every_pair_gives(seed: int, count: int, places: int, columns: int) -> None:
    random = np.random.default_rng(seed)
    artists = random.integers(-1, 3, count + places).astype(np.int32)
    encoded, sounds = unit_rows(random, count + places, 4), unit_rows(random, count + places, columns)
    away = np.where(random.random(places) < 0.5, 0.0, random.random(places)).astype(np.float32)
    out = np.full((count + 1, SKIP_FEATURES + 2), 9.0, np.float32)
    of_candidates, of_session = slice(None, count), slice(count, None)
    write_skip_likeness(
        artists[of_candidates],
        encoded[of_candidates],
        sounds[of_candidates],
        artists[of_session],
        encoded[of_session],
        sounds[of_session],
        away,
        1,
        out,
    )
    fade = PLACE_DECAY ** np.arange(places)
    for candidate in range(count):
        same = (artists[of_session] == artists[candidate]) & (artists[candidate] >= 0)
        expected = []
        for what in (same / 2, encoded[of_session] @ encoded[candidate], sounds[of_session] @ sounds[candidate]):
            for share in (away, (away == 0.0) * 1.0):
                parts = fade * share * what
                expected.append(parts.sum() if what.dtype == float else max(0.0, *parts))
        assert out[candidate, 1:-1] == pytest.approx(expected, abs=1e-5)
    assert (out[count] == 9.0).all()
    assert (out[:, 0] == 9.0).all()
    assert (out[:, -1] == 9.0).all()
    clear_skip_likeness(count, 1, out)
    assert (out[:count, 1:-1] == 0.0).all()
    assert (out[count] == 9.0).all()


@pytest.mark.parametrize(
    ("outcome", "fraction", "share"),
    [
        (ListenOutcome.COMPLETED, 1.0, 0.0),
        (ListenOutcome.PARTIAL, 0.6, 0.0),
        (ListenOutcome.SKIPPED_LATE, 0.75, 0.25),
        (ListenOutcome.SKIPPED_EARLY, 0.0, 1.0),
        (ListenOutcome.SKIPPED_LATE, 1.0, 0.05),
        (ListenOutcome.SKIPPED_LATE, None, 0.5),
        (ListenOutcome.SKIPPED_EARLY, None, 0.9),
    ],
)
def test_the_less_was_heard_the_more_was_turned_away(
    outcome: ListenOutcome, fraction: float | None, share: float
) -> None:
    entry = SessionEntry(
        track_id="a", listens=1, outcome=outcome, ms_played=1, played_fraction=fraction, ended_at_ms=1_700_000_000_000
    )
    assert turned_away(entry) == share


def moody(world: Listening, random: np.random.Generator, user_id: str, recommender: Recommender) -> None:
    """One session of somebody who, where they turn a track away, turns away its artist."""
    world.pause()
    recommender.learn(world.play(user_id, "opener", "host"))
    tracks = [(f"{artist}{number}", artist) for artist in ("ann", "ben") for number in range(6)]
    random.shuffle(tracks)
    unwanted = random.choice(["ann", "ben"])
    for track, artist in tracks[:8]:
        recommender.learn(world.play(user_id, track, artist, skip=artist == unwanted))


@pytest.mark.parametrize("seed", [2, 4])
def test_after_a_skip_what_is_like_it_goes_down_for_the_rest_of_the_session(seed: int) -> None:
    world, random = Listening(), np.random.default_rng(seed)
    recommender = Recommender(replace(SMALL, skip_aversion=3.0))
    for number in range(160):
        moody(world, random, f"u{number % 12}", recommender)

    def behind(skip: bool, track: str) -> float:
        """By how many places her tracks stand behind the other artist's, after one of hers and one of somebody else."""
        world.pause()
        for name, artist in (("opener", "host"), (track, "ann"), ("encore", "host")):
            snapshot = world.play(f"new-{skip}-{track}", name, artist, skip=skip and artist == "ann")
        names = [item.track_id for item in recommender.rank(snapshot, 20).items]
        places = {who: [at for at, name in enumerate(names) if name.startswith(who)] for who in ("ann", "ben")}
        return float(np.mean(places["ann"]) - np.mean(places["ben"]))

    skipped, heard = (np.mean([behind(skip, f"ann{n}") for n in range(3)]) for skip in (True, False))
    assert skipped > heard + 4
    assert skipped > 2
