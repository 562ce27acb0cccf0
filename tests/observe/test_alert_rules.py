"""The alert rules: valid, each one tried, each with its page, about metrics that there are."""

import asyncio
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus import ROOT, RULES, alerts, asked_in, grouped_by, labels_by_series, program, rule_groups

from musicrec.errors import DeadLetterReason
from streams.metrics import EventOutcome, ModelOutcome

FOLDER = RULES.parent
TESTS = [FOLDER / "alerts_test.yml", FOLDER / "alerts_hours_test.yml"]
RUNBOOK = ROOT / "deploy/runbook"


def promtool(*arguments: str | Path) -> str:
    """Run it; give what it says where it fails."""
    done = subprocess.run([program("promtool"), *arguments], capture_output=True, text=True, cwd=FOLDER)
    return "" if done.returncode == 0 else done.stdout + done.stderr


@pytest.mark.parametrize("what", [("check", "rules", "alerts.yml"), ("check", "config", "prometheus.yml")], ids=str)
def test_rules_and_configuration_are_valid(what: tuple[str, ...]) -> None:
    assert promtool(*what) == ""


async def test_alerts_fire_are_over_and_leave_quiet_and_deployments_alone() -> None:
    said = await asyncio.gather(*(asyncio.to_thread(promtool, "test", "rules", file) for file in TESTS))
    assert said == ["", ""]


def test_every_alert_is_seen_to_fire_and_not_to() -> None:
    seen: dict[str, set[bool]] = {}
    for test in (test for file in TESTS for test in yaml.safe_load(file.read_text())["tests"]):
        for check in test["promql_expr_test"]:
            for name in re.findall(r'alertname="(\w+)"', check["expr"]):
                seen.setdefault(name, set()).add(bool(check["exp_samples"]))
    assert seen == {alert["alert"]: {True, False} for alert in alerts()}


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_every_alert_says_how_bad_it_is_what_it_means_and_what_to_do(rule: dict[str, Any]) -> None:
    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["runbook_url"].endswith(f"/{rule['alert']}.md")


def test_every_alert_has_its_page_and_every_page_its_alert() -> None:
    pages = {page.stem for page in RUNBOOK.glob("*.md")} - {"README"}
    assert pages == {alert["alert"] for alert in alerts()}


def test_the_index_of_the_runbook_names_every_page_with_its_severities() -> None:
    rows = re.findall(r"^\| \[(\w+)\]\((\w+)\.md\) \| ([\w, ]+) \|", (RUNBOOK / "README.md").read_text(), re.MULTILINE)
    severities: dict[str, set[str]] = {}
    for alert in alerts():
        severities.setdefault(alert["alert"], set()).add(alert["labels"]["severity"])
    assert {name: set(said.split(", ")) for name, _, said in rows} == severities
    assert all(name == page for name, page, _ in rows)


@pytest.mark.parametrize("group", rule_groups(), ids=lambda group: group["name"])
def test_rules_ask_for_what_the_code_registers(group: dict[str, Any]) -> None:
    known = labels_by_series()
    every_label = set().union(*known.values())
    for rule in group["rules"]:
        for asked in asked_in(rule["expr"]):
            assert asked.metric in known, rule["expr"]
            assert asked.labels <= known[asked.metric], (rule["expr"], asked)
        assert grouped_by(rule["expr"]) <= every_label, rule["expr"]


def test_label_values_that_rules_name_are_those_that_there_are() -> None:
    text = RULES.read_text()
    named = {kind: set(re.findall(rf'\b{kind}!?=~?"([^"]+)"', text)) for kind in ("reason", "outcome")}
    values = {kind: {value for several in those for value in several.split("|")} for kind, those in named.items()}
    assert values["reason"] <= {reason.value for reason in DeadLetterReason}
    assert values["outcome"] <= {outcome.value for outcomes in (EventOutcome, ModelOutcome) for outcome in outcomes}
