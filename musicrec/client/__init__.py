"""What a platform calls: publish what listeners do, get the lists that answer it.

    async with AsyncClient("broker:9092") as musicrec:
        made = await musicrec.list_after(play("ada", "so-what", ms_played=540_000))

`Client` is the same for programs without an event loop.
"""

from musicrec.client.async_client import AsyncClient
from musicrec.client.blocking_client import BlockingSubscription, Client
from musicrec.client.events import feedback, play, skip
from musicrec.client.subscription import Subscription

__all__ = ["AsyncClient", "BlockingSubscription", "Client", "Subscription", "feedback", "play", "skip"]
