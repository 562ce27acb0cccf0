"""Audio that was fetched: an open file of bounded size, without a name, that nobody can change or swap any more."""

import os
import tempfile
from dataclasses import dataclass
from types import TracebackType
from typing import Self


@dataclass(slots=True)
class FetchedAudio:
    """An open file descriptor, positioned at the start; close it, or use it as a context."""

    descriptor: int
    size_bytes: int

    def close(self) -> None:
        """Give the descriptor back; closing twice does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1

    def __del__(self) -> None:
        # A fetch that was given up while its thread still opened the file has nobody left to close it.
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def nameless_file() -> int:
    """Return the descriptor of a new file that has no name: in memory where the system can, else on disk."""
    if hasattr(os, "memfd_create"):
        return os.memfd_create("audio", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as file:
        return os.dup(file.fileno())
