"""The embedder agent: tracks in, vectors out."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from embedder.encoder import AudioEncoder
from embedder.service import EmbeddingPipeline
from embedder.settings import load_embedder_settings
from musicrec.cloud_events import check_headers, headers_for
from musicrec.contracts import Track
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.topics import EMBEDDINGS
from streams.messages import Decision, Incoming, Outgoing, dead_letter, record_message
from streams.metrics import EventOutcome


class EmbedderAgent:
    """Handler of `musicrec.tracks.v1`: a vector for each track with audio, a tombstone for each tombstone.

    A track whose audio cannot be had or decoded becomes a dead letter with the reason, and keeps whatever vector it
    had before.
    """

    name = "embedder"
    max_batch = 16
    """Vectors come out while later tracks wait: a hundred new tracks are not one batch of half a minute."""

    def __init__(self, pipeline: EmbeddingPipeline, slowest_batch_s: float) -> None:
        self._pipeline = pipeline
        self.slowest_batch_s = slowest_batch_s
        """What a batch takes of which every fetch and every decoder runs into its deadline."""

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Embed the newest version of each track in the batch."""
        decision = Decision()
        newest: dict[bytes, tuple[Incoming, Track]] = {}
        for message in batch:
            try:
                if message.key and not message.value:
                    newest.pop(message.key, None)
                    decision.messages.append(Outgoing(EMBEDDINGS.name, message.key, None, []))
                    decision.outcomes[EventOutcome.REMOVED] += 1
                    continue
                track = _decode(message)
                newest[track.track_id.encode()] = (message, track)
            except BadInput as error:
                self._refuse(decision, message, error)
        results = await self._pipeline.embed([track for _, track in newest.values()])
        for (message, _), result in zip(newest.values(), results, strict=True):
            if isinstance(result, BadInput):
                self._refuse(decision, message, result)
            elif result is None:
                decision.outcomes[EventOutcome.WITHOUT_AUDIO] += 1
            else:
                decision.messages.append(record_message(EMBEDDINGS, result, headers_for(result)))
                decision.outcomes[EventOutcome.EMBEDDED] += 1
        return decision

    def _refuse(self, decision: Decision, message: Incoming, error: BadInput) -> None:
        decision.messages.append(dead_letter(message, error, app=self.name))


def _decode(message: Incoming) -> Track:
    check_headers(message.headers, Track)
    track = Track.decode(message.value)
    if message.key != track.track_id.encode():
        raise BadInput(
            "key: it must be the track_id of the body, so that compaction keeps the newest version of each track",
            DeadLetterReason.KEY_MISMATCH,
        )
    return track


@asynccontextmanager
async def embedder_agent() -> AsyncIterator[EmbedderAgent]:
    """Load the network, start the decoders, and give the agent.

    Raises:
        Incompatible: weights or settings do not fit.
    """
    settings = load_embedder_settings()
    encoder = await asyncio.to_thread(
        AudioEncoder.load,
        settings.weights,
        settings.device,
        threads=settings.threads,
        precision=settings.precision,
    )
    async with EmbeddingPipeline.of(encoder, settings) as pipeline:
        fetches = math.ceil(EmbedderAgent.max_batch / settings.concurrent_fetches)
        decodings = math.ceil(EmbedderAgent.max_batch / settings.decoders)
        slowest_batch_s = fetches * settings.fetch_deadline_s + decodings * settings.decode_deadline_s
        yield EmbedderAgent(pipeline, slowest_batch_s)
