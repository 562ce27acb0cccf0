"""The chart as helm renders it."""

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from conftest import skip_or_fail

ROOT = Path(__file__).resolve().parents[2]
CHART = ROOT / "deploy/helm/musicrec"
VALUES = Path(__file__).with_name("values")
OLDEST, NEWEST = "1.27", "1.37"
"""Versions of Kubernetes: that which Chart.yaml asks for, and the newest that the schemas know."""


def helm(*arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    """Run helm; `make helm` builds it."""
    beside = Path(sys.executable).with_name("helm")
    program = str(beside) if beside.exists() else shutil.which("helm")
    if program is None:
        skip_or_fail("no helm: `make helm` builds it where there is Go, or put one on PATH")
    # Without these it writes to the home of whoever runs the tests, and speaks with a cluster that they may have.
    quiet = {
        **os.environ,
        "KUBECONFIG": os.devnull,
        "HELM_CACHE_HOME": "/nonexistent",
        "HELM_DATA_HOME": "/nonexistent",
    }
    return subprocess.run(
        [str(program), *map(str, arguments)], capture_output=True, text=True, timeout=120, check=False, env=quiet
    )


@cache
def template(values: str | None, *sets: str, version: str = NEWEST) -> "subprocess.CompletedProcess[str]":
    """Render the chart with a file of `values/` and single values."""
    files = ["--values", VALUES / f"{values}.yaml"] if values else []
    chosen = [word for value in sets for word in ("--set-json" if "=[" in value or "={" in value else "--set", value)]
    return helm("template", "m", CHART, "--namespace", "music", "--kube-version", version, *files, *chosen)


def rendered(values: str, *sets: str, version: str = NEWEST) -> list[dict[str, Any]]:
    """Return all objects that the chart makes of these values."""
    done = template(values, *sets, version=version)
    assert done.returncode == 0, done.stderr
    return [manifest for manifest in yaml.safe_load_all(done.stdout) if manifest]


def of_kind(objects: Sequence[dict[str, Any]], *kinds: str) -> dict[str, dict[str, Any]]:
    """Return those of some kinds, by name."""
    return {found["metadata"]["name"]: found for found in objects if found["kind"] in kinds}
