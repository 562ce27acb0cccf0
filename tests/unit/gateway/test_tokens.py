"""Who comes in with which token, and for how long."""

import logging
import os
from pathlib import Path

import pytest

from musicrec.errors import BadInput, Incompatible
from streams.gateway.tokens import Grant, Tokens, append_grant, make_token, remove_grant

NOW_MS = 1_790_000_000_000


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tokens.jsonl"


def add(path: Path, **fields: object) -> tuple[str, Grant]:
    made = make_token(**{"listener": "ada"} | fields)  # type: ignore[arg-type]
    append_grant(path, made.grant)
    return made


def test_a_token_lets_its_listener_in_and_a_platforms_token_everybody(path: Path) -> None:
    (ada, _), (shop, _) = add(path), add(path, listener=None)
    tokens = Tokens(path)

    of_ada, of_shop = tokens.grant_of(ada, NOW_MS), tokens.grant_of(shop, NOW_MS)
    assert of_ada is not None
    assert of_shop is not None
    assert (of_ada.acts_for("ada"), of_ada.acts_for("bob"), of_ada.platform) == (True, False, False)
    assert (of_shop.acts_for("ada"), of_shop.acts_for("bob"), of_shop.platform) == (True, True, True)


def test_what_is_not_the_whole_token_lets_nobody_in(path: Path) -> None:
    token, grant = add(path)
    tokens = Tokens(path)
    other_last = "A" if token[-1] != "A" else "B"
    for wrong in ("", token[:-1], token + "x", token[:-1] + other_last, token.upper(), grant.token_id, grant.sha256):
        assert tokens.grant_of(wrong, NOW_MS) is None
    assert tokens.grant_of(f"mr_{grant.token_id}_\udc80", NOW_MS) is None


def test_the_file_holds_no_token_and_is_its_owners_alone(path: Path) -> None:
    token, _ = add(path, note="Ada's phone")

    assert token.split("_", 2)[2] not in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_a_token_holds_until_the_moment_it_expires(path: Path) -> None:
    token, grant = add(path, expires_at_ms=NOW_MS)
    tokens = Tokens(path)

    assert tokens.grant_of(token, NOW_MS - 1) == grant
    assert tokens.grant_of(token, NOW_MS) is None
    assert (tokens.holds(grant, NOW_MS - 1), tokens.holds(grant, NOW_MS)) == (True, False)


def test_the_file_is_read_again_when_it_changes(path: Path) -> None:
    tokens = Tokens(path)
    (first, grant), (second, _) = add(path), add(path)
    assert tokens.grant_of(first, NOW_MS) == grant

    assert remove_grant(path, grant.token_id)
    assert tokens.grant_of(first, NOW_MS) is None
    assert not tokens.holds(grant, NOW_MS)
    assert tokens.grant_of(second, NOW_MS) is not None
    assert not remove_grant(path, grant.token_id)

    path.unlink()
    assert tokens.grant_of(second, NOW_MS) is None


def test_a_line_without_an_end_is_not_joined_with_the_next(path: Path) -> None:
    first, _ = add(path)
    path.write_text(path.read_text().rstrip("\n"))
    second, _ = add(path)
    tokens = Tokens(path)

    assert tokens.grant_of(first, NOW_MS) is not None
    assert tokens.grant_of(second, NOW_MS) is not None


def test_a_wrong_line_is_named_at_the_start_and_shuts_out_nobody_else_later(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    token, grant = add(path)
    tokens = Tokens(path)
    with path.open("a") as file:
        file.write('# a comment\n\n{"token_id":"0123456789ab","sha256":"mr_put_here_by_mistake","listener":"bob"}\n')
    with pytest.raises(Incompatible, match=r"tokens\.jsonl:4: sha256: ") as refusal:
        Tokens(path)
    with caplog.at_level(logging.ERROR):
        assert tokens.grant_of(token, NOW_MS) == grant
    assert "tokens.jsonl:4: sha256: " in caplog.text
    assert "by_mistake" not in caplog.text + str(refusal.value)


def test_a_line_that_names_nobody_is_not_a_platforms(path: Path) -> None:
    path.write_text('{"token_id":"0123456789ab","sha256":"' + "0" * 64 + '"}\n')
    with pytest.raises(Incompatible, match="either a listener or platform=true"):
        Tokens(path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads whatever there is")
def test_a_file_that_cannot_be_read_is_named(path: Path) -> None:
    path.write_text("")
    path.chmod(0)
    with pytest.raises(Incompatible, match="MUSICREC_GATEWAY__TOKENS_FILE"):
        Tokens(path)


def test_a_token_for_nobody_is_refused_by_name() -> None:
    with pytest.raises(BadInput, match="listener: "):
        make_token(listener="")
