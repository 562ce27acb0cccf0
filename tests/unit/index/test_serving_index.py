"""Which model's vectors answer, while one model follows another."""

from zlib import crc32

import numpy as np
import pytest

from index.faiss_index import FaissIndex, SearchConfig
from index.serving import NO_VERSION, Generation, ServingIndex
from musicrec.contracts import TrackEmbedding
from musicrec.errors import BadInput

NOW_MS = 1_760_000_000_000


def embedding(track: str, model: str = "old", at_ms: int = NOW_MS, dimension: int = 4) -> TrackEmbedding:
    """Return an embedding whose vector depends on track and model."""
    seed = crc32(f"{track}/{model}".encode())
    vector = np.random.default_rng(seed).standard_normal(dimension).astype(np.float32)
    vector /= np.linalg.norm(vector)
    return TrackEmbedding(
        track_id=track,
        model_version=model,
        dimension=dimension,
        vector_f16=TrackEmbedding.pack(vector),
        embedded_at_ms=at_ms,
    )


def filled(tracks: int = 10) -> ServingIndex:
    index = ServingIndex()
    for number in range(tracks):
        index.apply(embedding(f"t{number}"))
    return index


def embed_again(index: ServingIndex, count: int, model: str = "new", at_ms: int = NOW_MS + 1) -> None:
    for number in range(count):
        index.apply(embedding(f"t{number}", model, at_ms))


def test_index_without_vectors_says_so_and_finds_nothing():
    index = ServingIndex()
    assert (index.version, len(index), index.search([1, 0], 5), index.vector("t")) == (NO_VERSION, 0, [], None)
    assert not index.maintenance_is_due()
    index.settle()
    index.maintain()
    assert index.version == NO_VERSION


def test_first_model_serves_at_once():
    index = filled(3)
    assert index.version == "old/0"
    assert index.search(embedding("t1").vector(), 1) == [("t1", pytest.approx(1, abs=1e-3))]
    assert "t1" in index


def test_track_embedded_again_by_a_newer_model_stays_findable_until_the_takeover():
    index = filled()
    embed_again(index, 8)
    assert not index.maintenance_is_due()
    index.maintain()
    assert index.version == "old/0"
    assert index.search(embedding("t0").vector(), 1)[0][0] == "t0"
    assert len(index) == 10


def test_newer_model_takes_over_when_it_holds_nine_tenths():
    index = filled()
    embed_again(index, 9)
    assert index.maintenance_is_due()
    index.maintain()
    assert index.version == "new/1"
    assert index.tracks_by_model == {"new": 9}
    assert index.search(embedding("t0", "new").vector(), 1)[0][0] == "t0"
    assert not index.maintenance_is_due()


def test_older_model_never_takes_over_however_many_tracks_it_has():
    index = ServingIndex()
    for number in range(10):
        index.apply(embedding(f"t{number}", "new", NOW_MS + 1))
    for number in range(10, 30):
        index.apply(embedding(f"t{number}", "old", NOW_MS))
    assert not index.maintenance_is_due()
    assert index.version == "new/0"


def test_model_that_embeds_everything_again_takes_over_even_if_its_name_served_before():
    index = filled()
    embed_again(index, 10, "new", NOW_MS + 1)
    index.maintain()
    embed_again(index, 10, "old", NOW_MS + 2)
    index.maintain()
    assert index.version == "old/2"


def test_after_a_catch_up_the_model_with_most_tracks_serves_whichever_came_first():
    index = ServingIndex()
    index.apply(embedding("a", "rare", NOW_MS + 9))
    for number in range(5):
        index.apply(embedding(f"t{number}", "common"))
    index.settle()
    assert index.version == "common/0"
    assert index.tracks_by_model == {"rare": 1, "common": 5}


def test_after_a_catch_up_the_newer_of_two_equal_models_serves():
    index = ServingIndex()
    index.apply(embedding("a", "new", NOW_MS + 1))
    index.apply(embedding("b", "old", NOW_MS))
    index.settle()
    assert index.version == "new/0"


def test_removed_track_leaves_every_generation():
    index = filled()
    embed_again(index, 8)
    assert index.remove("t0")
    assert not index.remove("t0")
    assert index.tracks_by_model == {"old": 9, "new": 7}


def test_generation_that_waits_and_loses_its_last_track_is_forgotten():
    index = filled()
    embed_again(index, 1)
    index.remove("t0")
    assert index.tracks_by_model == {"old": 9}


def test_track_is_held_by_the_serving_and_at_most_one_waiting_generation():
    index = filled()
    embed_again(index, 3, "newer", NOW_MS + 1)
    embed_again(index, 3, "newest", NOW_MS + 2)
    assert index.tracks_by_model == {"old": 10, "newest": 3}


@pytest.mark.row(24)
def test_vector_of_another_dimension_is_refused_and_begins_no_generation():
    index = filled()
    with pytest.raises(BadInput, match=r"vector of track 't0': shape \(5,\); the index needs \(4,\)"):
        index.apply(embedding("t0", "old", dimension=5))
    index.apply(embedding("t0", "wider", dimension=5))
    assert index.tracks_by_model == {"old": 10, "wider": 1}


def test_successor_is_given_lists_before_it_serves():
    index = ServingIndex(SearchConfig(exact_below=50))
    for number in range(80):
        index.apply(embedding(f"t{number}"))
    index.maintain()
    embed_again(index, 80)
    index.maintain()
    serving = index.serving
    assert serving is not None
    assert (serving.index.version, serving.index.build_is_due()) == ("new", False)


def test_restored_generation_serves_and_an_older_model_does_not_replace_it():
    snapshot = FaissIndex(4, "new")
    for number in range(5):
        snapshot.upsert(f"t{number}", embedding(f"t{number}", "new").vector())
    index = ServingIndex()
    index.restore(Generation(snapshot, NOW_MS + 1))
    for number in range(5):
        index.apply(embedding(f"t{number}", "old", NOW_MS))
    index.maintain()
    assert index.version == "new/0"


def test_long_model_version_still_gives_an_id():
    index = ServingIndex()
    index.apply(embedding("t", "m" * 256))
    assert len(index.version) <= 256
