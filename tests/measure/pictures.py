"""The pictures of the live page in `docs/console.md`: a demo runs, some things go wrong, and a browser looks.

python tests/measure/pictures.py --into docs/pictures
"""

import asyncio
import io
import json
import os
import re
import signal
import sys
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Final

import reach_tests  # noqa: F401
from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer
from browser.browsing import OPTIONS, chromium_path
from PIL import Image
from playwright.async_api import Browser, Page, async_playwright
from stage import say

from musicrec.local.child_process import ChildProcess
from musicrec.topics import LISTENS

TOKEN: Final = "shown on no picture"
WIDE_PX, NARROW_PX, HEIGHT_PX = 1200, 360, 780
WARM_UP_S: Final = 75.0
STALLED_S: Final = 7.0
"""How long the ranking worker is suspended for the picture of a lag; after ten its group would go on without it."""
DEADLINE_S: Final = 120.0


async def main(into: Path, folder: Path) -> None:
    """Take the pictures."""
    command = [sys.executable, "-m", "musicrec.cli.main", "demo", "--port", "0", "--rate", "12"]
    environment = {"MUSICREC_WEB__OPERATOR_TOKEN": TOKEN}
    demo = ChildProcess.start("demo", [*command, "--data-dir", str(folder)], folder / "demo.log", environment)
    try:
        url = await _address(demo, folder / "logs" / "page.log")
        say(f"the demo runs, its page is {url}")
        await asyncio.sleep(WARM_UP_S)
        user = await _somebody(url)
        await _publish_what_is_refused(json.loads((folder / "ports.json").read_text())["kafka"], user)
        await asyncio.sleep(5.0)
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=chromium_path(), args=OPTIONS)
            await _look(browser, url, into, user, _process_of(demo.pid, "worker ranking"))
            await browser.close()
    finally:
        demo.signal(signal.SIGINT)
        await demo.stop()


async def _look(browser: Browser, url: str, into: Path, user: str, ranking: int) -> None:
    for width, suffix in ((WIDE_PX, ""), (NARROW_PX, "-phone")):
        page = await browser.new_page(viewport={"width": width, "height": HEIGHT_PX}, device_scale_factor=1)
        await _take(page, f"{url}#now", into / f"now{suffix}.png")
        await _take(page, f"{url}#listener/{user}", into / f"listener{suffix}.png", ".of-list .more")
        await _take(page, f"{url}#refused", into / f"refused{suffix}.png", ".letter .more")
        await _take(page, f"{url}#models", into / f"models{suffix}.png")
        await _open(page, f"{url}#flow", '[data-agent="ranking"] .more')
        os.kill(ranking, signal.SIGSTOP)
        try:
            await asyncio.sleep(STALLED_S)
            _save(await page.screenshot(), into / f"flow{suffix}.png")
        finally:
            os.kill(ranking, signal.SIGCONT)
        await page.close()


async def _take(page: Page, url: str, file: Path, opening: str | None = None) -> None:
    await _open(page, url, opening)
    _save(await page.screenshot(), file)


def _save(picture: bytes, file: Path) -> None:
    """Write a picture with a palette, a third of the size."""
    Image.open(io.BytesIO(picture)).convert("RGB").quantize(64, dither=Image.Dither.NONE).save(file, optimize=True)
    say(f"{file}: {file.stat().st_size / 1000:.0f} kB")


async def _open(page: Page, url: str, opening: str | None) -> None:
    await page.goto(url)
    await page.wait_for_timeout(4_000)
    if opening is not None:
        await page.locator(opening).first.click()
        await page.wait_for_timeout(1_500)


async def _address(demo: ChildProcess, log: Path) -> str:
    async with asyncio.timeout(DEADLINE_S):
        while (found := re.search(r"^http://\S+$", _text(log), re.MULTILINE)) is None:
            demo.check_alive()
            await asyncio.sleep(0.2)
    return found[0]


def _text(log: Path) -> str:
    return log.read_text() if log.exists() else ""


async def _somebody(url: str) -> str:
    """Return the listener on the page with the longest session."""
    async with ClientSession() as client, client.get(f"{url}board.json") as response:
        sessions = (await response.json())["sessions"]
    return str(max(sessions, key=lambda session: session["tracks_in_session"])["user"])


async def _publish_what_is_refused(port: int, user: str) -> None:
    now_ms = time.time_ns() // 1_000_000
    event = {"event_id": "offline-1", "user_id": user, "type": "play", "track_id": "t", "ms_played": 180_000}
    late = event | {"occurred_at_ms": now_ms - 3 * 3_600_000}
    producer = AIOKafkaProducer(bootstrap_servers=f"127.0.0.1:{port}")
    await producer.start()
    try:
        for value in (json.dumps(late), json.dumps(event | {"event_id": "x"}), '{"event_id": "cut off'):
            await producer.send_and_wait(LISTENS.name, value.encode(), key=user.encode())
    finally:
        await producer.stop()


def _process_of(parent: int, words: str) -> int:
    """Return the child of a process whose command line has these words."""
    children = Path(f"/proc/{parent}/task/{parent}/children").read_text().split()
    for child in children:
        if words.encode() in Path(f"/proc/{child}/cmdline").read_bytes().replace(b"\0", b" "):
            return int(child)
    raise LookupError(f"process {parent} has no child {words!r}")


if __name__ == "__main__":
    parser = ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--into", type=Path, default=Path("docs/pictures"), help="folder of the pictures")
    chosen = parser.parse_args()
    chosen.into.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="musicrec-pictures-") as temporary:
        asyncio.run(main(chosen.into, Path(temporary)))
