"""The re-embedder agent: a whole catalogue embedded by the next model, beside the embedder of live tracks.

It is an embedder with weights of its own and a consumer group that holds the model's version: another model begins
with the first track of the topic, and a restart goes on.  The replicas of the index keep a generation per model, and
change over by themselves (`index/serving.py`).

Whose word is the last
    1. Both embed what is announced meanwhile, each by its model; the topic of embeddings keeps the last record.  This
       one handles a message after the embedder has committed it (`Precedence`), so for each announcement its record
       comes last.  It goes on with the tail of the topic for as long as it runs: until the embedders have its weights.
    2. What comes again with the same audio neither embeds again (`KnownAudio`).
    3. The embedder removes tracks.  This one may have embedded a track in the moment in which it was removed, so at the
       tombstone it removes it again; unless the last word known is the embedder's: then the track has come back since.
       Where nothing is known of a track that came back, it is away until this one comes to its announcement.
    4. What it cannot embed keeps the vector of the old model, and is a dead letter of `re-embedder`.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager, suppress

from embedder.settings import EmbedderSettings
from musicrec.settings import KafkaSettings
from musicrec.topics import TRACKS
from streams.consumer_groups import consumer_group
from streams.embedder_agent import EmbedderAgent, Memory, embedder_agent
from streams.group_places import GroupPlaces
from streams.messages import Decision, Incoming
from streams.precedence import Offsets, Standing

log = logging.getLogger(__name__)

NAME = "re-embedder"


class ReEmbedderAgent:
    """Handler of `musicrec.tracks.v1` that lets the embedder go first."""

    name = NAME
    max_batch = EmbedderAgent.max_batch

    def __init__(self, agent: EmbedderAgent) -> None:
        self._agent = agent
        self.group = consumer_group(NAME, agent.model_version)
        self.slowest_batch_s = agent.slowest_batch_s
        self._standing: Standing | None = None
        self._goal: Offsets | None = None
        self._reached = False
        self.waits = False
        """Whether the last batch asked for has to wait."""

    @property
    def remaining(self) -> int | None:
        """Messages that the topic had at the start and that the group has not finished; None before it is known."""
        if self._standing is None or self._goal is None:
            return None
        return self._standing.remaining(self._goal)

    def told(self, standing: Standing) -> None:
        """Take in where the two groups stand."""
        self._standing = standing
        if self._goal is None:
            self._goal = standing.ends
            log.info("%s: %d messages of %s to go", self.group, standing.remaining(self._goal), TRACKS.name)
        if not self._reached and standing.remaining(self._goal) == 0:
            self._reached = True
            log.info("%s: all that %s had at the start is done; following what comes", self.group, TRACKS.name)

    def waits_for(self, batch: Sequence[Incoming], *, hurried: bool) -> str | None:
        """Return what a batch waits for; see `Standing.waits_for`."""
        why: str | None = "not told yet where the groups stand"
        if self._standing is not None:
            why = self._standing.waits_for(batch, self.max_batch, hurried=hurried)
        self.waits = why is not None
        return why

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Embed the newest version of each track in the batch; see `EmbedderAgent.decide`."""
        return await self._agent.decide(batch)


@asynccontextmanager
async def re_embedder_agent(
    settings: EmbedderSettings,
    memory: Memory,
    kafka: KafkaSettings,
    ended: Callable[["asyncio.Task[None]"], None],
    took: Callable[[float], None] = lambda seconds: None,
) -> AsyncIterator[ReEmbedderAgent]:
    """Load the network, start the decoders, begin to ask where the groups stand, and give the agent.

    Args:
        settings: the embedder's.
        memory: what is known of tracks' audio.
        kafka: connection.
        ended: called when nobody asks any more.
        took: given the seconds that each track needed.

    Raises:
        Incompatible: weights or settings do not fit.
    """
    async with embedder_agent(settings, memory, NAME, again=True, took=took) as embedder:
        agent = ReEmbedderAgent(embedder)
        places = GroupPlaces(
            kafka, TRACKS, first=consumer_group(EmbedderAgent.name), second=agent.group, told=agent.told
        )
        asking = asyncio.create_task(places.ask_for_ever(), name="ask where the groups stand")
        asking.add_done_callback(ended)
        try:
            yield agent
        finally:
            asking.cancel()
            with suppress(asyncio.CancelledError):
                await asking
