"""Lets the measurements import what the tests share; a plain import, so it stands before those that need it."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parents[1]))
