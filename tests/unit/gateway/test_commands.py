"""`musicrec gateway`: tokens from the command line, and what runs where no subcommand is named."""

import subprocess
import sys
from pathlib import Path

import pytest

from musicrec.cli.main import LazyGroup
from streams.gateway.tokens import Tokens

NOW_MS = 1_790_000_000_000


def musicrec(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "musicrec.cli.main", "gateway", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False, env=variables)


def test_a_token_is_printed_once_and_can_be_taken_back(tmp_path: Path) -> None:
    file = tmp_path / "new" / "tokens.jsonl"
    made = musicrec("token", "--listener", "ada", "--days", "3650", "--file", str(file))
    token = made.stdout.strip()
    grant = Tokens(file).grant_of(token, NOW_MS)

    assert (made.returncode, made.stdout.count("\n"), token in made.stderr) == (0, 1, False)
    assert grant is not None
    assert grant.listener == "ada"
    assert grant.expires_at_ms is not None

    taken = musicrec("revoke", grant.token_id, MUSICREC_GATEWAY__TOKENS_FILE=str(file))
    assert (taken.returncode, Tokens(file).grant_of(token, NOW_MS)) == (0, None)
    assert musicrec("revoke", grant.token_id, "--file", str(file)).returncode == 2


def test_a_token_for_nobody_or_for_two_is_refused(tmp_path: Path) -> None:
    for options in ((), ("--listener", "ada", "--platform")):
        refused = musicrec("token", *options, "--file", str(tmp_path / "tokens.jsonl"))
        assert (refused.returncode, "--listener ID or --platform" in refused.stderr) == (2, True)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arguments", "parsed"),
    [
        ([], ["serve"]),
        (["--port", "0"], ["serve", "--port", "0"]),
        (["token", "--platform"], ["token", "--platform"]),
    ],
)
def test_without_a_subcommand_it_serves(arguments: list[str], parsed: list[str]) -> None:
    group = LazyGroup(prefix="gateway ", name="gateway")
    context = group.make_context("gateway", list(arguments))
    assert [*context._protected_args, *context.args] == parsed


def test_without_its_libraries_the_extra_is_named() -> None:
    program = "import sys; sys.modules['fastapi'] = None; from musicrec.cli.main import main; main()"
    refused = subprocess.run([sys.executable, "-c", program, "gateway"], capture_output=True, text=True, check=False)
    assert (refused.returncode, "pip install 'musicrec[gateway]'" in refused.stderr) == (2, True), refused.stderr
