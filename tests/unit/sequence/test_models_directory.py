"""Announced folders: below the directory of models, wherever links lead."""

from pathlib import Path

import pytest

from musicrec.errors import Incompatible
from musicrec.sequence.encoder_files import ARTISTS
from musicrec.sequence.models_directory import folder_below, name_below


@pytest.fixture
def models(tmp_path: Path) -> Path:
    for folder in ("models/monday/encoder", "elsewhere"):
        (tmp_path / folder).mkdir(parents=True)
    return tmp_path / "models"


def test_a_folder_below_is_found_whether_it_is_there_or_not(models: Path) -> None:
    assert folder_below(models, "monday/encoder") == models / "monday" / "encoder"
    assert folder_below(models, "tuesday") == models / "tuesday"


@pytest.mark.parametrize("folder", ["/etc", "..", "../elsewhere", "monday/../../elsewhere", ".", "monday/.."])
def test_a_folder_outside_is_refused(models: Path, folder: str) -> None:
    with pytest.raises(Incompatible, match=r"is no folder below .*/models, which MUSICREC_RANKING__MODELS_DIR names"):
        folder_below(models, folder)


def test_a_link_may_lead_to_another_folder_below_and_not_out(models: Path) -> None:
    (models / "newest").symlink_to("monday/encoder")
    (models / "out").symlink_to("../elsewhere")
    assert folder_below(models, "newest") == models / "monday" / "encoder"
    with pytest.raises(Incompatible, match="elsewhere is no folder below"):
        folder_below(models, "out")


def test_a_file_that_is_a_link_out_is_refused(models: Path) -> None:
    (models / "monday" / ARTISTS).symlink_to("../../elsewhere/graph")
    with pytest.raises(Incompatible, match="elsewhere/graph is no folder below"):
        folder_below(models, "monday")


def test_links_in_a_ring_are_refused(models: Path) -> None:
    (models / "ring").symlink_to("ring")
    for folder in ("ring", "ring/monday"):
        with pytest.raises(Incompatible, match="ring"):
            folder_below(models, folder)


def test_the_directory_itself_may_be_a_link(models: Path) -> None:
    link = models.parent / "link"
    link.symlink_to(models)
    assert folder_below(link, "monday") == models / "monday"
    assert name_below(link, models / "monday") == "monday"


def test_without_a_directory_the_setting_is_named() -> None:
    with pytest.raises(Incompatible, match="monday: announced models need MUSICREC_RANKING__MODELS_DIR"):
        folder_below(None, "monday")


def test_a_folder_is_announced_by_its_real_place(models: Path) -> None:
    (models / "newest").symlink_to("monday/encoder")
    assert name_below(models, Path("newest")) == "monday/encoder"
    assert name_below(models, models / "newest") == "monday/encoder"
    with pytest.raises(Incompatible, match="is no folder below"):
        name_below(models, models.parent / "elsewhere")
