"""A real Chromium, and the live page on the real broker, for the tests beside."""

import os
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from aiokafka import AIOKafkaProducer
from conftest import skip_or_fail
from playwright.async_api import Browser, Dialog, Page, async_playwright
from probe import producing

from musicrec.contracts import DeadLetter, VersionedRecord
from musicrec.local import StackAddresses
from musicrec.topics import TOPICS, Topic

OPTIONS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
NAMES = ("chromium", "chromium-browser", "google-chrome")
DEADLINE_S = 30.0


class Browsing:
    """Opens pages and keeps what went wrong in them."""

    def __init__(self, browser: Browser) -> None:
        self._browser = browser
        self.complaints: list[str] = []
        """Errors, dialogs and console messages of every page."""
        self.requested: list[str] = []
        """Every address that a page asked for."""

    @asynccontextmanager
    async def open(self, url: str, *, width: int = 1280, dark: bool = False) -> AsyncIterator[Page]:
        """Open a page until the end of the block."""
        context = await self._browser.new_context(
            viewport={"width": width, "height": 800}, color_scheme="dark" if dark else "light"
        )
        page = await context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("dialog", self._dismiss)
        page.on("request", lambda request: self.requested.append(request.url))
        page.set_default_timeout(DEADLINE_S * 1000)
        await page.goto(url)
        try:
            yield page
        finally:
            await context.close()

    async def _dismiss(self, dialog: Dialog) -> None:
        self.complaints.append(f"dialog: {dialog.message}")
        await dialog.dismiss()


def chromium_path() -> str:
    """Return the path of a Chromium; without one the test is skipped, or fails in CI."""
    found = os.environ.get("CHROMIUM") or next((path for path in map(shutil.which, NAMES) if path), None)
    if found is None:
        skip_or_fail("no Chromium: install Debian's chromium, or set CHROMIUM to an executable")
    return str(found)


@asynccontextmanager
async def browsing_with(executable: str) -> AsyncIterator[Browsing]:
    """Start a browser with a new, empty profile."""
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=executable, args=OPTIONS)
        yield Browsing(browser)
        await browser.close()


class Publisher:
    """Puts records onto the topics of their kind."""

    def __init__(self, producer: AIOKafkaProducer) -> None:
        self._producer = producer

    async def __call__(self, *records: VersionedRecord) -> None:
        """Publish and wait for every delivery."""
        topics = {topic.record: topic for topic in TOPICS if topic.record is not None}
        for record in records:
            topic = topics[type(record)]
            await self._producer.send_and_wait(
                topic.name, record.encode(), key=str(getattr(record, topic.key)).encode()
            )

    async def withdraw(self, topic: Topic, key: str) -> None:
        """Publish a tombstone."""
        await self._producer.send_and_wait(topic.name, None, key=key.encode())

    async def dead_letter(self, letter: DeadLetter) -> None:
        """Publish a dead letter beside the topic that it came from."""
        await self._producer.send_and_wait(
            f"{letter.original_topic}.dlq", b"?", partition=letter.original_partition, headers=letter.headers()
        )


@asynccontextmanager
async def publishing(stack: StackAddresses) -> AsyncIterator[Publisher]:
    """Give a publisher."""
    async with producing(stack) as producer:
        yield Publisher(producer)
