"""What the runbook tells somebody to do at night exists: commands, options, variables, metrics, files, links."""

import re
from typing import Any

import pytest
from prometheus import ROOT, labels_by_series

from musicrec.cli.main import COMMANDS, LazyGroup, path_of

RUNBOOK = ROOT / "deploy/runbook"
PAGES = sorted(RUNBOOK.glob("*.md"))
VARIABLES = set(re.findall(r"`(MUSICREC_\w+)`", (ROOT / "deploy/settings.md").read_text()))
SECTIONS = ["What it means", "What listeners feel", "What to look at", "What to do", "When it is over"]


def text_of(page: Any) -> str:
    """Return a page on one line: code is broken at the ends of lines too."""
    return " ".join(page.read_text().split())


def code_in(page: Any) -> list[str]:
    return re.findall(r"`([^`]+)`", text_of(page))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_commands_and_their_options_exist(page: Any) -> None:
    for words in (code.split()[1:] for code in code_in(page) if code.startswith("musicrec ")):
        path = path_of(words)
        assert path in COMMANDS, words
        command: Any = LazyGroup(name="musicrec")
        for name in path.split():
            command = command.get_command(None, name)
        known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
        assert {word for word in words if word.startswith("--")} <= known, words


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_variables_metrics_and_links_lead_somewhere(page: Any) -> None:
    text = text_of(page)
    assert set(re.findall(r"MUSICREC_\w+", text)) <= VARIABLES
    assert set(re.findall(r"`(musicrec_\w+|redis_\w+|process_\w+)`", text)) <= {*labels_by_series(), "redis_exporter"}
    for link in re.findall(r"\]\(([^)#]+)\)", text):
        assert (RUNBOOK / link).exists(), link
    for file in re.findall(r"`((?:deploy|tests)/[\w./-]+)`", text):
        assert (ROOT / file).exists(), file


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "README"], ids=lambda page: page.stem)
def test_pages_have_the_same_sections_in_the_same_order(page: Any) -> None:
    sections = re.findall(r"^## (.+)$", page.read_text(), re.MULTILINE)
    assert [section for section in sections if section != "Seen"] == SECTIONS
    assert page.read_text().startswith(f"# {page.stem}\n")
    assert re.search(r"^1\. ", page.read_text(), re.MULTILINE)
