"""Where a track is placed that training never saw."""

import numpy as np
import pytest

from musicrec.sequence.placing import ALONE, BESIDE_ARTIST, Placing, artist_vectors, numbered_artists, sound_maps


def unit(*rows: list[float]) -> np.ndarray[tuple[int, int], np.dtype[np.float32]]:
    vectors = np.array(rows, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def test_an_artist_lies_where_its_tracks_do_and_most_where_its_most_played_ones_do() -> None:
    vectors = unit([1, 0, 0], [0, 1, 0], [0, 0, 1])
    found = artist_vectors(vectors, np.array([0, 0, 1]), np.array([9, 1, 5]), 2)
    assert found == pytest.approx(unit([3, 1, 0], [0, 0, 1]), abs=1e-6)


def test_an_artist_whose_tracks_cancel_out_lies_where_one_of_them_does() -> None:
    found = artist_vectors(unit([1, 0], [-1, 0]), np.array([0, 0]), np.array([4, 4]), 1)
    assert np.abs(found) == pytest.approx(unit([1, 0]))


def test_a_track_of_a_known_artist_lies_at_the_artist_and_one_of_nobody_nowhere() -> None:
    placing = Placing(unit([0, 1]), {"ann": 0}, {})
    assert placing.vector("ann", None) == pytest.approx([0, 1])
    assert placing.vector("ann", np.array([1, 0, 0], np.float32)) == pytest.approx([0, 1])  # no map of sounds
    assert placing.vector("ben", None) is None
    assert placing.vector(None, None) is None


def test_artists_are_numbered_as_they_come_and_a_track_without_one_has_none() -> None:
    names, of_track = numbered_artists(["a", "b", "c", "d"], {"a": "ann", "c": "ben", "d": "ann", "other": "eve"})
    assert names == ["ann", "ben"]
    assert of_track.tolist() == [0, -1, 1, 0]


def test_sounds_tell_where_a_track_lies_among_its_artists_tracks_and_where_nobody_is_known() -> None:
    """Half of each track's place is its artist's, half its sound's; what was not fitted is found again."""
    random = np.random.default_rng(1)
    artists = unit(*random.normal(size=(20, 16)).tolist())
    of_sound = random.normal(size=(4, 16)).astype(np.float32)
    sounds = unit(*random.normal(size=(800, 4)).tolist())
    artist_of = random.integers(20, size=800)
    moved = sounds @ of_sound
    places = artists[artist_of] + 0.5 * moved / np.linalg.norm(moved, axis=1, keepdims=True)
    vectors = unit(*places.tolist())
    plays = np.ones(800, np.int64)
    fitted, unseen = np.arange(700), np.arange(700, 800)
    maps = sound_maps(vectors[:700], artist_of[:700], plays[:700], {int(row): sounds[row] for row in fitted})
    rows = artist_vectors(vectors[:700], artist_of[:700], plays[:700], 20)
    placing = Placing(rows, {str(artist): artist for artist in range(20)}, maps)

    def error(artist: bool, sound: bool) -> float:
        found = [
            placing.vector(str(artist_of[row]) if artist else None, sounds[row] if sound else None) for row in unseen
        ]
        cosines = [vectors[row] @ place for row, place in zip(unseen, found, strict=True) if place is not None]
        assert len(cosines) == len(unseen)
        return 1 - float(np.mean(cosines))

    assert maps.keys() == {ALONE, BESIDE_ARTIST}
    assert error(artist=True, sound=True) < 0.5 * error(artist=True, sound=False)
    assert error(artist=True, sound=True) < error(artist=False, sound=True) < 0.8


def test_without_sounds_there_are_no_maps_and_without_other_tracks_none_beside_an_artist() -> None:
    vectors = unit([1, 0], [0, 1])
    assert sound_maps(vectors, np.array([0, 1]), np.array([1, 1]), {}) == {}
    sounds = {0: np.array([1, 0, 0], np.float32)}
    assert sound_maps(vectors, np.array([0, 1]), np.array([1, 1]), sounds).keys() == {ALONE}
