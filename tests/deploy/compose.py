"""compose.yaml as `docker compose` itself reads it."""

import json
import os
import subprocess
import sys
from functools import cache
from pathlib import Path
from typing import Any

from conftest import skip_or_fail

ROOT = Path(__file__).resolve().parents[2]
FILE = ROOT / "deploy/compose.yaml"


def compose(*arguments: str, **environment: str) -> "subprocess.CompletedProcess[str]":
    """Run docker compose on the file; it needs no engine as long as nothing is started."""
    program = Path(sys.executable).with_name("docker-compose")
    if not program.exists():
        skip_or_fail("no docker-compose in this environment: `make setup`")
    plain = {name: value for name, value in os.environ.items() if name in ("PATH", "HOME")}
    return subprocess.run(
        [program, "--file", FILE, *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env=plain | environment,
    )


@cache
def config() -> dict[str, Any]:
    """Return the whole file with everything filled in, all profiles included."""
    done = compose("--profile", "*", "config", "--format", "json")
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def services() -> dict[str, dict[str, Any]]:
    """Return the services by name."""
    found: dict[str, dict[str, Any]] = config()["services"]
    return found
