"""kill -9 exactly after each step of the loop, of every agent: what comes out is as if nothing had happened.

Each agent dies after the first step, the one after it after the second, and so on; the last one does what is left.
"""

import asyncio
import uuid
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import soundfile
from conftest import start_worker, until_ready
from history import (
    answers,
    assert_each_applied_once,
    assert_each_list_answers_one_event,
    assert_states_hold_each_once,
    summary,
)
from probe import about, commit_ends, play, producing, publish, publish_events, reading

from musicrec.contracts import DeadLetter, Outcome, Track, TrackEmbedding
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from streams.consumer_groups import consumer_group
from streams.crash_point import Step

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(240)]

LISTENS, DEAD = "musicrec.listens.v1", "musicrec.listens.v1.dlq"
SESSIONS, LISTS, OUTCOMES = "musicrec.sessions.v1", "musicrec.recommendations.v1", "musicrec.outcomes.v1"
TRACKS, VECTORS, REFUSED = "musicrec.tracks.v1", "musicrec.track-embeddings.v1", "musicrec.tracks.v1.dlq"
AGENTS = (("session", "ranking", "outcome"), ("session-ranking", "outcome"))
LISTENERS, EVENTS_EACH, BAD = 10, 6, 4
KILLED = -9
FIRST, *OTHERS = Step


def start_doomed(agent: str, step: Step, stack: StackAddresses, folder: Path, **more: str) -> ChildProcess:
    return start_worker(stack, folder, agent, "a", MUSICREC_AGENT__CRASH_AFTER=step.value, **more)


async def survivor_of(
    doomed: ChildProcess, agent: str, stack: StackAddresses, folder: Path, **more: str
) -> ChildProcess:
    """Wait until one is killed after the first step, the next after the second, and so on; start the last."""

    async def killed(process: ChildProcess) -> None:
        async with asyncio.timeout(100):
            assert await process.wait() == KILLED, process.log_tail()

    for step in OTHERS:
        await killed(doomed)
        doomed = start_doomed(agent, step, stack, folder, **more)
    await killed(doomed)
    return start_worker(stack, folder, agent, "a", **more)


@pytest.mark.row(10)
@pytest.mark.timeout(480)  # up to eighteen starts
@pytest.mark.parametrize("agents", AGENTS, ids=", ".join)
async def test_every_event_is_applied_answered_and_joined_once(
    agents: Sequence[str], stack: StackAddresses, tmp_path: Path
) -> None:
    run = uuid.uuid4().hex[:8]
    users = [f"{run}-{number}" for number in range(LISTENERS)]
    events = [play(user, f"t{(n * i) % 9}", n) for n in range(EVENTS_EACH) for i, user in enumerate(users)]
    junk = f"junk {run}"

    if "session-ranking" in agents:  # other tests do not run it: its first batch has to be one of this test
        await commit_ends(stack, consumer_group("session-ranking"), [LISTENS])
    doomed = [start_doomed(agent, FIRST, stack, tmp_path) for agent in agents]
    async with (
        reading(stack, SESSIONS, LISTS, OUTCOMES, DEAD, only=about(junk, *users)) as tail,
        producing(stack) as producer,
    ):
        await publish_events(producer, events)
        await publish(producer, LISTENS, [(junk.encode(), b"junk %d" % number) for number in range(BAD)])
        workers = await asyncio.gather(
            *(survivor_of(process, agent, stack, tmp_path) for process, agent in zip(doomed, agents, strict=True))
        )
        try:
            wanted = {event.event_id for event in events}
            await tail.until(lambda t: set(answers(t.on(LISTS))) >= wanted, deadline_s=100)
            await tail.until(lambda t: {Outcome.decode(r.value).event_id for r in t.on(OUTCOMES)} >= wanted)
            await tail.until(lambda t: len({record.value for record in t.on(DEAD)}) == BAD)
            await tail.quiet()
        finally:
            await asyncio.gather(*(process.stop() for process in workers))
    print(summary(len(events) + BAD, tail.on(SESSIONS), tail.on(DEAD), tail.on(LISTS)))
    assert_each_applied_once(events, tail.on(SESSIONS))
    assert_each_list_answers_one_event(tail.on(LISTS))
    await assert_states_hold_each_once(stack, events)
    letters = [DeadLetter.from_headers(list(record.headers)) for record in tail.on(DEAD)]
    assert {letter.reason for letter in letters} == {DeadLetterReason.MALFORMED}
    assert len({(letter.original_partition, letter.original_offset) for letter in letters}) == BAD


@pytest.mark.row(10)
@pytest.mark.torch
async def test_every_announced_track_has_its_vector(stack: StackAddresses, tmp_path: Path) -> None:
    run = uuid.uuid4().hex[:8]
    soundfile.write(tmp_path / "noise.flac", np.random.default_rng(0).uniform(-0.5, 0.5, 5 * 22_050), 22_050)
    tracks = [Track(track_id=f"{run} {n}", audio_uri=(tmp_path / "noise.flac").as_uri()) for n in range(3)]
    lost = Track(track_id=f"{run} lost", audio_uri=(tmp_path / "lost.flac").as_uri())
    names = {track.track_id for track in tracks}
    here = {"MUSICREC_EMBEDDER_ALLOWED_ROOT": str(tmp_path), "MUSICREC_EMBEDDER_DECODERS": "1"}
    doomed = start_doomed("embedder", FIRST, stack, tmp_path, **here)
    async with (
        reading(stack, VECTORS, REFUSED, only=about(lost.track_id, *names)) as tail,
        producing(stack) as producer,
    ):
        messages = [(track.track_id.encode(), track.encode()) for track in (*tracks, lost)]
        await publish(producer, TRACKS, messages)
        worker = await survivor_of(doomed, "embedder", stack, tmp_path, **here)
        try:
            await until_ready(worker)
            await tail.until(lambda t: {record.key for record in t.records} >= {key for key, _ in messages})
        finally:
            await worker.stop()
    vectors = [TrackEmbedding.decode(r.value) for r in tail.on(VECTORS)]
    assert {embedding.track_id for embedding in vectors} == names
    first, *others = [embedding.vector() for embedding in vectors]
    assert all(np.allclose(first, other, atol=1e-5) for other in others), "the same audio, whoever embedded it"
    reasons = {DeadLetter.from_headers(list(r.headers)).reason for r in tail.on(REFUSED)}
    assert reasons == {DeadLetterReason.FETCH_FAILED}
