"""A worker that may open too few files says so, and nothing else."""

import sys
from pathlib import Path

import pytest
from services import REFUSED, status_of

from musicrec.local.child_process import ChildProcess


@pytest.mark.row(36)
async def test_worker_with_too_few_files_is_refused_in_one_line(tmp_path: Path) -> None:
    shell = ["/bin/sh", "-c", 'ulimit -n 64 && exec "$0" -m musicrec.cli.main worker session', sys.executable]
    worker = ChildProcess.start("worker", shell, tmp_path / "worker.log")
    assert await status_of(worker) == REFUSED
    assert worker.log_file.read_text().splitlines() == [
        "musicrec: this process may open 64 files and connections, a worker needs 256: "
        "`ulimit -n 1024` before it is started, or LimitNOFILE=1024 in its unit"
    ]
