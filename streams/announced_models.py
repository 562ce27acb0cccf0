"""What is announced on `musicrec.models.v1`, followed and handed to what keeps models of its name."""

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka import ConsumerRecord

from musicrec.contracts import ModelAnnouncement
from musicrec.errors import BadInput
from musicrec.model_announcements import announcement_in
from musicrec.topic_follower import TopicFollower
from musicrec.topics import MODELS
from streams.announced_model import AnnouncedModel
from streams.counters import Counters
from streams.vitals import Followed

log = logging.getLogger(__name__)


class AnnouncedModels:
    """Follows the topic for models of several kinds."""

    def __init__(
        self,
        connection: Mapping[str, Any],
        counters: Counters,
        kinds: Sequence[AnnouncedModel[Any]],
        on_other: Callable[[str, ModelAnnouncement | None], None] = lambda *_: None,
    ) -> None:
        """Make one; `ready` sets it going.

        Args:
            connection: aiokafka's connection arguments, as `KafkaSettings.client_options` returns them.
            counters: what is counted.
            kinds: are given the announcements of their names.
            on_other: given those of everything else, by name; None for what is withdrawn.
        """
        self._follower = TopicFollower(connection, [MODELS.name], self.take)
        self._counters = counters
        self._kinds = {kind.name: kind for kind in kinds}
        self._on_other = on_other

    def followed(self) -> Followed:
        """Return how it gets on."""
        ended = self._follower.ended or any(kind.ended for kind in self._kinds.values())
        return Followed(MODELS.name, self._follower.caught_up, self._follower.lag, ended)

    async def ready(self) -> None:
        """Follow from now on, and return when all that stands on the topic was handed over."""
        self._follower.start()
        await self._follower.ready()

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take in announcements, in order."""
        for record in records:
            try:
                name, announced = announcement_in(record.key, record.value)
            except BadInput as error:
                self._counters.unreadable.labels(MODELS.name).inc()
                log.warning("%s@%d passed over: %s", MODELS.name, record.offset, error)
                continue
            if name in self._kinds:
                self._kinds[name].take(announced)
            else:
                self._on_other(name, announced)

    async def stop(self) -> None:
        """Change nothing any more."""
        for kind in self._kinds.values():
            await kind.stop()
        await self._follower.stop()
