"""What the embedders remember of each track in Redis, so that unchanged audio is not embedded anew.

It is a memory and not the word that counts: without it everything is embedded again, and comes out the same.  So
nothing waits for it.  A server that does not answer is left alone for `PAUSE_S`, and what it has missed meanwhile is
forgotten as soon as it answers.  A process that ends before that leaves what was known last: a track whose removal was
missed so, and that is announced again with the same audio, has no vector until the key's end.  To have everything
embedded anew, delete `musicrec:embedded:*`.

A key is written once its record is delivered, and only over what was read before: embedders of two models work on one
track, and whoever finds that the other one wrote meanwhile cannot tell whose record came last.  Then nothing is known.
"""

import asyncio
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from embedder.known_audio import KnownAudio
from streams.counters import Timed, untimed
from streams.redis_connection import RedisClient
from streams.redis_errors import REDIS_AWAY, said
from streams.stored_script import Call, StoredScript
from streams.unreadable_key import answers, is_of_another_type

log = logging.getLogger(__name__)

KEY_PREFIX: Final = "musicrec:embedded:"
"""Then the origin of the embeddings topic, and the track: of a topic that was made anew nothing is known."""

DEADLINE_S: Final = 1.0
"""Longest wait for an answer: decoding a track takes a twentieth of it."""
PAUSE_S: Final = 10.0
MOST_DOUBTFUL: Final = 100_000
"""Tracks that were published while the server was away, a day of a large platform; beyond it the oldest are let go."""
FORGOTTEN_AT_A_TIME: Final = 1_000

WRITE_OVER: Final = """
local stored = redis.call('GET', KEYS[1]) or ''
if stored == ARGV[1] and ARGV[2] ~= '' then
  redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3])
  return 1
end
redis.call('DEL', KEYS[1])
return 0
"""
"""Compare-and-set; without a new value, or over another one than was read, the key goes."""


class EmbeddingMemory:
    """What is known of the tracks on one embeddings topic."""

    def __init__(
        self, redis: RedisClient, origin: str, ttl_ms: int, *, failed: Callable[[], None], timed: Timed = untimed
    ) -> None:
        """Make a memory.

        Args:
            redis: client; its own deadline is not waited for.
            origin: of the embeddings topic, see `TopicIds`.
            ttl_ms: how long a track is remembered that is not announced again.
            failed: called whenever the server cannot be asked or told.
            timed: measures the round trips.
        """
        self._redis = redis
        self._origin = origin
        self._ttl_ms = ttl_ms
        self._failed = failed
        self._timed = timed
        self._write_over = StoredScript(redis, WRITE_OVER)
        self._doubtful: dict[str, None] = {}
        self._ask_again_s = 0.0

    async def known(self, tracks: Sequence[str]) -> dict[str, KnownAudio]:
        """Return what is known of tracks, and keep it for longer; of some, or all, nothing is."""
        if not tracks or not self._may_ask():
            return {}

        async def ask() -> Sequence[Any]:
            doubtful = list(islice(self._doubtful, FORGOTTEN_AT_A_TIME))
            pipeline = self._redis.pipeline(transaction=False)
            for track in doubtful:
                pipeline.unlink(self._key(track))
            for track in tracks:
                pipeline.getex(self._key(track), px=self._ttl_ms)
            given = await answers(pipeline)
            for track in doubtful:
                self._doubtful.pop(track, None)
            return given[len(doubtful) :]

        stored = await self._answer("known_audio", ask)
        if stored is None:
            return {}
        found = {
            track: KnownAudio.decode(value)
            for track, value in zip(tracks, stored, strict=True)
            if value is not None and not is_of_another_type(value) and track not in self._doubtful
        }
        return {track: known for track, known in found.items() if known is not None}

    async def learn(self, changes: Mapping[str, tuple[KnownAudio | None, KnownAudio | None]]) -> None:
        """Write what is known of tracks after their records were delivered.

        Args:
            changes: by track what `known` gave, and what is known now; None for a track that was removed.
        """
        if not changes:
            return
        calls: list[Call] = [
            (self._key(track), [_value(before), _value(after), self._ttl_ms])
            for track, (before, after) in changes.items()
        ]
        if not self._may_ask() or await self._answer("learn_audio", lambda: self._write_over.run(calls)) is None:
            self._doubt(changes)

    def _key(self, track: str) -> str:
        return f"{KEY_PREFIX}{self._origin}:{track}"

    def _may_ask(self) -> bool:
        return time.monotonic() >= self._ask_again_s

    def _doubt(self, tracks: Iterable[str]) -> None:
        self._doubtful |= dict.fromkeys(tracks)
        while len(self._doubtful) > MOST_DOUBTFUL:
            del self._doubtful[next(iter(self._doubtful))]

    async def _answer(self, op: str, ask: Callable[[], Any]) -> Any:
        """Return the answer; None where there is none, and then for a while no question is asked."""
        try:
            with self._timed(op):
                async with asyncio.timeout(DEADLINE_S):
                    answer = await ask()
        except REDIS_AWAY as error:
            if self._ask_again_s == 0.0:
                why = said(error) or f"no answer within {DEADLINE_S:g} s"
                log.warning("Redis: %s; what was embedded is not remembered, and all is embedded anew", why)
            self._ask_again_s = time.monotonic() + PAUSE_S
            self._failed()
            return None
        if self._ask_again_s:
            log.info("Redis answers again: what is embedded is remembered")
            self._ask_again_s = 0.0
        return answer


def _value(known: KnownAudio | None) -> bytes:
    return known.encode() if known is not None else b""
