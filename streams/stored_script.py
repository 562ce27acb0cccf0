"""A Lua script run for many keys in one round trip."""

from collections.abc import Iterable, Sequence
from typing import Any

from redis.exceptions import NoScriptError

from streams.redis_connection import RedisClient
from streams.unreadable_key import answers

Call = tuple[str, Sequence[str | bytes | int]]
"""A key and the script's arguments."""


class StoredScript:
    """One script, loaded once per server.

    redis-py's own scripts ask the server before each pipeline whether it knows them: a second round trip.
    """

    def __init__(self, redis: RedisClient, source: str) -> None:
        self._redis = redis
        self._source = source
        self._digest = ""

    async def run(self, calls: Iterable[Call]) -> list[Any]:
        """Run the script once per call, in order; each run is atomic, all of them together are not.

        A script has to bear being run twice with the same arguments.

        Where a key is of another type the error stands in place of the script's answer.

        Raises:
            RedisError: as redis-py raises it.
        """
        calls = list(calls)
        try:
            return await self._run(calls)
        except NoScriptError:
            # A restarted server, or a replica that took over.  What other nodes of a cluster have run they run again.
            self._digest = ""
            return await self._run(calls)

    async def _run(self, calls: Iterable[Call]) -> list[Any]:
        try:
            if not self._digest:
                self._digest = await self._redis.script_load(self._source)
            pipeline = self._redis.pipeline(transaction=False)
            for key, arguments in calls:
                # Not by its name: of a cluster redis-py refuses that, since a script could ask for keys of other nodes.
                pipeline.execute_command("EVALSHA", self._digest, 1, key, *arguments)
            return list(await answers(pipeline))
        except BaseException:
            self._digest = ""
            raise
