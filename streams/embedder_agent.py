"""The embedder agent: tracks in, vectors out."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

from embedder.encoder import AudioEncoder
from embedder.service import EmbeddingPipeline
from embedder.settings import load_embedder_settings
from musicrec.cloud_events import check_headers, headers_for
from musicrec.contracts import Track
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.topics import EMBEDDINGS
from streams.counters import Counters
from streams.messages import Decision, Incoming, Outgoing, dead_letter, record_message


class EmbedderAgent:
    """Handler of `musicrec.tracks.v1`: a vector for each track with audio, a tombstone for each tombstone.

    A track whose audio cannot be had or decoded becomes a dead letter with the reason, and keeps whatever vector it
    had before.
    """

    name = "embedder"
    max_batch = 16
    """Vectors come out while later tracks wait: a hundred new tracks are not one batch of half a minute."""

    def __init__(self, pipeline: EmbeddingPipeline, counters: Counters) -> None:
        self._pipeline = pipeline
        self._counters = counters

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Embed the newest version of each track in the batch."""
        decision = Decision()
        newest: dict[bytes, tuple[Incoming, Track]] = {}
        for message in batch:
            try:
                if message.key and not message.value:
                    newest.pop(message.key, None)
                    decision.messages.append(Outgoing(EMBEDDINGS.name, message.key, None, []))
                    self._counters.add("removed")
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
                self._counters.add("without_audio")
            else:
                decision.messages.append(record_message(EMBEDDINGS, result, headers_for(result)))
                self._counters.add("embedded")
        return decision

    def _refuse(self, decision: Decision, message: Incoming, error: BadInput) -> None:
        decision.messages.append(dead_letter(message, error, app=self.name))
        self._counters.add(f"dead_lettered_{error.reason}")


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
async def embedder_agent(counters: Counters) -> AsyncIterator[EmbedderAgent]:
    """Load the network, start the decoders, and give the agent.

    Raises:
        Incompatible: weights or settings do not fit.
    """
    settings = load_embedder_settings()
    encoder = await asyncio.to_thread(AudioEncoder.load, settings.weights, settings.device, threads=settings.threads)
    async with EmbeddingPipeline.of(encoder, settings) as pipeline:
        yield EmbedderAgent(pipeline, counters)
