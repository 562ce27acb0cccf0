"""Kafka behind the gateway: connected in the background, known to be there or away, never waited for without end."""

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from musicrec.access import GATEWAY
from musicrec.client import AsyncClient, Subscription
from musicrec.client.async_client import Published
from musicrec.contracts import ListenEvent, Recommendation, RecommendationRequest
from musicrec.errors import Incompatible, MusicrecError, Unavailable
from musicrec.kafka_access import check_access
from musicrec.settings import KafkaSettings, RegistrySettings

log = logging.getLogger(__name__)

ASK_EVERY_S: Final = 2.0
"""How soon it is noticed that Kafka is away, or back."""
ASK_DEADLINE_S: Final = 5.0
STOP_DEADLINE_S: Final = 10.0


class NoListYet(Unavailable):
    """What was asked is published, and no list has come."""


class Broker:
    """Publishes and reads by one `AsyncClient`; refuses at once while Kafka is known to be away."""

    def __init__(
        self, kafka: KafkaSettings, registry: RegistrySettings, *, publish_deadline_s: float, most_waiting: int
    ) -> None:
        self._kafka = kafka
        self._registry = registry
        self._publish_deadline_s = publish_deadline_s
        self._most_waiting = most_waiting
        self._client: AsyncClient | None = None
        self._subscriptions: set[Subscription[Recommendation]] = set()
        self._task: asyncio.Task[None] | None = None
        self.away: str | None = f"Kafka at {kafka.bootstrap_servers} is not connected yet"
        """Why nothing can be published or read; None where it can."""

    @asynccontextmanager
    async def connected(self) -> AsyncIterator[None]:
        """Connect within the block, as soon as there is a broker; at its end send what is on its way."""
        self._task = asyncio.create_task(self._stay_connected(), name="ask Kafka")
        try:
            yield
        finally:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            client, self._client = self._client, None
            if client is not None:
                await client.__aexit__(None, None, None)

    @property
    def failed(self) -> str | None:
        """Why nobody watches Kafka any more, a defect of ours; None where somebody does."""
        if self._task is None or not self._task.done() or self._task.cancelled():
            return None
        return repr(self._task.exception())

    async def publish(self, record: Published) -> None:
        """Publish a record; raises as `AsyncClient.publish`."""
        await self._there().publish(record)

    async def publish_all(self, records: Sequence[Published]) -> list[MusicrecError | None]:
        """Publish records, those of one listener in their order; return what failed of each.

        Raises:
            Unavailable: Kafka is away, and none of them is published.
        """
        client = self._there()
        results = await asyncio.gather(*(client.publish(record) for record in records), return_exceptions=True)
        failures: list[MusicrecError | None] = []
        for result in results:
            if result is not None and not isinstance(result, MusicrecError):
                raise result
            failures.append(result)
        return failures

    async def remove_track(self, track_id: str) -> None:
        """Take a track out of the catalogue."""
        await self._there().remove_track(track_id)

    async def list_after(self, event: ListenEvent, deadline_s: float) -> Recommendation:
        """Publish an event and return the list that answers it.

        Raises:
            NoListYet: the event is published; no list came within the deadline.
            BadInput, Incompatible, Unavailable: as of `publish`.
        """
        return await self._answered(event, event.event_id, deadline_s)

    async def ask(self, request: RecommendationRequest, deadline_s: float) -> Recommendation:
        """Publish a request and return the list that answers it; raises as `list_after`."""
        return await self._answered(request, request.request_id, deadline_s)

    @asynccontextmanager
    async def lists(self, user_id: str) -> AsyncIterator[Subscription[Recommendation]]:
        """Give a listener's lists that come from now on, few of them waiting."""
        async with self._there().lists(user_id, most_waiting=self._most_waiting) as subscription:
            self._subscriptions.add(subscription)
            try:
                yield subscription
            finally:
                self._subscriptions.discard(subscription)

    def end_streams(self) -> None:
        """Let all subscriptions end."""
        for subscription in self._subscriptions:
            subscription.end()

    async def _answered(
        self, record: ListenEvent | RecommendationRequest, cause: str, deadline_s: float
    ) -> Recommendation:
        # Not AsyncClient.list_after: whether the event is there has to be told where no list comes.
        async with self._there().lists(record.user_id) as lists:
            await self.publish(record)
            try:
                async with asyncio.timeout(deadline_s):
                    async for made in lists:
                        if _answers(made, cause):
                            return made
            except TimeoutError:
                pass
        raise NoListYet(
            f"no list for {record.user_id!r} within {deadline_s:g} s of {cause!r}, which is published: workers are "
            "behind, it is too old to be answered, or it was answered before; /v1/list?mode=session gives the newest"
        )

    def _there(self) -> AsyncClient:
        if self._client is None or self.away is not None:
            raise Unavailable(f"{self.away or 'the gateway is stopping'}; nothing was published")
        return self._client

    async def _stay_connected(self) -> None:
        while True:
            try:
                async with asyncio.timeout(ASK_DEADLINE_S if self._client is not None else None):
                    await self._look()
                if self.away is not None:
                    log.info("Kafka at %s answers", self._kafka.bootstrap_servers)
                self.away = None
            except (Unavailable, Incompatible, TimeoutError) as error:
                reason = str(error) or f"Kafka at {self._kafka.bootstrap_servers} does not answer"
                if self.away != reason:
                    log.warning("%s; trying again", reason)
                self.away = reason
            await asyncio.sleep(ASK_EVERY_S)

    async def _look(self) -> None:
        if self._client is None:
            client = AsyncClient(self._kafka, publish_deadline_s=self._publish_deadline_s, registry=self._registry)
            await client.__aenter__()
            try:
                await check_access(self._kafka, GATEWAY.kafka_rules)
                await client.follow()
            except BaseException:
                await client.__aexit__(None, None, None)
                raise
            self._client = client
        else:
            await check_access(self._kafka, GATEWAY.kafka_rules)


def _answers(made: Recommendation, cause: str) -> bool:
    trigger = made.trigger.event_id if made.trigger is not None else None
    return cause in (made.request_id, trigger, *made.passed_over)
