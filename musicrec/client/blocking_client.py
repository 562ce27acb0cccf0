"""The client for programs without an event loop: the same one, in a thread of its own."""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from concurrent.futures import Future
from contextlib import AbstractAsyncContextManager, AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any, Generic, Self, TypeVar

from musicrec.client.async_client import ANSWER_DEADLINE_S, PUBLISH_DEADLINE_S, AsyncClient, Published
from musicrec.client.subscription import Subscription
from musicrec.contracts import ListenEvent, Mode, Outcome, Recommendation
from musicrec.errors import Incompatible
from musicrec.settings import KafkaSettings, RegistrySettings

T = TypeVar("T")


class BlockingSubscription(Iterator[T], Generic[T]):
    """Records as they come; `next` waits for one, and the iterator ends with its context."""

    def __init__(self, client: "Client", subscription: Subscription[T]) -> None:
        self._client = client
        self._subscription = subscription

    @property
    def missed(self) -> int:
        """Records that went because the reader was too slow."""
        return self._subscription.missed

    def __next__(self) -> T:
        record = self._client._run(self._next())
        if record is None:
            raise StopIteration
        return record

    async def _next(self) -> T | None:
        return await anext(self._subscription, None)


class Client:
    """`AsyncClient` with calls that wait; use it as a context. Any thread may call it."""

    def __init__(
        self,
        kafka: KafkaSettings | str | None = None,
        *,
        publish_deadline_s: float = PUBLISH_DEADLINE_S,
        registry: RegistrySettings | None = None,
    ) -> None:
        """Make a client; see `AsyncClient`."""
        self._kafka = kafka
        self._registry = registry
        self._publish_deadline_s = publish_deadline_s
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._client: AsyncClient | None = None

    def __enter__(self) -> Self:
        """Connect; raises as `AsyncClient` does."""
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="musicrec client", daemon=True)
        self._thread.start()
        try:
            self._client = self._run(self._connected())
        except BaseException:
            self._end_loop()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send what is on its way and close the connections."""
        client, self._client = self._client, None
        try:
            if client is not None:
                self._run(client.__aexit__(kind, error, traceback))
        finally:
            self._end_loop()

    def publish(self, record: Published) -> None:
        """See `AsyncClient.publish`."""
        self._run(self._connection.publish(record))

    def remove_track(self, track_id: str) -> None:
        """See `AsyncClient.remove_track`."""
        self._run(self._connection.remove_track(track_id))

    def list_after(self, event: ListenEvent, *, deadline_s: float = ANSWER_DEADLINE_S) -> Recommendation:
        """See `AsyncClient.list_after`."""
        return self._run(self._connection.list_after(event, deadline_s=deadline_s))

    def ask(
        self,
        user_id: str,
        mode: Mode = Mode.PERSONAL,
        *,
        track_id: str | None = None,
        limit: int = 20,
        market: str | None = None,
        deadline_s: float = ANSWER_DEADLINE_S,
    ) -> Recommendation:
        """See `AsyncClient.ask`."""
        return self._run(
            self._connection.ask(user_id, mode, track_id=track_id, limit=limit, market=market, deadline_s=deadline_s)
        )

    def lists(self, user_id: str | None = None) -> AbstractContextManager[BlockingSubscription[Recommendation]]:
        """See `AsyncClient.lists`."""
        return self._reading(self._connection.lists(user_id))

    def outcomes(self, user_id: str | None = None) -> AbstractContextManager[BlockingSubscription[Outcome]]:
        """See `AsyncClient.outcomes`."""
        return self._reading(self._connection.outcomes(user_id))

    @contextmanager
    def _reading(self, context: AbstractAsyncContextManager[Subscription[T]]) -> Iterator[BlockingSubscription[T]]:
        subscription = self._run(_entered(context))
        try:
            yield BlockingSubscription(self, subscription)
        finally:
            if self._loop is not None:
                self._run(_left(context))

    @property
    def _connection(self) -> AsyncClient:
        if self._client is None:
            raise Incompatible("the client is not connected: use it as a context")
        return self._client

    async def _connected(self) -> AsyncClient:
        client = AsyncClient(self._kafka, publish_deadline_s=self._publish_deadline_s, registry=self._registry)
        return await client.__aenter__()

    def _run(self, work: Coroutine[Any, Any, T]) -> T:
        if self._loop is None:
            work.close()
            raise Incompatible("the client is not connected: use it as a context")
        running: Future[T] = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return running.result()
        except BaseException:  # an interrupt: nobody waits for it any more
            running.cancel()
            raise

    def _end_loop(self) -> None:
        loop, self._loop = self._loop, None
        if loop is not None and self._thread is not None:
            loop.call_soon_threadsafe(loop.stop)
            self._thread.join()
            loop.close()


async def _entered(context: AbstractAsyncContextManager[T]) -> T:
    return await context.__aenter__()


async def _left(context: AbstractAsyncContextManager[Any]) -> None:
    await context.__aexit__(None, None, None)
