"""The programs of docs/clients.md run as they stand there, against real workers."""

import asyncio
import os
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import Worker, skip_or_fail
from probe import reading

from musicrec.contracts import ListenEvent
from musicrec.local import StackAddresses
from musicrec.local.kafka_jars import kafka_class_path

ROOT = Path(__file__).resolve().parents[2]
PAGE = (ROOT / "docs/clients.md").read_text()
DEADLINE_S = 200
KAFKAJS = "kafkajs@2.2.4"

Program = Callable[[Path, str], list[str]]


def run(folder: Path, *command: str) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=DEADLINE_S, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def java(folder: Path, source: str) -> list[str]:
    (folder / "Example.java").write_text(source)
    return ["java", "-cp", kafka_class_path(), "Example.java"]


def node(folder: Path, source: str) -> list[str]:
    (folder / "example.js").write_text(source)
    run(folder, "npm", "install", "--silent", "--no-audit", "--no-fund", KAFKAJS)
    return ["node", "example.js"]


def go(folder: Path, source: str) -> list[str]:
    (folder / "main.go").write_text(source)
    run(folder, "go", "mod", "init", "example")
    run(folder, "go", "mod", "tidy")
    run(folder, "go", "build", "-o", "example", ".")
    return ["./example"]


@pytest.mark.kafka
@pytest.mark.timeout(420)
async def test_programs_in_other_languages_publish_a_play_and_print_the_list_that_answers_it(
    stack: StackAddresses, worker: Worker, tmp_path: Path
) -> None:
    languages: dict[str, tuple[str, Program]] = {"java": ("javac", java), "js": ("npm", node), "go": ("go", go)}
    for tool, _ in languages.values():
        if shutil.which(tool) is None:
            skip_or_fail(f"no {tool} on PATH")
    variables = {**os.environ, **stack.environment()}
    async with worker("session"), worker("ranking"), reading(stack, "musicrec.listens.v1") as tail:
        for language, (_, program) in languages.items():
            (source,) = re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
            folder = tmp_path / language
            folder.mkdir()
            command = await asyncio.to_thread(program, folder, source)
            done = await asyncio.to_thread(
                subprocess.run, command, cwd=folder, env=variables, capture_output=True, text=True, timeout=DEADLINE_S
            )
            assert done.returncode == 0, done.stdout + done.stderr
            assert re.search(r"^\d+ tracks for \w+ .+$", done.stdout, re.MULTILINE), done.stdout
        await tail.until(lambda t: len(t.records) >= len(languages))
    heard = {ListenEvent.decode(record.value).user_id.split()[0]: record for record in tail.records}
    assert heard.keys() >= {"java", "node", "go"}
    for record in heard.values():
        assert record.key == ListenEvent.decode(record.value).user_id.encode()
