"""The platform of a storm: publishes until the broker has acknowledged, as publishers are told to."""

import asyncio
import json
import random
import time
from collections import deque
from collections.abc import Collection
from pathlib import Path
from typing import Any, Final

import numpy as np
import soundfile
from aiokafka import AIOKafkaProducer
from aiokafka.errors import KafkaError

from musicrec.producer_numbering import begin_anew
from storm.clock import now_ms
from storm.schedule import Fault
from storm.traffic import DENIED, DOOMED, TICK_S, USER_PREFIX, Sent, Traffic, catalogue

LISTENS, TRACKS, REQUESTS = "musicrec.listens.v1", "musicrec.tracks.v1", "musicrec.requests.v1"
RULES: Final = "musicrec.rules.v1"
REMOVED_AFTER_S: Final = 10.0
RATE_HZ: Final = 22_050


class Publisher:
    """Sends the traffic in its order, and beside it new tracks and requests."""

    def __init__(self, producer: AIOKafkaProducer, traffic: Traffic, seed: int, music: Path) -> None:
        self._producer = producer
        self._traffic = traffic
        self._seed = seed
        self._music = music
        self._draw = random.Random(f"tracks {seed}")
        self._waiting: deque[Sent] = deque()
        self._open = 0
        self._tasks: set[asyncio.Task[None]] = set()
        self.acknowledged: dict[int, Sent] = {}
        """Listen messages by number."""
        self.sent_again = 0
        self.requested: dict[str, str] = {}
        """Listener of each request."""
        self.audible: dict[str, str | None] = {}
        """Why a track's audio has to be refused, or None, by track."""
        self.removed_ms: dict[str, int] = {}

    async def announce_catalogue(self) -> None:
        """Publish the tracks that are played, and the rule on what lists may hold of them."""
        rule = {"name": "storm", "effect": "deny", "tracks": DENIED, "published_at_ms": now_ms()}
        await self._publish(RULES, "storm", rule)
        for track in catalogue():
            await self._publish(TRACKS, track["track_id"], track)

    async def publish(self, duration_s: float, bursts: Collection[Fault]) -> None:
        """Publish for a while, then until everything is acknowledged.

        Args:
            duration_s: how long.
            bursts: faults of the traffic that are on; looked at again for each tick.
        """
        beginning_s = time.monotonic()
        ticks = round(duration_s / TICK_S)
        sending = asyncio.create_task(self._send_waiting())
        try:
            for number in range(ticks):
                self._waiting.extend(self._traffic.tick(bursts, round(number * TICK_S * 1000)))
                if number % 10 == 0:
                    self._later(self._request(number))
                if number % 20 == 5:
                    self._later(self._new_track(number))
                await asyncio.sleep(max(0.0, beginning_s + (number + 1) * TICK_S - time.monotonic()))
            while self._waiting or self._open or self._tasks:
                await asyncio.sleep(0.1)
        finally:
            sending.cancel()
            await asyncio.gather(sending, return_exceptions=True)

    async def _send_waiting(self) -> None:
        while True:
            if not self._waiting:
                await asyncio.sleep(TICK_S / 4)
                continue
            message = self._waiting.popleft()
            try:
                sent = await self._producer.send(LISTENS, message.value, key=message.key, headers=message.headers)
            except KafkaError:
                self._waiting.appendleft(message)
                await asyncio.sleep(TICK_S)
                continue
            self._open += 1
            sent.add_done_callback(lambda done, message=message: self._settle(message, done))

    def _settle(self, message: Sent, done: asyncio.Future[Any]) -> None:
        self._open -= 1
        if done.cancelled() or done.exception() is not None:
            self.sent_again += 1
            self._waiting.append(message)
            begin_anew(self._producer)  # or whatever follows on this partition is refused for ever
        else:
            self.acknowledged[message.number] = message

    def _later(self, work: Any) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _request(self, number: int) -> None:
        user_id = f"{USER_PREFIX}{self._seed}-{self._draw.randint(1, 300)}"
        request_id = f"request-{self._seed}-{number}"
        mode = self._draw.choice(("session", "personal", "new", "popular"))
        self.requested[request_id] = user_id
        fields = {"request_id": request_id, "user_id": user_id, "mode": mode, "requested_at_ms": now_ms()}
        await self._publish(REQUESTS, user_id, fields)

    async def _new_track(self, number: int) -> None:
        kind = self._draw.choice(("good", "good", "doomed", "text", "lost"))
        track_id = f"{DOOMED if kind == 'doomed' else 'fresh-'}{number}"
        file = {"text": "text.mp3", "lost": "lost.flac"}.get(kind, f"{self._draw.randrange(3)}.flac")
        self.audible[track_id] = {"text": "undecodable", "lost": "fetch_failed"}.get(kind)
        await self._publish(TRACKS, track_id, {"track_id": track_id, "audio_uri": (self._music / file).as_uri()})
        if kind == "doomed":
            await asyncio.sleep(REMOVED_AFTER_S)
            await self._publish(TRACKS, track_id, None)
            self.removed_ms[track_id] = now_ms()

    async def _publish(self, topic: str, key: str, fields: dict[str, Any] | None) -> None:
        value = None if fields is None else json.dumps(fields).encode()
        while True:
            try:
                await self._producer.send_and_wait(topic, value, key=key.encode())
                return
            except KafkaError:
                begin_anew(self._producer)
                await asyncio.sleep(0.5)


def make_music(folder: Path) -> None:
    """Write some short audio files, and a text that calls itself one."""
    folder.mkdir(parents=True)
    for number in range(3):
        draw = np.random.default_rng(number)
        soundfile.write(folder / f"{number}.flac", draw.uniform(-0.5, 0.5, 5 * RATE_HZ), RATE_HZ)
    (folder / "text.mp3").write_text("no music")
