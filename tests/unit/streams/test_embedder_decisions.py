"""What the embedder decides of a batch, with real decoders on real files; the encoder is arithmetic."""

import uuid
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile

from embedder.audio_embedding import AudioEmbedding
from embedder.known_audio import KnownAudio
from embedder.service import EmbeddingPipeline
from embedder.settings import EmbedderSettings
from musicrec.contracts import DeadLetter, Track, TrackEmbedding
from musicrec.topics import EMBEDDINGS, TRACKS
from streams.embedder_agent import Changes, EmbedderAgent
from streams.messages import Decision, Incoming
from streams.metrics import EventOutcome

pytestmark = pytest.mark.torch


class OneVector:
    """Places all tracks alike."""

    model_version = "one-1"

    def embed(self, pcm_batch: Sequence[np.ndarray]) -> list[AudioEmbedding]:
        return [AudioEmbedding(np.array([0.6, 0.8], np.float32), (), (), None, None, ()) for _ in pcm_batch]


class InProcess(dict[str, KnownAudio]):
    """A memory without a server."""

    async def known(self, tracks: Sequence[str]) -> dict[str, KnownAudio]:
        return {track: self[track] for track in tracks if track in self}

    async def learn(self, changes: Changes) -> None:
        for track, (_, after) in changes.items():
            if after is None:
                self.pop(track, None)
            else:
                self[track] = after


@pytest.fixture
def memory() -> InProcess:
    return InProcess()


@pytest.fixture
async def agent(tmp_path: Path, memory: InProcess) -> AsyncIterator[EmbedderAgent]:
    settings = EmbedderSettings(allowed_root=tmp_path, decoders=1)
    async with EmbeddingPipeline.of(OneVector(), settings) as pipeline:
        yield EmbedderAgent(pipeline, memory, 1.0)


@pytest.fixture
async def again(tmp_path: Path, memory: InProcess) -> AsyncIterator[EmbedderAgent]:
    """Of the next model, for a catalogue that is embedded again."""
    settings = EmbedderSettings(allowed_root=tmp_path, decoders=1)
    encoder = OneVector()
    encoder.model_version = "next-2"
    async with EmbeddingPipeline.of(encoder, settings) as pipeline:
        yield EmbedderAgent(pipeline, memory, 1.0, name="re-embedder", again=True)


def announced(folder: Path, name: str, level: float = 0.5, **fields: str) -> Incoming:
    soundfile.write(folder / f"{name}.wav", np.full(22_050, level, np.float32), 22_050)
    track = Track(track_id=name, audio_uri=(folder / f"{name}.wav").as_uri(), **fields)
    return Incoming(TRACKS.name, 0, 0, 0, name.encode(), track.encode(), [])


def removed(name: str) -> Incoming:
    return Incoming(TRACKS.name, 0, 0, 0, name.encode(), None, [])


async def done(agent: EmbedderAgent, *batch: Incoming) -> tuple[list[str], Counter[EventOutcome]]:
    """Return what is published, tombstones marked with a minus, and what is counted."""
    decision: Decision = await agent.decide(batch)
    await decision.save()
    assert {message.topic for message in decision.messages} <= {EMBEDDINGS.name}
    published = [f"{'' if m.value else '-'}{(m.key or b'').decode()}" for m in decision.messages]
    return published, decision.outcomes


async def test_a_track_that_comes_again_with_the_same_audio_is_neither_embedded_nor_published(agent, tmp_path) -> None:
    assert await done(agent, announced(tmp_path, "a")) == (["a"], {EventOutcome.EMBEDDED: 1})
    assert await done(agent, announced(tmp_path, "a", title="Renamed")) == ([], {EventOutcome.UNCHANGED: 1})
    assert await done(agent, announced(tmp_path, "a", level=0.4)) == (["a"], {EventOutcome.EMBEDDED: 1})


async def test_a_record_names_the_audio_and_the_model_that_are_remembered(agent, memory, tmp_path) -> None:
    decision = await agent.decide([announced(tmp_path, "a")])
    assert memory == {}, "nothing is remembered before it is delivered"
    await decision.save()
    record = TrackEmbedding.decode(decision.messages[0].value)
    assert memory == {"a": KnownAudio(record.audio_sha256, "one-1")}


async def test_what_another_model_embedded_is_embedded_by_this_one(agent, memory, tmp_path) -> None:
    await done(agent, announced(tmp_path, "a"))
    memory["a"] = KnownAudio(memory["a"].fingerprint, "other-1")
    assert await done(agent, announced(tmp_path, "a")) == (["a"], {EventOutcome.EMBEDDED: 1})


async def test_a_removed_track_that_comes_back_is_embedded(agent, memory, tmp_path) -> None:
    await done(agent, announced(tmp_path, "a"), announced(tmp_path, "b"))
    assert await done(agent, removed("a")) == (["-a"], {EventOutcome.REMOVED: 1})
    assert memory.keys() == {"b"}
    assert await done(agent, announced(tmp_path, "a")) == (["a"], {EventOutcome.EMBEDDED: 1})
    together = await done(agent, removed("b"), announced(tmp_path, "b"))
    assert together == (["-b", "b"], {EventOutcome.REMOVED: 1, EventOutcome.EMBEDDED: 1})
    assert await done(agent, announced(tmp_path, "b"), removed("b")) == (["-b"], {EventOutcome.REMOVED: 1})


async def test_tombstones_of_keys_that_are_no_text_stand_beside_those_of_tracks(agent, tmp_path) -> None:
    keys = (b"\xff", b"\xfe", "\ufffd".encode())
    decision = await agent.decide([Incoming(TRACKS.name, 0, 0, 0, key, None, []) for key in keys])
    await decision.save()
    assert [(message.key, message.value) for message in decision.messages] == [(key, None) for key in keys]


async def test_what_is_refused_or_names_no_audio_is_not_remembered(agent, memory) -> None:
    silent = Track(track_id="silent")
    gone = Track(track_id="gone", audio_uri=f"file:///{uuid.uuid4()}")
    messages = [Incoming(TRACKS.name, 0, 0, 0, t.track_id.encode(), t.encode(), []) for t in (silent, gone)]
    decision = await agent.decide(messages)
    await decision.save()
    assert decision.outcomes == {EventOutcome.WITHOUT_AUDIO: 1}
    assert decision.dead_letters() == {"uri_forbidden": 1}
    assert memory == {}


async def test_what_the_next_model_has_embedded_neither_embeds_when_it_comes_again(agent, again, tmp_path) -> None:
    assert await done(agent, announced(tmp_path, "a")) == (["a"], {EventOutcome.EMBEDDED: 1})
    assert await done(again, announced(tmp_path, "a")) == (["a"], {EventOutcome.EMBEDDED: 1})
    for either in (agent, again):
        assert await done(either, announced(tmp_path, "a")) == ([], {EventOutcome.UNCHANGED: 1})


async def test_a_tombstone_in_the_catalogue_leaves_a_track_that_has_come_back_alone(agent, again, tmp_path) -> None:
    await done(agent, announced(tmp_path, "a"))
    assert await done(again, removed("a")) == ([], {})
    assert await done(again, announced(tmp_path, "a")) == (["a"], {EventOutcome.EMBEDDED: 1})


async def test_a_track_that_was_embedded_again_while_it_was_removed_is_removed_again(
    agent, again, memory, tmp_path
) -> None:
    await done(again, announced(tmp_path, "a"))
    assert await done(again, removed("a")) == (["-a"], {EventOutcome.REMOVED: 1})
    assert memory == {}
    assert await done(again, removed("a")) == (["-a"], {EventOutcome.REMOVED: 1})


async def test_dead_letters_say_who_refused(again) -> None:
    letter = (await again.decide([Incoming(TRACKS.name, 0, 0, 0, b"a", b"no track", [])])).messages[0]
    assert DeadLetter.from_headers(letter.headers).app == "re-embedder"
