"""The client for programs with an event loop."""

import asyncio
import logging
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from types import TracebackType
from typing import Final, Self
from uuid import uuid4

from aiokafka import AIOKafkaProducer
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaError,
    MessageSizeTooLargeError,
    TopicAuthorizationFailedError,
)
from pydantic import ValidationError

from musicrec.access import KafkaRule, Operation, Resource
from musicrec.client.events import now_ms, refused_fields
from musicrec.client.list_readers import ListReaders
from musicrec.client.publishing_span import publishing
from musicrec.client.subscription import MOST_WAITING, Subscription
from musicrec.client.subscriptions import Message, Subscriptions
from musicrec.contracts import ListenEvent, Mode, Outcome, Recommendation, RecommendationRequest, Track
from musicrec.errors import BadInput, DeadLetterReason, Incompatible, Unavailable
from musicrec.kafka_access import check_access, refused_rules
from musicrec.kafka_connection import check_connection
from musicrec.producer_numbering import begin_anew, close_at_once
from musicrec.registry.wire_format import NO_MARKS, Headers, Marks
from musicrec.settings import KafkaSettings, RegistrySettings, load_settings
from musicrec.topic_follower import Handler, StartAt, TopicFollower
from musicrec.topics import LISTENS, OUTCOMES, RECOMMENDATIONS, REQUESTS, TRACKS, Topic

logger = logging.getLogger(__name__)

PUBLISH_DEADLINE_S: Final = 30.0
"""For a message to be on the broker, through a change of leaders or a restart."""

ANSWER_DEADLINE_S: Final = 2.0
"""For a list; it comes within a tenth of a second where ranking workers keep up."""

READER_DEADLINE_S: Final = 30.0
"""For a topic to be followed."""

LINGER_MS: Final = 2
"""Messages published together wait so long for each other."""

STOP_DEADLINE_S: Final = 10.0
"""For what is on its way when the client is closed."""

PAUSE_S: Final = 0.5
"""Before what has failed is sent again; aiokafka itself has tried for some time by then."""

_FINAL: Final = (TopicAuthorizationFailedError, ClusterAuthorizationFailedError, MessageSizeTooLargeError)
"""What no further attempt can mend."""

Published = ListenEvent | Track | RecommendationRequest
_TOPICS: Final[dict[type[Published], Topic]] = {ListenEvent: LISTENS, Track: TRACKS, RecommendationRequest: REQUESTS}


class AsyncClient:
    """Publishes what listeners do and gets the lists that answer it; use it as an async context.

    It tries again by itself whatever can be tried again, and never doubles or reorders a listener's events.  One client
    serves any number of tasks.  What it never does it needs no right for.
    """

    def __init__(
        self,
        kafka: KafkaSettings | str | None = None,
        *,
        publish_deadline_s: float = PUBLISH_DEADLINE_S,
        registry: RegistrySettings | None = None,
    ) -> None:
        """Make a client; entering the context connects it.

        Args:
            kafka: how to reach Kafka: settings, or HOST:PORT of brokers, comma-separated; None takes the environment's
                `MUSICREC_KAFKA__…`, and its `MUSICREC_REGISTRY__…` with it.
            publish_deadline_s: how long `publish` tries.
            registry: a schema registry, whose ids go with what is published where its `schema_id` says so.

        Raises:
            Incompatible: the environment or the address is not as it needs to be.
        """
        self._kafka, found = _settings(kafka)
        self._registry = registry or found
        self._marks: dict[str, Marks] = {}
        self._asking = asyncio.Lock()
        self._publish_deadline_s = publish_deadline_s
        self._readers = ListReaders()
        self._outcomes = Subscriptions(Outcome.decode)
        self._connected = False
        self._starting = asyncio.Lock()
        self._followers: dict[str, TopicFollower] = {}
        self._producer: AIOKafkaProducer | None = None

    async def __aenter__(self) -> Self:
        """Connect.

        Raises:
            Incompatible: the broker refuses the user or the certificate.
            Unavailable: no broker answers.
        """
        await check_connection(self._kafka)
        self._connected = True
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Send what is on its way, end all subscriptions and close the connections."""
        self._connected = False
        self._readers.end()
        self._outcomes.end()
        await self._stop_writing()
        followers, self._followers = self._followers, {}
        for follower in followers.values():
            await follower.stop()

    async def publish(self, record: Published) -> None:
        """Publish an event, a track or a request; returns once the broker has it for good.

        Raises:
            BadInput: the record is larger than its contract allows.
            Incompatible: the broker does not let this user write the topic, or the schema registry lacks its schema.
            Unavailable: the broker, or the registry before the first record of a topic, stays away.  Whether the broker
                has the record is not known: publish the same one again, and by its id it is applied once.
        """
        topic, value = _TOPICS[type(record)], record.encode()
        if len(value) > record.MAX_BYTES:
            name, most = type(record).__name__, record.MAX_BYTES
            raise BadInput(f"{len(value)} bytes; {name} allows {most}", DeadLetterReason.TOO_LARGE)
        await self._send(topic, getattr(record, topic.key), value)

    async def remove_track(self, track_id: str) -> None:
        """Take a track out of the catalogue, its vector with it; raises as `publish` does."""
        await self._send(TRACKS, track_id, None)

    async def list_after(self, event: ListenEvent, *, deadline_s: float = ANSWER_DEADLINE_S) -> Recommendation:
        """Publish an event and return the list that answers it.

        Where newer events of the listener were waiting already, that is the list that answers them together.

        Args:
            event: what happened.
            deadline_s: how long to wait for the list once the event is published.

        Raises:
            BadInput, Incompatible, Unavailable: as of `publish`; Unavailable too where no list comes in time.  An event
                that is refused, or too old to be answered, gets none: `musicrec dlq list` tells.
        """
        return await self._answered(event, event.user_id, event.event_id, deadline_s)

    async def ask(
        self,
        user_id: str,
        mode: Mode = Mode.PERSONAL,
        *,
        track_id: str | None = None,
        limit: int = 20,
        market: str | None = None,
        deadline_s: float = ANSWER_DEADLINE_S,
    ) -> Recommendation:
        """Ask for a list.

        Args:
            user_id: the listener.
            mode: kind of list.
            track_id: what a `similar` list shall be similar to.
            limit: how many tracks.
            market: where the listener is, ISO 3166-1 alpha-2; None for where their events said.
            deadline_s: how long to wait for it once the request is published.

        Raises:
            BadInput: an argument breaks the contract; names it.
            Incompatible, Unavailable: as of `list_after`.
        """
        try:
            request = RecommendationRequest(
                request_id=str(uuid4()),
                user_id=user_id,
                mode=mode,
                track_id=track_id,
                limit=limit,
                requested_at_ms=now_ms(),
                market=market,
            )
        except ValidationError as error:
            raise refused_fields(error) from None
        return await self._answered(request, user_id, request.request_id, deadline_s)

    @asynccontextmanager
    async def lists(
        self, user_id: str | None = None, *, most_waiting: int = MOST_WAITING
    ) -> AsyncIterator[Subscription[Recommendation]]:
        """Give the lists of a listener, or of all listeners, that come from now on.

        Args:
            user_id: the listener; None for all.
            most_waiting: lists that wait for a slow reader; with one more the oldest goes, and counts as `missed`.

        Raises:
            Incompatible: the broker does not let this user read the topic.
            Unavailable: the broker does not answer, or the topic does not exist.
        """
        await self.follow()
        with self._readers.subscription(user_id, most_waiting) as subscription:
            yield subscription

    async def follow(self) -> None:
        """Have the topic of lists followed; returns once it is, so that no later list is missed.

        Whoever asks for a list or subscribes to lists does it too; done before, the first of them need not wait for it.

        Raises:
            Incompatible, Unavailable: as of `lists`.
        """
        await self._read(RECOMMENDATIONS, self._readers.take)

    @asynccontextmanager
    async def outcomes(self, user_id: str | None = None) -> AsyncIterator[Subscription[Outcome]]:
        """Give what was played after the lists of a listener, or of all listeners, and where in the list it stood.

        Raises:
            Incompatible, Unavailable: as of `lists`.
        """
        await self._read(OUTCOMES, self._take_outcomes)
        with self._outcomes.subscription(user_id) as subscription:
            yield subscription

    def _take_outcomes(self, messages: Sequence[Message]) -> None:
        for message in messages:
            self._outcomes.hand_over(message)

    async def _answered(self, record: Published, user_id: str, cause: str, deadline_s: float) -> Recommendation:
        await self.follow()
        with self._readers.answer_to(user_id, cause) as answer:
            await self.publish(record)
            try:
                return await asyncio.wait_for(answer, deadline_s)
            except TimeoutError:
                raise Unavailable(
                    f"no list for {user_id!r} within {deadline_s:g} s of {cause!r}: do session and ranking workers "
                    "run, and do they keep up?"
                ) from None

    async def _send(self, topic: Topic, key: str, value: bytes | None) -> None:
        unknown = f"whether {topic.name} has what was published for {key!r} is not known; publish the same again"
        marks = await self._marks_of(topic)
        with _refusals(self._kafka, topic, unknown), publishing(topic) as headers:
            value, headers = marks.value(topic.name, value), marks.headers(topic.name, value, headers)
            async with asyncio.timeout(self._publish_deadline_s):
                while not await self._sent(topic, key, value, headers):
                    await asyncio.sleep(PAUSE_S)

    async def _sent(self, topic: Topic, key: str, value: bytes | None, headers: Headers) -> bool:
        """Send; return whether it is there, or whether it shall be tried again."""
        try:
            producer = await self._writing()
            try:
                await producer.send_and_wait(topic.name, value, key=key.encode(), headers=headers)
            except KafkaError:
                begin_anew(producer)
                raise
        except _FINAL:
            raise
        except KafkaError as error:
            logger.warning("%s: %r; trying again", topic.name, error)
            return False
        return True

    async def _marks_of(self, topic: Topic) -> Marks:
        """Return the marks of a topic's values; the registry is asked once."""
        if self._registry.schema_id == "none":
            return NO_MARKS
        if topic.name not in self._marks:
            from musicrec.registry.schema_marks import schema_marks  # brings aiohttp along, which others need not load

            try:
                async with asyncio.timeout(self._publish_deadline_s), self._asking:
                    if topic.name not in self._marks:
                        self._marks[topic.name] = await schema_marks(self._registry, [topic])
            except TimeoutError:
                raise Unavailable(
                    f"the schema registry at {self._registry.url} does not answer in time; nothing was published"
                ) from None
        return self._marks[topic.name]

    async def _writing(self) -> AIOKafkaProducer:
        async with self._starting:
            self._check_connected()
            if self._producer is None:
                # Partitions are chosen as Java's producer does (murmur2): a listener's events stay in one order.
                producer = AIOKafkaProducer(
                    **self._kafka.client_options(), acks="all", enable_idempotence=True, linger_ms=LINGER_MS
                )
                try:
                    await producer.start()
                except BaseException:
                    await producer.stop()
                    raise
                self._producer = producer
        return self._producer

    async def _stop_writing(self) -> None:
        producer, self._producer = self._producer, None
        if producer is not None:
            try:
                await asyncio.wait_for(producer.stop(), STOP_DEADLINE_S)
            except TimeoutError:
                await close_at_once(producer)

    async def _read(self, topic: Topic, take: Handler) -> None:
        """Have a topic followed; returns once it is, so that no later record is missed."""
        async with self._starting:
            self._check_connected()
            follower = self._followers.get(topic.name)
            if follower is None:
                await check_access(self._kafka, [KafkaRule(Resource.TOPIC, topic.name, Operation.READ)])
                follower = TopicFollower(self._kafka.client_options(), [topic.name], take, start_at=StartAt(end=True))
                follower.start()
                self._followers[topic.name] = follower
        await follower.ready(READER_DEADLINE_S)

    def _check_connected(self) -> None:
        if not self._connected:
            raise Incompatible("the client is not connected: use it as an async context")


def _settings(kafka: KafkaSettings | str | None) -> tuple[KafkaSettings, RegistrySettings]:
    if kafka is None:
        found = load_settings()
        return found.kafka, found.registry
    if isinstance(kafka, KafkaSettings):
        return kafka, RegistrySettings()
    try:
        return KafkaSettings(bootstrap_servers=kafka), RegistrySettings()
    except ValidationError as error:
        raise Incompatible(f"{kafka!r} is no address of Kafka: {error.errors()[0]['msg']}") from None


@contextmanager
def _refusals(kafka: KafkaSettings, topic: Topic, meanwhile: str) -> Iterator[None]:
    try:
        yield
    except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError):
        # The second one is for a user who may write no topic at all.
        raise refused_rules(kafka, [KafkaRule(Resource.TOPIC, topic.name, Operation.WRITE)]) from None
    except MessageSizeTooLargeError as error:
        raise BadInput(f"{topic.name} does not take it: {error}", DeadLetterReason.TOO_LARGE) from error
    except (KafkaError, OSError, TimeoutError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer ({error!r}): {meanwhile}") from error
