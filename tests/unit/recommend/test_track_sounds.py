"""The audio index by the catalogue's indices says what it says by ids, whatever comes and goes."""

import numpy as np
import pytest

from index.exact import ExactIndex
from index.faiss_index import FaissIndex
from index.serving import ServingIndex
from musicrec.contracts import TrackEmbedding
from musicrec.recommend.catalogue import UNKNOWN, Catalogue
from musicrec.recommend.state import State, joined
from musicrec.recommend.track_sounds import TrackSounds

DIMENSION = 8
TRACKS = [f"t{number}" for number in range(30)]


def unit(random: np.random.Generator) -> np.ndarray:
    vector = random.standard_normal(DIMENSION).astype(np.float32)
    return vector / np.linalg.norm(vector)


def embedding(track_id: str, model: str, random: np.random.Generator, at_ms: int) -> TrackEmbedding:
    return TrackEmbedding(
        track_id=track_id,
        model_version=model,
        dimension=DIMENSION,
        vector_f16=TrackEmbedding.pack(unit(random)),
        embedded_at_ms=at_ms,
    )


def check(sounds: TrackSounds, index: ServingIndex | FaissIndex | ExactIndex, catalogue: Catalogue) -> None:
    """Hold what `sounds` says against what the index says by id."""
    tracks = np.arange(len(catalogue))
    ids = [catalogue.track_id(track) for track in tracks.tolist()]
    np.testing.assert_array_equal(sounds.vectors(tracks), index.numbered().vectors(ids))
    query = np.eye(DIMENSION, dtype=np.float32)[0]
    by_id = [catalogue.index_of(track_id) for track_id, _ in index.search(query, 10)]
    assert sounds.nearest(query, 10).tolist() == [track for track in by_id if track != UNKNOWN]


@pytest.mark.parametrize("kind", [FaissIndex, ExactIndex])
def test_vectors_and_neighbours_are_those_of_the_ids_while_tracks_come_and_go(kind: type) -> None:
    random, index, catalogue = np.random.default_rng(3), kind(DIMENSION, "model"), Catalogue(100, 8)
    sounds = TrackSounds(index, catalogue)
    for _ in range(300):
        track = str(random.choice(TRACKS))
        match int(random.integers(4)):
            case 0:
                index.remove(track)
            case 1:
                catalogue.see(track, None, 0)
            case _:
                index.upsert(track, unit(random))
        check(sounds, index, catalogue)
    assert min(len(catalogue), len(index)) > 10


def test_generation_that_takes_over_has_numbers_of_its_own() -> None:
    random, index, catalogue = np.random.default_rng(4), ServingIndex(), Catalogue(100, 8)
    sounds = TrackSounds(index, catalogue)
    for track in TRACKS:
        catalogue.see(track, None, 0)
        index.apply(embedding(track, "old", random, 1_700_000_000_000))
    check(sounds, index, catalogue)
    for track in reversed(TRACKS):
        index.apply(embedding(track, "new", random, 1_700_000_001_000))
    index.maintain()
    assert index.model_version == "new"
    check(sounds, index, catalogue)


def test_restored_catalogue_has_other_indices() -> None:
    random, index, catalogue = np.random.default_rng(5), ExactIndex(DIMENSION, "m"), Catalogue(9, 8)
    for track in TRACKS[:5]:
        catalogue.see(track, None, 0)
        index.upsert(track, unit(random))
    sounds = TrackSounds(index, catalogue)
    check(sounds, index, catalogue)
    other = Catalogue(9, 8)
    for track in reversed(TRACKS[:5]):
        other.see(track, None, 0)
    catalogue.restore(State(joined(other.state())))
    sounds.forget()
    assert catalogue.index_of(TRACKS[4]) == 0
    check(sounds, index, catalogue)


def test_nothing_sounds_like_anything_while_there_is_no_vector() -> None:
    catalogue = Catalogue(9, 8)
    catalogue.see("t", None, 0)
    for sounds in (TrackSounds(None, catalogue), TrackSounds(ServingIndex(), catalogue)):
        assert len(sounds) == 0
        assert sounds.vectors(np.array([0])).shape == (1, 0)
        assert sounds.nearest(np.ones(DIMENSION, np.float32), 5).tolist() == []
