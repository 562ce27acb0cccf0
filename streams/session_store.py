"""Listener states in Redis: loaded together, saved atomically, never overwritten by a worker that was overtaken."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from musicrec.errors import BadInput, Unavailable
from musicrec.ids import UserId
from musicrec.session import ListenerState
from streams.counters import Timed, untimed
from streams.redis_connection import RedisClient
from streams.redis_errors import REDIS_AWAY, said
from streams.stored_script import Call, StoredScript
from streams.unreadable_key import answers, is_of_another_type, unreadable

KEY_PREFIX: Final = "musicrec:session:"
"""The id is appended as it is: it comes last, so no id can be made to look like another's key."""

SAVE_IF_UNCHANGED: Final = """
local revision = redis.call('HGET', KEYS[1], 'revision') or '0'
if revision == ARGV[2] and redis.call('HGET', KEYS[1], 'state') == ARGV[3] then
  return 1
end
if revision ~= ARGV[1] then
  return 0
end
redis.call('HSET', KEYS[1], 'revision', ARGV[2], 'state', ARGV[3])
if ARGV[4] == '0' then
  redis.call('PERSIST', KEYS[1])
else
  redis.call('PEXPIRE', KEYS[1], ARGV[4])
end
return 1
"""
"""Compare-and-set on the revision.  The first test lets a save be repeated whose answer was lost."""


class Overtaken(Unavailable):
    """Another worker saved a newer state in between: load again and decide again."""


class SessionStore:
    """States by listener."""

    def __init__(self, redis: RedisClient, ttl_ms: int, timed: Timed = untimed) -> None:
        self._redis = redis
        self._ttl_ms = ttl_ms
        self._timed = timed
        self._save = StoredScript(redis, SAVE_IF_UNCHANGED)

    async def load(self, users: Sequence[UserId]) -> dict[UserId, ListenerState | BadInput]:
        """Return the state of every listener: a new one where none is stored, the refusal where it cannot be read.

        Raises:
            Unavailable: Redis is away.
            Incompatible: a state was written by another release.
        """
        try:
            pipeline = self._redis.pipeline(transaction=False)
            for user in users:
                pipeline.hmget(KEY_PREFIX + user, "revision", "state")
            with self._timed("load_sessions"):
                stored = await answers(pipeline)
        except REDIS_AWAY as error:
            raise Unavailable(f"Redis does not give the sessions: {said(error)}") from None
        return dict(zip(users, map(_state, stored), strict=True))

    async def save(self, changed: Mapping[UserId, tuple[ListenerState, ListenerState]]) -> None:
        """Replace each listener's (old, new) state, if the stored one is still the old.

        Raises:
            Overtaken: for at least one listener it is not; the others are saved.
            Unavailable: Redis is away; each state is either saved or not.
        """
        if not changed:
            return
        calls: list[Call] = []
        for user, (old, new) in changed.items():
            ttl_ms = 0 if new.is_kept else self._ttl_ms
            calls.append((KEY_PREFIX + user, [old.revision, new.revision, new.encode(), ttl_ms]))
        try:
            with self._timed("save_sessions"):
                saved = await self._save.run(calls)
        except REDIS_AWAY as error:
            raise Unavailable(f"Redis does not take the sessions: {said(error)}") from None
        overtaken = [user for user, done in zip(changed, saved, strict=True) if done != 1]
        if overtaken:
            raise Overtaken(f"{len(overtaken)} of {len(changed)} sessions were changed by another worker meanwhile")


def _state(stored: Any) -> ListenerState | BadInput:
    """Return what is stored of one listener: the fields `revision` and `state`, or why Redis does not give them."""
    key = f"{KEY_PREFIX}<user_id>"
    if is_of_another_type(stored):
        return unreadable(key, "is of another type")
    revision, value = stored
    if revision is None and value is None:
        return ListenerState()
    try:
        state = ListenerState.decode(value or b"")
    except BadInput as error:
        return unreadable(key, f"holds {error}")
    if revision != b"%d" % state.revision:
        # No save would find the revision that it compares with.
        return unreadable(key, f"holds a state of revision {state.revision} under another revision")
    return state
