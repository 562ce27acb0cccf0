"""The newest lists of each listener in Redis: the word that counts on what an event was answered with.

Made again from a state that has learned meanwhile, a list would differ from the one that was shown under the same id.
So a list is stored before it is published, and the first one stored is published by whoever comes later: a worker
that repeats a batch after a crash, or one that was overtaken while it stood still.

Where the key cannot be read, nobody can say whether a list went out under this id, so none is made: the event becomes
a dead letter.  The join with what was played needs no such care, and finds no list.
"""

import zlib
from collections.abc import Sequence
from typing import Any, Final, NamedTuple

from musicrec.contracts import Recommendation, Trigger
from musicrec.errors import BadInput, Unavailable
from streams.counters import Timed, untimed
from streams.redis_connection import RedisClient
from streams.redis_errors import REDIS_AWAY, said
from streams.stored_script import Call, StoredScript
from streams.unreadable_key import answers, is_of_another_type, unreadable

LISTS_PREFIX: Final = "musicrec:lists:"
"""Then origin, partition and listener: offsets order the events of one partition alone.  The listener's id comes last,
so no id can be made to look like another's key."""
ANSWERS_PREFIX: Final = "musicrec:answer:"

KEPT_LISTS: Final = 8
"""Lists per listener: a play that arrives late still finds the list that was shown before it."""
TTL_MS: Final = 86_400_000
"""Retention of the topics that lists and answers stand on."""

SETTLE_LIST: Final = """
local stored = redis.call('ZRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])
if stored[1] then
  return stored[1]
end
if redis.call('ZCOUNT', KEYS[1], '(' .. ARGV[1], '+inf') > 0 then
  return false
end
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""
"""Gives 1 where this list is the first, else the first one.  Scored by the event's offset.  A newer list, for which
it gives nil, means that this event was answered: by its own list, which was dropped since, or by one that passed it
over."""

SETTLE_ANSWER: Final = """
if redis.call('SET', KEYS[1], ARGV[1], 'NX', 'PX', ARGV[2]) then
  return 1
end
return redis.call('GET', KEYS[1])
"""
"""Gives 1 where this answer is the first, else the first one."""


class EventList(NamedTuple):
    """A list that was made for an event."""

    user_id: str
    trigger: Trigger
    value: bytes
    """The encoded list."""


class ListStore:
    """Lists that answer events of one listens topic, and requests."""

    def __init__(self, redis: RedisClient, origin: str, timed: Timed = untimed) -> None:
        self._redis = redis
        self._timed = timed
        self._origin = origin
        self._settle_list = StoredScript(redis, SETTLE_LIST)
        self._settle_answer = StoredScript(redis, SETTLE_ANSWER)

    async def settle(self, made: Sequence[EventList]) -> list[bytes | BadInput | None]:
        """Return what to publish for each event: its list as it was first stored, this one if none was.

        None stands where a newer list of the listener has answered the event, the refusal where what is stored cannot
        be read.

        Raises:
            Unavailable: Redis is away.
        """
        calls: list[Call] = [
            (self._key(user_id, trigger), [trigger.offset, _pack(value), KEPT_LISTS, TTL_MS])
            for user_id, trigger, value in made
        ]
        key = f"{LISTS_PREFIX}{self._origin}:<partition>:<user_id>"
        stored = await self._run(calls, self._settle_list)
        return [
            None if first is None else _settled(event.value, first, key)
            for event, first in zip(made, stored, strict=True)
        ]

    async def stored(self, events: Sequence[tuple[str, Trigger]]) -> list[bytes]:
        """Return the lists that are stored for these events of these listeners; most have none.

        Asked once the list of a newer event is settled, it is the last word: no older one is stored after that.

        Raises:
            Unavailable: Redis is away.
        """
        if not events:
            return []
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for user_id, trigger in events:
                pipeline.zrangebyscore(self._key(user_id, trigger), trigger.offset, trigger.offset)
            with self._timed("stored_lists"):
                found = await answers(pipeline)
        except REDIS_AWAY as error:
            raise Unavailable(f"Redis does not give the lists: {said(error)}") from None
        packed = [stored[0] for stored in found if stored and not is_of_another_type(stored)]
        return [zlib.decompress(value) for value in packed if _list_in(value) is not None]

    async def settle_answers(self, made: Sequence[tuple[str, bytes]]) -> list[bytes | BadInput]:
        """Return what to publish for each (list id, encoded list) that answers a request; see `settle`.

        Raises:
            Unavailable: Redis is away.
        """
        calls: list[Call] = [(ANSWERS_PREFIX + list_id, [_pack(value), TTL_MS]) for list_id, value in made]
        stored = await self._run(calls, self._settle_answer)
        return [
            _settled(value, first, ANSWERS_PREFIX + list_id)
            for (list_id, value), first in zip(made, stored, strict=True)
        ]

    async def before(self, listens: Sequence[tuple[str, Trigger]]) -> list[Recommendation | None]:
        """Return, for each listener's listen, the newest list made for an earlier event; None where none can be read.

        Raises:
            Unavailable: Redis is away.
        """
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for user_id, trigger in listens:
                key = self._key(user_id, trigger)
                pipeline.zrevrangebyscore(key, f"({trigger.offset}", "-inf", start=0, num=1)
            with self._timed("lists_before"):
                found = await answers(pipeline)
        except REDIS_AWAY as error:
            raise Unavailable(f"Redis does not give the lists: {said(error)}") from None
        return [None if is_of_another_type(stored) or not stored else _list_in(stored[0]) for stored in found]

    def _key(self, user_id: str, trigger: Trigger) -> str:
        return f"{LISTS_PREFIX}{self._origin}:{trigger.partition}:{user_id}"

    async def _run(self, calls: Sequence[Call], script: StoredScript) -> list[Any]:
        if not calls:
            return []
        try:
            with self._timed("settle_lists"):
                return await script.run(calls)
        except REDIS_AWAY as error:
            raise Unavailable(f"Redis does not take the lists: {said(error)}") from None


def _pack(value: bytes) -> bytes:
    """A list of 20 is 4 kB of repetitive JSON; a quarter of that in a hundredth of a millisecond."""
    return zlib.compress(value, 1)


def _settled(made: bytes, stored: Any, key: str) -> bytes | BadInput:
    if stored == 1:
        return made
    if is_of_another_type(stored):
        return unreadable(key, "is of another type")
    try:
        value = zlib.decompress(stored)
        if value != made:
            Recommendation.decode(value)
    except (zlib.error, BadInput):
        return unreadable(key, "holds a damaged list")
    return value


def _list_in(stored: bytes) -> Recommendation | None:
    try:
        return Recommendation.decode(zlib.decompress(stored))
    except (zlib.error, BadInput):
        return None
