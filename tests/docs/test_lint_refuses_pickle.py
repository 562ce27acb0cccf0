"""`make lint` refuses every way to unpickle."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
RUFF = Path(sys.executable).with_name("ruff")


@pytest.mark.row(27, 28)
@pytest.mark.parametrize(
    "code",
    [
        "import pickle",
        "from pickle import loads",
        "import _pickle",
        "import cloudpickle",
        "import dill",
        "import joblib",
        "from joblib import load",
        "import jsonpickle",
        "import marshal",
        "import shelve",
        "from multiprocessing.connection import Client",
        "import numpy as np\nnp.load('a.npy')",
        "from numpy import load",
        "from numpy.lib.format import read_array",
        "import pandas as pd\npd.read_pickle('a')",
        "from faust.serializers.codecs import register",
        "import torch\ntorch.load('a.pt')",
        "from torch import load",
        "import torch\ntorch.save({}, 'a.pt')",
        "import torch\ntorch.jit.load('a.pt')",
        "import torch\ntorch.hub.load('a', 'b')",
        "import torch\ntorch.export.load('a.pt2')",
        "import yaml\nyaml.load('a', yaml.Loader)",
        "import yaml\nyaml.unsafe_load('a')",
    ],
)
def test_ruff_refuses(code: str) -> None:
    refused = check(f"{code}\n")
    assert "TID251" in refused or "S506" in refused


@pytest.mark.parametrize("code", ["import json\n", "import yaml\n\nyaml.safe_load('a')\n", "import numpy as np\n"])
def test_ruff_lets_pass(code: str) -> None:
    assert "TID251" not in check(code)


def check(code: str) -> str:
    command = [RUFF, "check", "--stdin-filename", ROOT / "streams" / "new.py", "--output-format", "concise", "-"]
    return subprocess.run(command, cwd=ROOT, input=code, capture_output=True, text=True, check=False).stdout


@pytest.mark.row(28)
@pytest.mark.parametrize(
    ("code", "refused"),
    [
        ("np.load(path, allow_pickle=True)", True),
        ("np.load(path, allow_pickle = trusted)", True),
        ("np.load(path, allow_pickle=False)", False),
        ('app.topic("a", value_serializer="pickle")', True),
        ("app.topic('a', key_serializer='json|pickle')", True),
        ('app.topic("a", value_serializer="raw")', False),
    ],
)
def test_make_refuses_what_is_no_name(code: str, refused: bool, tmp_path: Path) -> None:
    shutil.copy(ROOT / "Makefile", tmp_path)
    for folder in ("musicrec", "streams", "embedder", "index"):
        (tmp_path / folder).mkdir()
    (tmp_path / "streams" / "new.py").write_text(f"{code}\n")
    done = subprocess.run(["make", "no-pickle"], cwd=tmp_path, capture_output=True, text=True, check=False)

    assert (done.returncode != 0) == refused, done.stdout + done.stderr
    assert (f"streams/new.py:1:{code}" in done.stdout) == refused


@pytest.mark.row(28)
def test_lint_looks_for_both() -> None:
    done = subprocess.run(["make", "--dry-run", "lint"], cwd=ROOT, capture_output=True, text=True, check=True)
    assert "allow_pickle" in done.stdout
    assert "ruff check" in done.stdout
