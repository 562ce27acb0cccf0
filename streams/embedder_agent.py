"""The embedder agent: tracks in, vectors out."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Protocol

from embedder.encoder import AudioEncoder
from embedder.known_audio import KnownAudio, known_after
from embedder.service import EmbeddingPipeline, NoNeed, Settled
from embedder.settings import EmbedderSettings
from musicrec.cloud_events import check_headers
from musicrec.contracts import Track, TrackEmbedding
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.topics import EMBEDDINGS
from streams.messages import Decision, Incoming, Outgoing, dead_letter, record_message
from streams.metrics import EventOutcome
from streams.traces import PASSED_ON, BatchTrace, Traces

_OUTCOMES = {NoNeed.WITHOUT_AUDIO: EventOutcome.WITHOUT_AUDIO, NoNeed.UNCHANGED: EventOutcome.UNCHANGED}


Changes = dict[str, tuple[KnownAudio | None, KnownAudio | None]]
"""By track what was known of it and what is known now; None where nothing is, or the track was removed."""


class Memory(Protocol):
    """What is known of tracks' audio; see `EmbeddingMemory`."""

    async def known(self, tracks: Sequence[str]) -> dict[str, KnownAudio]:
        """Return what is known of tracks."""

    async def learn(self, changes: Changes) -> None:
        """Write what is known of tracks after their records were delivered."""


class NoMemory:
    """Knows nothing: whatever is announced is embedded."""

    async def known(self, tracks: Sequence[str]) -> dict[str, KnownAudio]:
        """Return nothing."""
        return {}

    async def learn(self, changes: Changes) -> None:
        """Forget it."""


class EmbedderAgent:
    """Handler of `musicrec.tracks.v1`: a vector for each track with audio, a tombstone for each tombstone.

    A track whose audio cannot be had or decoded becomes a dead letter with the reason, and keeps whatever vector it
    had before.  One whose audio is settled (`KnownAudio`) keeps it too, and nothing is published.
    """

    name = "embedder"
    """Of the agent of live tracks."""
    max_batch = 16
    """Vectors come out while later tracks wait: a hundred new tracks are not one batch of half a minute."""

    def __init__(
        self,
        pipeline: EmbeddingPipeline,
        memory: Memory,
        slowest_batch_s: float,
        *,
        name: str = name,
        again: bool = False,
        traces: Traces = PASSED_ON,
    ) -> None:
        """Make an agent.

        Args:
            pipeline: from tracks to embeddings.
            memory: what is known of tracks' audio.
            slowest_batch_s: see the attribute.
            name: in dead letters and logs.
            again: whether a catalogue is embedded again beside the agent of live tracks; see `re_embedder_agent`.
            traces: where its spans come from.
        """
        self.name = name
        self._pipeline = pipeline
        self._memory = memory
        self._again = again
        self._traces = traces
        self.model_version = pipeline.model_version
        self.slowest_batch_s = slowest_batch_s
        """What a batch takes of which every fetch and every decoder runs into its deadline."""

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Embed the newest version of each track in the batch."""
        decision, changes = Decision(trace=(trace := self._traces.batch())), Changes()
        removed, newest = self._newest(batch, decision, trace)
        known = await self._memory.known([*removed.values(), *newest])
        for key, track_id in removed.items():
            if self._again and self._is_anothers(known.get(track_id)):
                continue
            decision.messages.append(Outgoing(EMBEDDINGS.name, key, None, []))
            decision.outcomes[EventOutcome.REMOVED] += 1
            changes[track_id] = (known.pop(track_id, None), None)
        results = await self._pipeline.embed([track for _, track in newest.values()], self._settled_by(known))
        for (message, track), result in zip(newest.values(), results, strict=True):
            match result:
                case BadInput():
                    self._refuse(decision, trace, message, result)
                case NoNeed():
                    trace.step(message, _OUTCOMES[result])
                    decision.outcomes[_OUTCOMES[result]] += 1
                case TrackEmbedding():
                    context = trace.step(message, EventOutcome.EMBEDDED)
                    decision.messages.append(record_message(EMBEDDINGS, result, context))
                    decision.outcomes[EventOutcome.EMBEDDED] += 1
                    before = known.get(track.track_id)
                    changes[track.track_id] = (before, known_after(before, result, again=self._again))
        decision.save = lambda: self._memory.learn(changes)
        return decision

    def _newest(
        self, batch: Sequence[Incoming], decision: Decision, trace: BatchTrace
    ) -> tuple[dict[bytes, str], dict[str, tuple[Incoming, Track]]]:
        """Return what is removed, by key, and the newest version of each track that was not removed since."""
        removed: dict[bytes, str] = {}
        newest: dict[str, tuple[Incoming, Track]] = {}
        for message in batch:
            try:
                if message.key and not message.value:
                    # A key that is no text is nobody's; its tombstone goes on as any other.
                    removed[message.key] = track_id = message.key.decode(errors="replace")
                    newest.pop(track_id, None)
                else:
                    track = _decode(message)
                    newest[track.track_id] = (message, track)
            except BadInput as error:
                self._refuse(decision, trace, message, error)
        return removed, newest

    def _settled_by(self, known: Mapping[str, KnownAudio]) -> Settled:
        def settled(track: Track, fingerprint: str) -> bool:
            before = known.get(track.track_id)
            return before is not None and before.settles(fingerprint, self.model_version, again=self._again)

        return settled

    def _is_anothers(self, known: KnownAudio | None) -> bool:
        """Return whether the last word on a track is that of another model."""
        return known is not None and known.model_version != self.model_version

    def _refuse(self, decision: Decision, trace: BatchTrace, message: Incoming, error: BadInput) -> None:
        trace.step(message, EventOutcome.DEAD_LETTERED)
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
async def embedder_agent(
    settings: EmbedderSettings,
    memory: Memory,
    name: str = EmbedderAgent.name,
    *,
    again: bool = False,
    traces: Traces = PASSED_ON,
    took: Callable[[float], None] = lambda seconds: None,
) -> AsyncIterator[EmbedderAgent]:
    """Load the network, start the decoders, and give the agent; arguments as `EmbedderAgent` has them.

    `took` is given the seconds that each track needed.

    Raises:
        Incompatible: weights or settings do not fit.
    """
    encoder = await asyncio.to_thread(
        AudioEncoder.load,
        settings.weights,
        settings.device,
        threads=settings.threads,
        precision=settings.precision,
    )
    async with EmbeddingPipeline.of(encoder, settings, took) as pipeline:
        fetches = math.ceil(EmbedderAgent.max_batch / settings.concurrent_fetches)
        decodings = math.ceil(EmbedderAgent.max_batch / settings.decoders)
        slowest_batch_s = fetches * settings.fetch_deadline_s + decodings * settings.decode_deadline_s
        yield EmbedderAgent(pipeline, memory, slowest_batch_s, name=name, again=again, traces=traces)
