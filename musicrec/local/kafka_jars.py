"""Kafka's jars: resolved from the Java registry once per user, checked against the sums beside this file."""

import fcntl
import hashlib
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from musicrec.errors import Incompatible, Unavailable

KAFKA_VERSION = "4.3.0"
COORDINATES = f"org.apache.kafka:kafka_2.13:{KAFKA_VERSION}+org.slf4j:slf4j-simple:2.0.17"
"""The second one binds Kafka's logging; without it the broker's log is silent."""

SUMS_FILE = Path(__file__).with_name("kafka_jars.sha256")


def user_cache_dir() -> Path:
    """Return the folder for downloads that all checkouts of this user share."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "musicrec"


def expected_sums() -> dict[str, str]:
    """Return jar name ▸ sha256 as recorded in the repository."""
    lines = (line.split() for line in SUMS_FILE.read_text().splitlines() if line)
    return {name: digest for digest, name in lines}


def wrong_jars(folder: Path) -> list[str]:
    """Return the names of jars that are missing from `folder` or differ from their recorded sum."""
    wrong = []
    for name, digest in expected_sums().items():
        try:
            actual = hashlib.sha256((folder / name).read_bytes()).hexdigest()
        except FileNotFoundError:
            actual = ""
        if actual != digest:
            wrong.append(name)
    return wrong


def kafka_class_path(cache_dir: Path | None = None) -> str:
    """Return the class path of a checked Kafka, resolving it first where the cache lacks it.

    Raises:
        Unavailable: the Java registry does not answer.
        Incompatible: a jar that it sent differs from the recorded sum.
    """
    folder = (cache_dir or user_cache_dir()) / f"kafka-{KAFKA_VERSION}"
    if wrong_jars(folder):
        with _alone_in(folder.parent):
            if wrong_jars(folder):  # another process may have been there first
                _resolve_into(folder)
        wrong = wrong_jars(folder)
        if wrong:
            raise Incompatible(
                f"Kafka jars differ from {SUMS_FILE.name}: {', '.join(wrong)}. Delete {folder} and try again; "
                "if it stays so, the Java registry serves other files than Apache Kafka's release"
            )
    return os.pathsep.join(str(folder / name) for name in expected_sums())


@contextmanager
def _alone_in(folder: Path) -> Iterator[None]:
    """Keep other processes from resolving into the same folder; the kernel lets go of the lock when one dies."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _resolve_into(folder: Path) -> None:
    try:
        import jgo
    except ImportError:
        raise Incompatible("the embedded Kafka needs jgo: `pip install 'musicrec[local]'`") from None
    try:
        environment = jgo.build(COORDINATES, cache_dir=folder.parent / "jgo")
    except Exception as error:  # jgo and its HTTP client raise many kinds; all mean that the jars are not to be had
        raise Unavailable(
            f"cannot resolve {COORDINATES} from the Java registry ({type(error).__name__}: {error}). Check the network "
            "or the proxy, or use a Kafka that is there already: --kafka HOST:PORT"
        ) from error
    folder.mkdir(parents=True, exist_ok=True)
    wanted = expected_sums()
    for jar in map(Path, environment.all_jars):
        if jar.name in wanted:
            part = folder / f".{jar.name}.{os.getpid()}"
            shutil.copyfile(jar, part)
            part.replace(folder / jar.name)  # two first starts at once leave whole files
