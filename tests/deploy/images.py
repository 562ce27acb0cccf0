"""deploy/Dockerfile, read; and its environments, built by its own commands on a machine that has no builder."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from containers import Image

ROOT = Path(__file__).resolve().parents[2]
DOCKERFILE = ROOT / "deploy/Dockerfile"
TARGETS = ("worker", "embedder", "embedder-gpu")


@dataclass(frozen=True)
class Stage:
    """One stage of a Dockerfile."""

    base: str
    steps: tuple[tuple[str, str], ...]
    """Instruction and what stands behind it."""


def stages() -> dict[str, Stage]:
    """Read the Dockerfile: its stages by name."""
    text = re.sub(r"^#.*\n", "", DOCKERFILE.read_text(), flags=re.MULTILINE).replace("\\\n", " ")
    found: dict[str, Stage] = {}
    steps: list[tuple[str, str]] = []
    for line in filter(None, map(str.strip, text.splitlines())):
        instruction, _, rest = line.partition(" ")
        if instruction == "FROM":
            base, _, name = rest.partition(" AS ")
            steps = []
            found[name] = Stage(base, ())
        elif found:
            steps.append((instruction, rest.strip()))
            last = next(reversed(found))
            found[last] = Stage(found[last].base, tuple(steps))
    return found


def chain(name: str) -> list[tuple[str, str]]:
    """Return the steps of a stage and of those that it begins from, in order."""
    all_stages = stages()
    steps: list[tuple[str, str]] = []
    while name in all_stages:
        steps = [*all_stages[name].steps, *steps]
        name = all_stages[name].base
    return steps


def variables(name: str) -> dict[str, str]:
    """Return what a stage sets for what runs in it."""
    words = [word for instruction, rest in chain(name) if instruction == "ENV" for word in shlex.split(rest)]
    found = dict(word.split("=", 1) for word in words)
    return found | ({"PATH": found["PATH"].replace("$PATH", "/usr/bin:/bin")} if "PATH" in found else {})


def development_image(target: str) -> Image:
    """Return an image whose packages are those of the environment that runs the tests."""
    known = sorted({str(ROOT), sys.prefix, sys.base_prefix} - {"/usr"})
    return Image(variables(target) | {"PATH": f"{sys.prefix}/bin:/usr/bin:/bin"}, {}, tuple(known))


def built_image(target: str, folder: Path, python: Path) -> Image:
    """Run the Dockerfile's commands up to the environment of a target, in a folder that stands for the file system.

    Args:
        target: one of `TARGETS`.
        folder: an empty folder.
        python: interpreter of the version that the base image has.
    """
    (copied,) = [rest for instruction, rest in chain(target) if instruction == "COPY"]
    stage = copied.removeprefix("--from=").split()[0]
    places = {path: folder / path.strip("/") for path in ("/opt", "/src", "/wheels")}
    new_here = [Path(path) for path in places if not Path(path).exists()]
    for place in places.values():
        place.mkdir(parents=True)
    # What the commands call `python` is the interpreter of the base image.
    (folder / "bin").mkdir()
    # Not a link: the environment would be one to this name, which a container does not see.
    (folder / "bin/python").write_text(f'#!/bin/sh\nexec {python} "$@"\n')
    (folder / "bin/python").chmod(0o755)
    for instruction, rest in chain(stage):
        if instruction == "COPY":
            *sources, target_path = rest.split()
            for source in sources:
                _copy(ROOT / source, places["/src"] / target_path, whole=len(sources) == 1)
        elif instruction == "RUN":
            _run(rest, places, folder / "bin", variables(stage))
    for path in new_here:  # points to mount at
        path.rmdir()
    known = () if str(python).startswith("/usr/") else (str(python.resolve().parents[1]),)
    return Image(variables(target), {"/opt": places["/opt"]}, known)


def _copy(source: Path, target: Path, *, whole: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
    else:
        into = target / source.name if not whole or target.suffix == "" else target
        into.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(source, into)


def _run(command: str, places: dict[str, Path], programs: Path, environment: dict[str, str]) -> None:
    mounts = "".join(
        f"mkdir -p {path}; mount --bind {shlex.quote(str(place))} {path}\n" for path, place in places.items()
    )
    script = f"set -eu\n{mounts}cd /src\n{command}\n"
    cache = {name: value for name, value in os.environ.items() if name.startswith(("PIP_", "UV_", "SSL_", "HTTP"))}
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        env={**cache, **environment, "PATH": f"{programs}:/usr/bin:/bin:/usr/sbin:/sbin"},
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
