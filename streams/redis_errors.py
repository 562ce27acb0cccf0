"""What a Redis that is away looks like, and what it said."""

from typing import Final

from redis.exceptions import RedisClusterException, RedisError

REDIS_AWAY: Final = (RedisError, RedisClusterException, OSError, RuntimeError)
"""What a client raises where no answer comes; uvloop a RuntimeError, if the other side hangs up while it connects; a
cluster without a node that answers what is no RedisError."""

_ASKED: Final = " of pipeline caused error: "
"""redis-py puts the command before this, and Redis' answer behind it."""


def said(error: Exception) -> str:
    """Return what Redis said, without what it was asked: a command holds its key, and a key the listener's id.

    Raise what carries it `from None`, or a traceback tells the rest.

    >>> said(ValueError("Command # 1 (HGET musicrec:session:ada state) of pipeline caused error: OOM"))
    'OOM'
    """
    return str(error).rpartition(_ASKED)[2]
