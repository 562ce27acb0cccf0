"""The encoder, its weights, and what it refuses."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from embedder.encoder import AudioEncoder
from embedder.synthesis import FAMILY_NAMES, Style, synthesise
from embedder.weights import shipped_weights
from musicrec.contracts import TrackEmbedding
from musicrec.errors import BadInput, Incompatible


@pytest.fixture(scope="module")
def encoder() -> AudioEncoder:
    return AudioEncoder.load(device="cpu")


@pytest.fixture(scope="module")
def song() -> np.ndarray:
    return synthesise(Style.sample(901, "house"), 1, 14.0)


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    for suffix in (".safetensors", ".json"):
        shutil.copy(shipped_weights().with_suffix(suffix), tmp_path / f"copy{suffix}")
    return tmp_path / "copy.safetensors"


def change_manifest(weights: Path, **fields: object) -> None:
    path = weights.with_suffix(".json")
    path.write_text(json.dumps({**json.loads(path.read_text()), **fields}))


def test_an_embedding_is_a_unit_vector_with_genres_best_first(encoder: AudioEncoder, song: np.ndarray) -> None:
    embedding = encoder.embed([song])[0]
    assert embedding.vector.shape == (encoder.dimension,)
    assert embedding.vector.dtype == np.float32
    assert np.linalg.norm(embedding.vector) == pytest.approx(1.0, abs=1e-5)
    probabilities = [probability for _, probability in embedding.genres]
    assert probabilities == sorted(probabilities, reverse=True)
    assert {name for name, _ in embedding.genres} <= set(FAMILY_NAMES)
    assert sum(embedding.key_profile) == pytest.approx(1.0, abs=1e-5)


def test_an_embedding_fits_the_published_contract(encoder: AudioEncoder, song: np.ndarray) -> None:
    embedding = encoder.embed([song])[0]
    record = TrackEmbedding(
        track_id="t",
        model_version=encoder.model_version,
        dimension=encoder.dimension,
        vector_f16=TrackEmbedding.pack(embedding.vector),
        genres=tuple({"name": name, "probability": probability} for name, probability in embedding.genres),
        tempo_bpm=embedding.tempo_bpm,
        key_profile=embedding.key_profile,
        embedded_at_ms=1_700_000_000_000,
    )
    assert float(record.vector() @ embedding.vector) == pytest.approx(1.0, abs=1e-3)


@pytest.mark.row(44)
def test_the_number_of_threads_moves_a_vector_by_rounding_alone(song: np.ndarray) -> None:
    vectors = [AudioEncoder.load(device="cpu", threads=threads).embed([song])[0].vector for threads in (1, 2, 3)]
    assert all(np.allclose(vectors[0], vector, atol=1e-5) for vector in vectors[1:])


@pytest.mark.row(44)
def test_company_in_the_batch_changes_nothing(encoder: AudioEncoder, song: np.ndarray) -> None:
    alone = encoder.embed([song])[0]
    other = synthesise(Style.sample(902, "folk"), 1, 31.0)
    together = encoder.embed([other, song, np.zeros(5, np.float32)])[1]
    assert float(alone.vector @ together.vector) == pytest.approx(1.0, abs=1e-5)
    assert alone.tempo_bpm == together.tempo_bpm


def test_silences_of_all_lengths_are_one_and_have_no_genre(encoder: AudioEncoder) -> None:
    embeddings = encoder.embed([np.zeros(n, np.float32) for n in (0, 1, 5_000, 700_000)])
    for embedding in embeddings:
        np.testing.assert_array_equal(embedding.vector, embeddings[0].vector)
        assert embedding.genres == ()
        assert embedding.segment_genres == ()
        assert embedding.spread is None
        assert embedding.tempo_bpm is None
        assert np.linalg.norm(embedding.vector) == pytest.approx(1.0, abs=1e-5)


def test_a_track_that_changes_has_a_larger_spread_and_segments_of_its_own(encoder: AudioEncoder) -> None:
    metal, ambient = (synthesise(Style.sample(904, family), 1, 18.0) for family in ("metal", "ambient"))
    steady, changing = encoder.embed([metal[:396_900], np.concatenate((metal[:198_450], ambient[:198_450]))])
    assert steady.spread < changing.spread
    assert len(changing.segment_genres) == 3
    assert changing.segment_genres[0][0][0] != changing.segment_genres[2][0][0]


@pytest.mark.parametrize("samples", [1, 50, 3_000, 100_000])
def test_a_track_shorter_than_a_segment_is_embedded(encoder: AudioEncoder, samples: int) -> None:
    noise = np.random.default_rng(samples).uniform(-0.5, 0.5, samples).astype(np.float32)
    assert np.isfinite(encoder.embed([noise])[0].vector).all()


def test_no_track_gives_no_embedding(encoder: AudioEncoder) -> None:
    assert encoder.embed([]) == []


def test_loudness_moves_a_track_less_than_another_style_does(encoder: AudioEncoder, song: np.ndarray) -> None:
    other = synthesise(Style.sample(903, "raga"), 1, 14.0)
    here, quieter, elsewhere = (e.vector for e in encoder.embed([song, 0.7 * song, other]))
    assert here @ quieter > here @ elsewhere


def test_tracks_of_one_style_lie_nearer_than_those_of_others(encoder: AudioEncoder) -> None:
    styles = [Style.sample(910 + i, family) for i, family in enumerate(("metal", "ambient", "chiptune", "jazz"))]
    vectors = np.stack([e.vector for e in encoder.embed([synthesise(s, k, 14.0) for s in styles for k in (1, 2)])])
    similarity = vectors @ vectors.T
    same = [similarity[2 * i, 2 * i + 1] for i in range(4)]
    others = similarity[~np.kron(np.eye(4), np.ones((2, 2))).astype(bool)]
    assert np.mean(same) > np.mean(others) + 0.2


@pytest.mark.row(24)
def test_samples_that_are_no_sound_are_refused(encoder: AudioEncoder) -> None:
    with pytest.raises(BadInput, match="full scale is 1"):
        encoder.embed([np.array([0.0, np.nan], np.float32)])


def test_the_version_names_the_weights_and_the_features(encoder: AudioEncoder, weights: Path) -> None:
    assert AudioEncoder.load(weights, "cpu").model_version == encoder.model_version
    assert encoder.model_version.startswith("audio-light-")


@pytest.mark.row(27)
def test_damaged_weights_are_refused(weights: Path) -> None:
    data = bytearray(weights.read_bytes())
    data[-1] ^= 1
    weights.write_bytes(bytes(data))
    with pytest.raises(Incompatible, match="sha256"):
        AudioEncoder.load(weights, "cpu")


@pytest.mark.row(27)
def test_weights_for_other_features_are_refused(weights: Path) -> None:
    change_manifest(weights, feature_version="f0")
    with pytest.raises(Incompatible, match=r"trained on features 'f0'.*musicrec train audio"):
        AudioEncoder.load(weights, "cpu")


@pytest.mark.row(27)
def test_weights_of_another_network_are_refused(weights: Path) -> None:
    change_manifest(weights, learned=64)
    with pytest.raises(Incompatible, match="does not fit a light network"):
        AudioEncoder.load(weights, "cpu")


@pytest.mark.row(27)
@pytest.mark.parametrize("text", ["", "[]", '{"architecture": "light"}'])
def test_a_manifest_that_is_none_is_refused(weights: Path, text: str) -> None:
    weights.with_suffix(".json").write_text(text)
    with pytest.raises(Incompatible, match="not a manifest"):
        AudioEncoder.load(weights, "cpu")


def test_missing_weights_and_missing_devices_are_named(tmp_path: Path) -> None:
    with pytest.raises(Incompatible, match=r"nowhere\.json"):
        AudioEncoder.load(tmp_path / "nowhere.safetensors", "cpu")
    with pytest.raises(Incompatible, match="'cuda:99'"):
        AudioEncoder.load(device="cuda:99")  # without torch: names what to install
