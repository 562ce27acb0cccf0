"""Configurations of the ranking as TOML: what is taken, and what is said of what is not."""

from pathlib import Path

import pytest

from musicrec.errors import BadInput
from musicrec.evaluation.ranking_file import TYPES, read_configuration
from musicrec.recommend import RankingSettings


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return tmp_path / "other.toml"


def test_the_word_default_and_an_empty_file_set_nothing(file: Path) -> None:
    file.write_text("")
    assert read_configuration("default").settings == read_configuration(str(file)).settings == RankingSettings()


def test_fields_take_the_types_that_they_have(file: Path) -> None:
    file.write_text("knn_neighbours = 200\nrank_constant = 20\nexclude_skipped = false\n")
    assert read_configuration(str(file)).settings == RankingSettings(
        knn_neighbours=200, rank_constant=20.0, exclude_skipped=False
    )
    assert type(read_configuration(str(file)).settings.rank_constant) is float


def test_the_same_settings_have_the_same_model_version(file: Path) -> None:
    file.write_text("rank_constant = 10\n")
    assert read_configuration(str(file)).settings.version() == RankingSettings().version()


def test_folders_of_encoders_are_relative_to_the_file(file: Path) -> None:
    file.write_text('encoder = ["before", "/there"]\n')
    assert read_configuration(str(file)).encoders == (file.parent / "before", Path("/there"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("knn_neighbors = 5", "'knn_neighbors' is no setting of the ranking, do you mean knn_neighbours"),
        ("quux = 5", "'quux' is no setting of the ranking. Allowed are encoder, max_sessions, "),
        ("[ranking]\nrank_constant = 5", "'ranking' is no setting"),
        ("knn_neighbours = 1.5", "knn_neighbours = 1.5: an integer is needed"),
        ("knn_neighbours = true", "knn_neighbours = True: an integer is needed"),
        ("rank_constant = '5'", "rank_constant = '5': a number is needed"),
        ("rank_constant = true", "rank_constant = True: a number is needed"),
        ("rank_constant = nan", "rank_constant: nan; a number of at most"),
        ("exclude_current = 1", "exclude_current = 1: true or false is needed"),
        ("query_length = 0", "query_length: 0; at least 1 is needed"),
        ("encoder = 'folder'", "encoder = 'folder': a list of folders is needed"),
        ("rank_constant", "not a TOML file: "),
        ("max_sessions = " + "9" * 400, "max_sessions: 9999"),
        ("rank_constant = " + "9" * 5_000, "not a TOML file: "),
        ("a = " + "[" * 10_000, "nested too deep"),
    ],
)
def test_what_is_wrong_is_told_with_file_key_and_what_is_allowed(file: Path, text: str, said: str) -> None:
    file.write_text(text)
    with pytest.raises(BadInput) as refused:
        read_configuration(str(file))
    assert str(refused.value).startswith(f"{file}: ")
    assert said in str(refused.value)


def test_an_unknown_name_is_answered_with_all_that_are_known(file: Path) -> None:
    file.write_text("quux = 1")
    with pytest.raises(BadInput) as refused:
        read_configuration(str(file))
    assert all(name in str(refused.value) for name in TYPES)


def test_a_missing_file_is_named() -> None:
    with pytest.raises(BadInput, match=r"nowhere\.toml: No such file.*the word default"):
        read_configuration("nowhere.toml")
