"""What the pages on deployment and contributing say is so: links, commands, targets, values."""

import re
import subprocess
import textwrap
from pathlib import Path
from typing import Any

import pytest
import yaml
from rendering import CHART, NEWEST, ROOT, helm

from musicrec.cli.main import COMMANDS, path_of

PAGES = ["deploy/README.md", "deploy/versioning.md", "CONTRIBUTING.md", "SECURITY.md"]
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def anchors(page: Path) -> set[str]:
    headings = re.findall(r"^#+ (.+)$", page.read_text(), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES)
def test_every_link_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", (ROOT / page).read_text())
    assert links
    for link in links:
        if link.startswith("https:"):
            continue
        path, _, anchor = link.partition("#")
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), f"{page}: {link}"
        assert not anchor or anchor in anchors(target), f"{page}: {link}"


@pytest.mark.parametrize("page", PAGES)
def test_every_command_target_and_file_that_is_named_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    for words in re.findall(r"(?:`|^|-- )musicrec ([a-z][^`\n|]*)", text, re.MULTILINE):
        assert path_of(words.split()) in COMMANDS, words
    for words in re.findall(r"(?:`|^)make ([a-z ]+)", text, re.MULTILINE):
        assert set(words.split()) <= TARGETS, words
    for path in re.findall(r"`((?:musicrec|streams|embedder|index|tests|deploy|docs)/[\w./-]*)`", text):
        assert (ROOT / path).exists(), f"{page}: {path}"


def test_every_value_that_the_page_names_is_a_value_of_the_chart() -> None:
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    tops = "|".join(values)
    named = re.findall(rf"`((?:{tops})(?:\.[\w-]+)+)", (ROOT / "deploy/README.md").read_text())
    assert len(named) > 8
    for dotted in named:
        found: Any = values
        for word in dotted.split("."):
            assert word in found, dotted
            found = found[word]


def test_the_values_of_the_page_are_taken(tmp_path: Path) -> None:
    blocks = re.findall(r"^ +```\n(.*?)^ +```$", (ROOT / "deploy/README.md").read_text(), re.MULTILINE | re.DOTALL)
    (written,) = [textwrap.dedent(block) for block in blocks if "bootstrapServers" in block]
    (tmp_path / "values.yaml").write_text(written)
    done = helm("template", "musicrec", CHART, "--kube-version", NEWEST, "--values", tmp_path / "values.yaml")
    assert done.returncode == 0, done.stderr
    assert "REGISTRY/musicrec/worker:" in done.stdout


@pytest.mark.parametrize("name", ["ci", "release"])
def test_a_workflow_runs_what_there_is_and_has_no_rights_that_it_does_not_name(name: str) -> None:
    workflow = yaml.safe_load((ROOT / f".github/workflows/{name}.yml").read_text())
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["timeout-minutes"] <= 90
        for step in job["steps"]:
            if "uses" in step:
                assert re.fullmatch(r"[\w-]+/[\w-]+@(v\d+|[0-9a-f]{40})", step["uses"])
                continue
            for words in re.findall(r"^\s*make ([a-z ]+)$", step["run"], re.MULTILINE):
                assert set(words.split()) <= TARGETS
            # What the event says is data: it comes as a variable and is never a part of the script.
            assert "${{" not in step["run"]
            assert subprocess.run(["bash", "-n"], input=step["run"], text=True, check=False).returncode == 0
    assert "bash .ci/run" in str(workflow["jobs"]["gate"]["steps"])
