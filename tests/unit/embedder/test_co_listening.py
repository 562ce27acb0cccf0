"""What shares sessions, and vectors that learn it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from invented_catalogue import invented_catalogue

from embedder.network import TrackNetwork
from embedder.network_shape import NetworkShape
from embedder.training.adaptation import AdaptationSettings, adapt
from embedder.training.co_listening import TeachingSettings, company, teach
from embedder.training.placing import place_tracks
from musicrec.cli.train_adapt import track_ids
from musicrec.errors import BadInput

pytestmark = pytest.mark.torch


def test_company_is_the_log_of_how_much_more_often_than_by_chance() -> None:
    sessions = [["a", "b"], ["b", "a", "a"], ["c", "x"], ["c", "a"], ["c"]]
    found = company(sessions, ["a", "b", "c"], least=2)
    # a in three, b in two of five sessions, together in two.
    assert found[0, 1] == found[1, 0] == pytest.approx(np.log(2 * 5 / (3 * 2)))
    assert found[0, 2] == 0.0  # once together
    assert not found.diagonal().any()


def test_what_shares_sessions_as_often_as_chance_has_it_is_no_company() -> None:
    assert not company([["a", "b"]] * 4, ["a", "b"]).any()


def test_taught_tracks_lie_nearer_to_their_company_than_before(tmp_path: Path) -> None:
    torch.manual_seed(3)
    catalogue = invented_catalogue(6)
    network = TrackNetwork(NetworkShape("light", 3, 8, 8))
    adapt(network, catalogue, AdaptationSettings(), tmp_path, model_version="audio-x")
    together = np.zeros((6, 6), np.float32)
    for one, other in ((0, 3), (1, 4), (2, 5)):
        together[one, other] = together[other, one] = 1.0

    def nearness() -> float:
        vectors = place_tracks(network, catalogue)
        return float(np.mean([vectors[track] @ vectors[track + 3] for track in range(3)]))

    before = nearness()
    teach(network, catalogue, together, TeachingSettings(steps=40))
    assert nearness() > before + 0.2
    np.testing.assert_allclose(np.linalg.norm(place_tracks(network, catalogue), axis=1), 1.0, rtol=1e-5)


def test_a_log_that_has_none_of_the_tracks_is_refused() -> None:
    network, catalogue = TrackNetwork(NetworkShape("light", 3, 8, 4)), invented_catalogue(4)
    with pytest.raises(BadInput, match="no two tracks of the catalogue share two sessions"):
        teach(network, catalogue, np.zeros((4, 4), np.float32), TeachingSettings())


def test_files_have_the_ids_of_the_table_and_others_have_none_that_a_log_has(tmp_path: Path) -> None:
    table = tmp_path / "t.tsv"
    table.write_text("track\tfile\n17\tone/a.ogg\n", encoding="utf-8")
    assert track_ids(table, Path("music"), ["music/one/a.ogg", "music/b.ogg"]) == ["17", "music/b.ogg"]
    table.write_text("id\tfile\n17\ta.ogg\n", encoding="utf-8")
    with pytest.raises(BadInput, match="no column 'track'"):
        track_ids(table, Path("music"), [])
    with pytest.raises(BadInput, match="cannot be read"):
        track_ids(tmp_path / "none.tsv", Path("music"), [])
