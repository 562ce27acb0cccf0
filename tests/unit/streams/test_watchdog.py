"""How a process ends itself."""

import subprocess
import sys

from streams.batch_loop import EXIT_STATUS

END = """
import asyncio, logging, sys, threading
from streams.watchdog import end_process

logging.basicConfig()

async def culprit():
    await asyncio.Event().wait()

async def main():
    kept = asyncio.create_task(culprit(), name="ours")  # the event loop alone does not keep it
    await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    threading.Thread(target=end_process, args=("it was time", loop), name="ender").start()
    await culprit()

{before}
asyncio.run(main())
"""

FILL_THE_PIPE = """
import os
os.set_blocking(2, False)
try:
    while True:
        os.write(2, b"x" * 4096)
except BlockingIOError:
    os.set_blocking(2, True)
"""


def test_log_ends_with_the_reason_after_the_stacks_of_threads_and_tasks() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", END.format(before="")], capture_output=True, text=True, timeout=60, check=False
    )
    assert ended.returncode == EXIT_STATUS
    assert ended.stderr.splitlines()[-1].endswith("ended with messages unacknowledged: it was time")
    assert "Thread 'MainThread' is at" in ended.stderr
    assert "Task 'ours' waits at" in ended.stderr
    assert "in culprit" in ended.stderr


def test_process_ends_though_nobody_reads_its_log_any_more() -> None:
    process = subprocess.Popen([sys.executable, "-c", END.format(before=FILL_THE_PIPE)], stderr=subprocess.PIPE)
    try:
        assert process.wait(timeout=60) == EXIT_STATUS
    finally:
        process.kill()
        process.communicate()
