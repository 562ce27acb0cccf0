"""Asks an advisory service whether packages of lock files have known vulnerabilities; says so if it cannot be asked.

    python deploy/release/audit.py [LOCK...] [-- OPTIONS OF PIP-AUDIT...]

pip-audit passes over a package that the service does not know, with status 0: where the service is away behind a proxy
that answers for it, that is every package.  Here each has to be looked up.

Status 0: all were looked up, none has a known vulnerability.  1: some have.  2: some or all could not be looked up,
which says nothing of their safety; ask again where the service can be reached, or another one with `-- -s osv`.
"""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = (
    "requirements-run.lock",
    "deploy/requirements-worker.lock",
    "deploy/requirements-embedder.lock",
    "deploy/requirements-embedder-gpu.lock",
)
SAFE, VULNERABLE, NOT_ASKED = 0, 1, 2


def audit(lock: Path, options: Sequence[str]) -> tuple[int, str]:
    """Look up one lock file; return the status and what there is to say."""
    command = [sys.executable, "-m", "pip_audit", "--disable-pip", "--require-hashes", "--progress-spinner", "off"]
    done = subprocess.run(
        [*command, "--format", "json", "--requirement", lock, *options], capture_output=True, text=True, check=False
    )
    try:
        packages = json.loads(done.stdout)["dependencies"]
    except (ValueError, KeyError):
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        return NOT_ASKED, f"{lock.name}: nothing could be looked up: {last}"
    passed_over = [package["name"] for package in packages if "skip_reason" in package]
    hit = [package for package in packages if package.get("vulns")]
    lines = [
        f"{package['name']} {package['version']}: {found['id']}, mended in "
        + (", ".join(found["fix_versions"]) or "no version yet")
        for package in hit
        for found in package["vulns"]
    ]
    if hit:
        return VULNERABLE, "\n".join([f"{lock.name}: {len(hit)} packages have known vulnerabilities", *lines])
    if passed_over:
        few = ", ".join(passed_over[:3])
        return (
            NOT_ASKED,
            f"{lock.name}: {len(passed_over)} of {len(packages)} packages could not be looked up: {few}, ...",
        )
    return SAFE, f"{lock.name}: {len(packages)} packages, no known vulnerability"


def main(arguments: Sequence[str]) -> int:
    """Look up all lock files; return the worst status, of which a known vulnerability is the worst."""
    words = list(arguments)
    at = words.index("--") if "--" in words else len(words)
    locks = [Path(word) for word in words[:at]] or [ROOT / lock for lock in LOCKS]
    results = [audit(lock, words[at + 1 :]) for lock in locks]
    for _, sentence in results:
        print(sentence)
    statuses = {status for status, _ in results}
    return next((status for status in (VULNERABLE, NOT_ASKED) if status in statuses), SAFE)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
