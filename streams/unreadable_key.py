"""A key in Redis that holds what cannot be read costs its own listener's messages, as dead letters, and nobody else's.

Tried again it stays as it is, and a process that ended itself would meet it again at every start, and with it stop all
listeners of the partition.  It is not written over either: what lies there was the word that counts.
"""

from collections.abc import Sequence
from typing import Any, TypeGuard

from redis.asyncio.client import Pipeline
from redis.asyncio.cluster import ClusterPipeline
from redis.exceptions import ResponseError

from musicrec.errors import BadInput, DeadLetterReason


async def answers(pipeline: Pipeline | ClusterPipeline) -> Sequence[Any]:
    """Run a pipeline; return the answer to each command, the error itself where its key is of another type.

    Raises:
        RedisError: any other error, once all commands were run.
    """
    given = await pipeline.execute(raise_on_error=False)
    for answer in given:
        if isinstance(answer, Exception) and not is_of_another_type(answer):
            if isinstance(pipeline, ClusterPipeline):
                # Asked for no exceptions, it goes on sending to a node that is gone, or holds the key no more.
                await pipeline.cluster_client.aclose()
            raise answer
    return given


def is_of_another_type(answer: object) -> TypeGuard[ResponseError]:
    """Whether Redis has refused a command because its key is of another type."""
    return isinstance(answer, ResponseError) and str(answer).startswith("WRONGTYPE")


def unreadable(key: str, what: str) -> BadInput:
    """Return the refusal of a message whose key in Redis cannot be read.

    Args:
        key: with a name in angle brackets for what it has of the listener: this is read in logs and headers.
        what: what is wrong with it, after "the key".
    """
    return BadInput(
        f"Redis: the key {key} {what}; delete it, then `musicrec dlq replay --reason unreadable_state`",
        DeadLetterReason.UNREADABLE_STATE,
    )
