"""A catalogue is embedded again by another model, while new tracks come: nobody waits for it, and nothing is lost."""

import asyncio
import re
import signal
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiokafka import AIOKafkaProducer
from conftest import own_servers, start_worker, until_ready
from probe import Tail, producing, publish, reading
from tiny_audio import noises, untrained_weights

from index.follower import EmbeddingFollower
from index.serving import ServingIndex
from musicrec.contracts import Track, TrackEmbedding
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess

pytestmark = [pytest.mark.kafka, pytest.mark.torch, pytest.mark.timeout(300)]

TRACKS, EMBEDDINGS = "musicrec.tracks.v1", "musicrec.track-embeddings.v1"
KILLED = -9


@dataclass(frozen=True)
class Models:
    """Two sets of weights."""

    old: str
    new: str
    folder: Path

    def weights(self, model: str) -> str:
        return str(self.folder / ("old" if model == self.old else "new")) + ".safetensors"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    folder = tmp_path_factory.mktemp("weights")
    old, new = (untrained_weights(folder / f"{name}.safetensors", seed) for seed, name in enumerate(("old", "new")))
    assert old != new
    return Models(old, new, folder)


def start(
    stack: StackAddresses, folder: Path, agent: str, models: Models, model: str, **environment: str
) -> ChildProcess:
    here = {
        "MUSICREC_EMBEDDER_ALLOWED_ROOT": str(folder),
        "MUSICREC_EMBEDDER_WEIGHTS": models.weights(model),
        "MUSICREC_EMBEDDER_DECODERS": "1",
        "MUSICREC_EMBEDDER_THREADS": "1",
    }
    return start_worker(stack, folder, agent, **(here | environment))


async def announce(producer: AIOKafkaProducer, tracks: Sequence[Track]) -> None:
    await publish(producer, TRACKS, [(track.track_id.encode(), track.encode()) for track in tracks])


def words(tail: Tail) -> dict[str, list[str]]:
    """Return the models that embedded each track, in order; `-` where it was removed."""
    found: dict[str, list[str]] = {}
    for record in sorted(tail.records, key=lambda r: (r.partition, r.offset)):
        word = TrackEmbedding.decode(record.value).model_version if record.value else "-"
        found.setdefault(record.key.decode(), []).append(word)
    return found


def last_words(tail: Tail) -> dict[str, str]:
    return {track: word for track, (*_, word) in words(tail).items()}


@pytest.mark.row(10, 43)
async def test_every_replica_changes_over_to_the_new_model_and_no_track_is_lost(tmp_path: Path, models: Models) -> None:
    catalogue = noises(tmp_path, (f"old{n}" for n in range(20)))
    live = noises(tmp_path, (f"live{n}" for n in range(8)))
    index = ServingIndex()
    everybody = {track.track_id for track in (*catalogue, *live)} - {"old0"}
    async with own_servers(tmp_path / "stack") as servers:
        stack = servers.addresses
        follower = EmbeddingFollower(stack.kafka.client_options(), index)
        await follower.start()
        embedder = start(stack, tmp_path, "embedder", models, models.old)
        async with reading(stack, EMBEDDINGS) as tail, producing(stack) as producer:
            await announce(producer, catalogue)
            await tail.until(lambda t: len(words(t)) == 20)
            await tail.until(lambda _: len(index) == 20)
            assert index.model_version == models.old

            slowly = {"MUSICREC_AGENT__MAX_BATCH": "3"}
            again = start(stack, tmp_path, "re-embedder", models, models.new, **slowly)
            await tail.until(lambda t: [*last_words(t).values()].count(models.new) >= 5)
            again.signal(signal.SIGKILL)
            assert await again.wait() == KILLED
            await publish(producer, TRACKS, [(b"old0", None)])
            await announce(producer, [*live[:4], *catalogue[1:3]])
            await tail.until(lambda t: {track.track_id for track in live[:4]} <= words(t).keys())
            assert index.model_version == models.old

            again = start(stack, tmp_path, "re-embedder", models, models.new, **slowly)
            await until_ready(again)
            await announce(producer, [*live[4:], *catalogue[3:5]])
            await tail.until(lambda t: _all_but_removed(last_words(t), models.new) == everybody)
            await tail.until(lambda _: index.model_version == models.new)
            await tail.until(lambda _: {track for track in everybody if track in index} == everybody)
            assert "old0" not in index

            await embedder.stop()
            embedder = start(stack, tmp_path, "embedder", models, models.new)
            await until_ready(embedder)
            before = len(tail.records)
            late = noises(tmp_path, ["late"])
            await announce(producer, [*catalogue[1:], *live, *late])
            await tail.until(lambda t: "late" in words(t))
            await tail.quiet()
        await asyncio.gather(embedder.stop(), again.stop())
        await follower.stop()
    assert "all that musicrec.tracks.v1 had at the start is done" in again.log_file.read_text()
    said = words(tail)
    assert said["late"] == [models.new]
    assert len(tail.records) == before + 1, "whoever comes again with the same audio is left as it is"
    assert last_words(tail) == dict.fromkeys(everybody | {"late"}, models.new) | {"old0": "-"}
    for track in live:
        assert said[track.track_id][0] == models.old, "new tracks are embedded at once"


def _all_but_removed(last: dict[str, str], model: str) -> set[str]:
    return {track for track, word in last.items() if word == model}


async def test_while_the_embedder_is_behind_the_catalogue_waits_and_the_worker_lives(
    tmp_path: Path, models: Models
) -> None:
    catalogue = noises(tmp_path, (f"old{n}" for n in range(4)))
    backlog = noises(tmp_path, (f"live{n}" for n in range(24)))
    async with own_servers(tmp_path / "stack") as servers:
        stack = servers.addresses
        embedder = start(stack, tmp_path, "embedder", models, models.old)
        async with reading(stack, EMBEDDINGS) as tail, producing(stack) as producer:
            await announce(producer, catalogue)
            await tail.until(lambda t: len(words(t)) == 4)
            await embedder.stop()
            await announce(producer, backlog)
            impatient = {"MUSICREC_HEALTH__STUCK_AFTER_S": "1", "MUSICREC_EMBEDDER_FETCH_DEADLINE_S": "0.1"}
            impatient |= {"MUSICREC_EMBEDDER_DECODE_DEADLINE_S": "0.1"}
            again = start(stack, tmp_path, "re-embedder", models, models.new, **impatient)
            await until_ready(again)
            async with asyncio.timeout(30):
                while "waits: the group musicrec-embedder is 24 messages behind" not in await asked(again, "readyz"):
                    await asyncio.sleep(0.2)
            await tail.quiet(8.0)
            metrics = await asked(again, "metrics")
            assert "musicrec_re_embedding_waits 1.0" in metrics
            assert "musicrec_re_embedding_remaining_messages 28.0" in metrics
            assert len(tail.records) == 4

            await again.stop()
            assert again.returncode == 0
            again = start(stack, tmp_path, "re-embedder", models, models.new)
            embedder = start(stack, tmp_path, "embedder", models, models.old)
            await tail.until(lambda t: [*last_words(t).values()].count(models.new) == 28)
            while "musicrec_re_embedding_remaining_messages 0.0" not in await asked(again, "metrics"):
                await asyncio.sleep(0.2)
        await asyncio.gather(embedder.stop(), again.stop())
    assert all(said[-2:] == [models.old, models.new] for said in words(tail).values())


async def asked(process: ChildProcess, path: str) -> str:
    """Return what a worker answers."""
    addresses = re.findall(r"http://[\d.]+:\d+", process.log_file.read_text())
    async with ClientSession() as client, client.get(f"{addresses[-1]}/{path}") as response:
        return await response.text()
