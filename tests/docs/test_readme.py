"""What the README says is run, and what it names exists."""

import asyncio
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from conftest import Worker

from musicrec.cli.main import COMMANDS, LazyGroup, path_of
from musicrec.cli.settings import settings_document
from musicrec.local import StackAddresses
from musicrec.sizing.sizing_document import measured_costs, sizing_document

ROOT = Path(__file__).resolve().parents[2]
README = (ROOT / "README.md").read_text()
BLOCK_DEADLINE_S = 150


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", README, re.MULTILINE | re.DOTALL)


def commands_named() -> list[list[str]]:
    """Return the words after `musicrec` wherever the README shows the command."""
    shown = re.findall(r"(?:`|^)musicrec ([^`\n#|]+)", README, re.MULTILINE)
    return [words.split() for words in shown]


def test_every_command_that_is_named_exists_and_every_one_that_exists_is_named() -> None:
    named = {path_of(words) for words in commands_named()}
    assert named - COMMANDS.keys() == set()
    assert {path for path in COMMANDS if path not in named} == set()


@pytest.mark.parametrize("words", commands_named(), ids=" ".join)
def test_every_option_that_is_named_exists(words: list[str]) -> None:
    command: Any = LazyGroup(name="musicrec")
    for name in path_of(words).split():
        command = command.get_command(None, name)
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word for word in words if word.startswith("--")} <= known


def test_every_link_leads_somewhere() -> None:
    links = re.findall(r"\]\(([^)#]+)\)", README)
    assert links
    assert [link for link in links if not link.startswith("https:") and not (ROOT / link).exists()] == []


def test_the_table_of_settings_is_what_the_code_says() -> None:
    assert (ROOT / "deploy/settings.md").read_text() == settings_document(), (
        "run `musicrec settings --markdown > deploy/settings.md`"
    )


@pytest.mark.kafka
@pytest.mark.parametrize(
    ("language", "program"), [("python", [sys.executable, "-"]), ("sh", ["bash", "-euo", "pipefail"])]
)
async def test_the_blocks_run_as_they_stand(
    language: str, program: list[str], stack: StackAddresses, worker: Worker, tmp_path: Path
) -> None:
    found = blocks(language)
    assert found
    scripts = Path(sys.executable).parent
    variables = {**os.environ, **stack.environment(), "PATH": f"{scripts}:{os.environ['PATH']}"}
    async with worker("session"), worker("ranking"):
        for block in found:
            done = await asyncio.to_thread(
                subprocess.run,
                program,
                input=block,
                cwd=tmp_path,
                env=variables,
                capture_output=True,
                text=True,
                timeout=BLOCK_DEADLINE_S,
                check=False,
            )
            assert done.returncode == 0, f"{block}\n{done.stdout}\n{done.stderr}"
            if language == "python":
                assert re.search(r"^\d+ tracks for ada; without: ", done.stdout, re.MULTILINE)
            else:
                assert "2 events delivered" in done.stderr


def test_the_page_of_sizes_is_what_the_code_says() -> None:
    assert (ROOT / "docs/sizing.md").read_text() == sizing_document(measured_costs()), (
        "run `musicrec plan --markdown > docs/sizing.md`"
    )
