"""The dashboards: as the code makes them, each panel explained, about metrics that there are."""

import importlib.util
import json
import re
from types import ModuleType
from typing import Any

import pytest
import yaml
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models.dashboard import Dashboard
from prometheus import ROOT, asked_in, grouped_by, labels_by_series

GRAFANA = ROOT / "deploy/grafana"
FILES = sorted((GRAFANA / "dashboards").glob("*.json"))
RUNBOOK = ROOT / "deploy/runbook"


def made() -> ModuleType:
    spec = importlib.util.spec_from_file_location("dashboards", GRAFANA / "dashboards.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def panels() -> list[tuple[str, dict[str, Any]]]:
    """Return all panels, each with the name by which the runbook calls it."""
    return [
        (f"{dashboard['title'].removeprefix('musicrec: ')} ▸ {panel['title']}", panel)
        for dashboard in (json.loads(file.read_text()) for file in FILES)
        for panel in dashboard["panels"]
    ]


def test_the_files_are_what_the_code_makes() -> None:
    assert {file.name: file.read_text() for file in FILES} == made().files(), (
        "run `python deploy/grafana/dashboards.py`"
    )


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_grafanas_own_model_reads_them_and_loses_nothing(file: Any) -> None:
    read = Dashboard.from_json(json.loads(file.read_text()))
    assert json.loads(JSONEncoder(sort_keys=True).encode(read)) == json.loads(file.read_text())
    assert {"datasource", "job", "instance", "runbook"} == {variable.name for variable in read.templating.list_val}


@pytest.mark.parametrize(("name", "panel"), panels(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_panel_has_a_unit_a_sentence_a_page_and_asks_for_what_there_is(name: str, panel: dict[str, Any]) -> None:
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["description"].endswith(".")
    page = re.fullmatch(r"\$\{runbook\}/(\w+\.md)", panel["links"][0]["url"])
    assert page is not None
    assert (RUNBOOK / page[1]).exists()
    known = labels_by_series()
    for target in panel["targets"]:
        assert target["legendFormat"]
        expression = target["expr"].replace("$__rate_interval", "1m")
        for asked in asked_in(expression):
            assert asked.metric in known, expression
            assert asked.labels <= known[asked.metric], expression
        assert grouped_by(expression) <= set().union(*known.values())


def test_places_on_a_dashboard_and_names_are_each_taken_once() -> None:
    names = [name for name, _ in panels()]
    assert len(set(names)) == len(names)
    for file in FILES:
        cells = [tuple(panel["gridPos"].values()) for panel in json.loads(file.read_text())["panels"]]
        assert len(set(cells)) == len(cells)


def test_panels_that_the_runbook_names_exist() -> None:
    text = " ".join(" ".join(page.read_text().split()) for page in RUNBOOK.glob("*.md"))
    named = set(re.findall(r"\*([^*]+ ▸ [^*]+)\*", text)) - {"Dashboard ▸ Panel"}
    assert len(named) > 20
    assert named - {name for name, _ in panels()} == set()


def test_what_is_provisioned_is_what_the_dashboards_ask_for() -> None:
    source = yaml.safe_load((GRAFANA / "provisioning/datasources/prometheus.yml").read_text())["datasources"][0]
    provider = yaml.safe_load((GRAFANA / "provisioning/dashboards/musicrec.yml").read_text())["providers"][0]
    assert source["type"] == "prometheus"
    assert provider["type"] == "file"
