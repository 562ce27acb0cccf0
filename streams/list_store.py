"""The newest lists of each listener in Redis, until what is played next has been compared with them."""

from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from pydantic_core import from_json, to_json
from redis.asyncio import Redis
from redis.exceptions import RedisError

from musicrec.contracts import Recommendation, SourceRank
from musicrec.errors import Unavailable
from streams.counters import Timed, untimed

KEY_PREFIX: Final = "musicrec:lists:"
KEPT_LISTS: Final = 8
"""Lists per listener: a play that arrives late still finds the list that was shown before it."""
TTL_MS: Final = 86_400_000

PROGRESS_KEY: Final = "musicrec:lists-kept"
"""Hash of partition ▸ offset of the first list that is not kept yet: shared, because one worker may keep the lists of a
partition while another joins its sessions."""

KEEP_NEWEST: Final = """
redis.call('ZREMRANGEBYSCORE', KEYS[1], ARGV[1], ARGV[1])
redis.call('ZADD', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZREMRANGEBYRANK', KEYS[1], 0, -1 - tonumber(ARGV[3]))
redis.call('PEXPIRE', KEYS[1], ARGV[4])
return 1
"""
"""One list per revision, scored by it: storing the same list twice leaves one."""


class ShownList(NamedTuple):
    """What is kept of a list."""

    list_id: str
    revision: int
    items: tuple[tuple[str, tuple[tuple[str, int], ...]], ...]
    """Track id and its (source, rank) pairs, best first."""

    def rank_of(self, track_id: str) -> int | None:
        """Return the track's place from 1, or None."""
        return next((rank for rank, (track, _) in enumerate(self.items, start=1) if track == track_id), None)

    def sources_of(self, rank: int) -> tuple[SourceRank, ...]:
        """Return the sources of the item at that place."""
        return tuple(SourceRank(source=source, rank=place) for source, place in self.items[rank - 1][1])


class ListStore:
    """Lists by listener."""

    def __init__(self, redis: Redis, timed: Timed = untimed) -> None:
        self._redis = redis
        self._timed = timed

    async def keep(self, lists: Sequence[Recommendation], progress: Mapping[int, int]) -> None:
        """Store the lists that answer events, and after them how far the topic has been worked through.

        Args:
            lists: in the order of their offsets.
            progress: partition ▸ offset after the last one taken.

        Raises:
            Unavailable: Redis is away.
        """
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for shown in lists:
                items = [[item.track_id, [[s.source, s.rank] for s in item.sources]] for item in shown.items]
                value = to_json([shown.list_id, shown.session_revision, items])
                pipeline.eval(
                    KEEP_NEWEST, 1, KEY_PREFIX + shown.user_id, shown.session_revision or 0, value, KEPT_LISTS, TTL_MS
                )
            if progress:
                pipeline.hset(PROGRESS_KEY, mapping={str(partition): at for partition, at in progress.items()})
            with self._timed("keep_lists"):
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise Unavailable(f"Redis does not take the lists: {error}") from error

    async def kept_until(self, partitions: Sequence[int]) -> dict[int, int]:
        """Return, for each partition, the offset of the first list that is not kept yet; 0 where none ever was.

        Raises:
            Unavailable: Redis is away.
        """
        try:
            found = await self._redis.hmget(PROGRESS_KEY, [str(partition) for partition in partitions])
        except (RedisError, OSError) as error:
            raise Unavailable(f"Redis does not say which lists are kept: {error}") from error
        return {partition: int(at or 0) for partition, at in zip(partitions, found, strict=True)}

    async def before(self, listens: Sequence[tuple[str, int]]) -> list[ShownList | None]:
        """Return, for each (user id, revision), the newest list made for an earlier revision.

        Raises:
            Unavailable: Redis is away.
        """
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for user_id, revision in listens:
                pipeline.zrevrangebyscore(KEY_PREFIX + user_id, revision - 1, "-inf", start=0, num=1)
            with self._timed("lists_before"):
                found = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise Unavailable(f"Redis does not give the lists: {error}") from error
        return [_decode(values[0]) if values else None for values in found]


def _decode(value: bytes) -> ShownList:
    list_id, revision, items = from_json(value)
    return ShownList(
        list_id, revision, tuple((track, tuple((source, rank) for source, rank in sources)) for track, sources in items)
    )
