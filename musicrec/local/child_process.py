"""A child process with a log file, that ends with its parent and is asked nicely before it is killed."""

import asyncio
import ctypes
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

from musicrec.errors import Unavailable

_PR_SET_PDEATHSIG = 1


def _end_with_parent() -> None:
    """Have the kernel send SIGTERM when the parent dies, even by kill -9 (Linux)."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


class ChildProcess:
    """One supervised child."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log_file: Path) -> None:
        self.name = name
        self.log_file = log_file
        self._process = process

    @classmethod
    def start(
        cls, name: str, command: Sequence[str | Path], log_file: Path, environment: Mapping[str, str] | None = None
    ) -> "ChildProcess":
        """Start `command`; its output goes to `log_file`, which keeps the previous run beside it as `.1`."""
        log_file.parent.mkdir(parents=True, exist_ok=True)
        if log_file.exists():
            log_file.replace(log_file.with_suffix(log_file.suffix + ".1"))
        with log_file.open("wb") as log:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                env={**os.environ, **(environment or {})},
                # Ctrl-C must not reach the broker before the agents that still write to it.
                start_new_session=True,
                # SIGXFSZ stays ignored, as Python has it: a file-size limit is then an error that the server can
                # answer, as a full disk is, and not its death.
                restore_signals=False,
                preexec_fn=_end_with_parent if sys.platform == "linux" else None,
            )
        return cls(name, process, log_file)

    @property
    def pid(self) -> int:
        """Process id."""
        return self._process.pid

    @property
    def returncode(self) -> int | None:
        """Exit status; None while it runs."""
        return self._process.poll()

    def check_alive(self) -> None:
        """Raise Unavailable, with the end of the log, if the process has ended."""
        if self.returncode is not None:
            raise Unavailable(f"{self.name} ended with status {self.returncode}; {self.log_file}:\n{self.log_tail()}")

    def log_tail(self, lines: int = 12) -> str:
        """Return the last lines of the log, without the places of a Java stack trace: what went wrong is above them."""
        try:
            text = self.log_file.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join([line for line in text.splitlines() if not line.startswith("\tat ")][-lines:])

    def signal(self, number: int) -> None:
        """Send a signal, if the process still runs."""
        if self.returncode is None:
            self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait for the end of the process; return its status."""
        while (status := self.returncode) is None:
            await asyncio.sleep(0.05)
        return status

    async def stop(self, grace_s: float = 15.0) -> None:
        """Send SIGTERM, wait, and kill what has not ended after `grace_s` seconds."""
        self.signal(signal.SIGTERM)
        try:
            await asyncio.wait_for(self.wait(), grace_s)
        except TimeoutError:
            self.signal(signal.SIGKILL)
            await self.wait()
