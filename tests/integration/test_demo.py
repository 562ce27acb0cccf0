"""`musicrec demo` as a process: it ends by itself with a summary, and Ctrl-C ends all that it started."""

import asyncio
import re
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from musicrec.local.child_process import ChildProcess

pytestmark = [pytest.mark.kafka, pytest.mark.torch, pytest.mark.timeout(240)]


@asynccontextmanager
async def demo(folder: Path, *options: str) -> AsyncIterator[ChildProcess]:
    """Run the demo with all its data below `folder`."""
    command = [sys.executable, "-m", "musicrec.cli.main", "demo", "--port", "0"]
    process = ChildProcess.start(
        "demo", [*command, "--data-dir", str(folder / "data"), *options], folder / "demo.log", {"PYTHONUNBUFFERED": "1"}
    )
    try:
        yield process
    finally:
        await process.stop(grace_s=60)


def processes_of(folder: Path) -> list[str]:
    """Return the command lines of processes that have to do with `folder`: by argument, variable or working folder."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            traces = (process / "cmdline").read_bytes() + (process / "environ").read_bytes()
            if str(folder).encode() in traces + bytes((process / "cwd").readlink()):
                found.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode())
        except OSError:
            continue  # ended meanwhile, or somebody else's
    return found


async def test_demo_with_a_number_of_events_ends_by_itself_with_a_summary(tmp_path: Path) -> None:
    async with demo(tmp_path, "--events", "150", "--rate", "30") as process, asyncio.timeout(200):
        status = await process.wait()
    text = process.log_file.read_text()
    assert status == 0, text
    assert re.match(r"live page: http://127\.0\.0\.1:\d+\n", text)
    summary = dict(re.findall(r"^ *([a-z][a-z -]+[a-z])  (\S.*)$", text, re.MULTILINE))
    assert summary["events published"] == "150"
    assert int(summary["applied"]) + int(summary["dead-lettered"].split()[0]) == 150
    assert summary["lists"].endswith(f"answering {summary['applied']} events")
    assert not processes_of(tmp_path)


async def test_ctrl_c_ends_the_demo_and_every_process_that_it_started(tmp_path: Path) -> None:
    async with demo(tmp_path) as process, asyncio.timeout(200):
        while not re.search(r"^    1\. .+ · .+ \(.+\)$", process.log_file.read_text(), re.MULTILINE):
            process.check_alive()
            await asyncio.sleep(0.1)
        assert len(processes_of(tmp_path)) >= 8  # the demo, Kafka, Valkey, four agents, the page
        process.signal(signal.SIGINT)
        assert await process.wait() == 0
    assert not processes_of(tmp_path), process.log_file.read_text()
