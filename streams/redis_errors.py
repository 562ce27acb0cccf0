"""What Redis said, without what it was asked: a command holds its key, and a key the listener's id."""

from typing import Final

_ASKED: Final = " of pipeline caused error: "
"""redis-py puts the command before this, and Redis' answer behind it."""


def said(error: Exception) -> str:
    """Return the message of an error for logs; raise what carries it `from None`, or a traceback tells the rest.

    >>> said(ValueError("Command # 1 (HGET musicrec:session:ada state) of pipeline caused error: OOM"))
    'OOM'
    """
    return str(error).rpartition(_ASKED)[2]
