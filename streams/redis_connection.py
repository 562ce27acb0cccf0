"""A client of Redis or Valkey: of one server, or of a cluster whose nodes hold a part of the keys each.

Whatever we ask is about one key, so a cluster needs no hash tags: a batch goes to the nodes that its keys are on, each
part in one round trip.
"""

from typing import Final

from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import RedisClusterException

from musicrec.errors import Incompatible
from musicrec.settings import RedisSettings

RedisClient = Redis | RedisCluster

RESP: Final = 2
"""Version of the protocol: the third one says nothing more that is asked for here."""


def connect(settings: RedisSettings) -> RedisClient:
    """Return a client with one deadline per answer and no retries of its own: the agent's loop is the one retry.

    Raises:
        Incompatible: `cluster` is set, and the URL has something that a cluster has not.
    """
    kind = RedisCluster if settings.cluster else Redis
    try:
        return kind.from_url(
            settings.url.get_secret_value(),
            socket_timeout=settings.deadline_s,
            socket_connect_timeout=settings.deadline_s,
            retry=Retry(NoBackoff(), 0),
            protocol=RESP,
        )
    except RedisClusterException as error:
        raise Incompatible(
            f"MUSICREC_REDIS__URL is none of a cluster's, which MUSICREC_REDIS__CLUSTER says: {error}"
        ) from error


async def ping(client: RedisClient) -> None:
    """Ask whether the server, or each node that holds keys, is there; raises as the client does."""
    if isinstance(client, RedisCluster):
        await client.execute_command("PING", target_nodes=RedisCluster.PRIMARIES)
    else:
        await client.ping()
