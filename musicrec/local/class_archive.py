"""Kafka's classes, parsed once per user: a broker that finds them starts in two thirds of the time.

The first broker that is stopped in order leaves a class data archive (JEP 350, "Dynamic CDS Archives") beside the jars,
which takes it four seconds more.  The JVM passes over an archive of another Java or of other jars, but trusts the rest
of it, so its sum is in its name.
"""

import contextlib
import hashlib
import os
import shutil
from pathlib import Path


class ClassArchive:
    """The archive of one Java and one class path, made while it is missing."""

    def __init__(self, java: Path, class_path: str, made_in: Path) -> None:
        self._jars = Path(class_path.split(os.pathsep)[0]).parent
        # Each Java has its own: where two lie on one machine, neither accepts what the other wrote.
        self._name = "classes-" + hashlib.sha256(f"{java.resolve()} {class_path}".encode()).hexdigest()[:16]
        self._made = made_in / f"{self._name}.jsa"

    def options_to_read(self) -> list[str]:
        """Options of a JVM that reads the archive, if it is there and whole."""
        for file in self._jars.glob(f"{self._name}-*.jsa"):
            if file.name == self._name_of(file):
                return ["-Xlog:cds=off", f"-XX:SharedArchiveFile={file}"]
            file.unlink(missing_ok=True)
        return []

    def options_to_read_or_make(self) -> list[str]:
        """Options of a JVM that reads the archive, or makes it when it ends in order."""
        return self.options_to_read() or ["-Xlog:cds=off", f"-XX:ArchiveClassesAtExit={self._made}"]

    def keep(self) -> None:
        """Put what a JVM that has ended in order made where the next one looks for it."""
        if not self._made.exists():
            return
        with contextlib.suppress(OSError):  # a full disk, say: the next broker makes it
            part = self._jars / f".{self._name}.{os.getpid()}"
            shutil.copyfile(self._made, part)
            part.replace(self._jars / self._name_of(part))
        self._made.unlink()

    def _name_of(self, file: Path) -> str:
        with file.open("rb") as content:
            return f"{self._name}-{hashlib.file_digest(content, 'sha256').hexdigest()}.jsa"
