"""The embedder as a service: 30 s MP3 tracks per second, memory of all its processes, a new track's way to its vector,
alone and while the catalogue is embedded again by another model.

`python tests/measure/embedder_service.py`
"""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import numpy as np
import soundfile
import soxr
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from stage import Stage, arguments_of, run, say, show
from tiny_audio import untrained_weights

from embedder.synthesis import SAMPLE_RATE_HZ, Style, synthesise
from musicrec.contracts import Track
from musicrec.topics import EMBEDDINGS, TRACKS

CLIPS = 12
SECONDS = 30.0
FILE_RATE_HZ = 44_100
LOOK_EVERY_S = 0.2
DEADLINE_S = 600.0
AGAIN = 2
"""Times that a track of the catalogue comes: by the one model and by the other."""


async def measure(stage: Stage, tracks: int, alone: int, decoders: int) -> None:
    """Publish tracks at once, then some alone; print what came of it."""
    music = stage.folder / "music"
    say(f"making {CLIPS} clips")
    await asyncio.to_thread(_write_clips, music)
    environment = {"MUSICREC_EMBEDDER_ALLOWED_ROOT": str(music), "MUSICREC_EMBEDDER_DECODERS": str(decoders)}
    await stage.start_all("embedder", **environment)
    process = stage.workers["embedder-0"].pid
    kafka = stage.stack.kafka.client_options()
    async with AIOKafkaConsumer(EMBEDDINGS.name, **kafka) as consumer, AIOKafkaProducer(**kafka) as producer:
        await consumer.seek_to_end()
        vectors = Vectors(consumer)
        memory = Memory(process)
        watching = asyncio.create_task(memory.watch())
        started_s = time.monotonic()
        catalogue = [f"bulk-{number}" for number in range(tracks)]
        for number, track in enumerate(catalogue):
            await _announce(producer, music, track, number % CLIPS)
        await vectors.until(lambda: vectors.have(catalogue))
        show(f"{tracks} tracks of {SECONDS:g} s, {decoders} decoders: {tracks / (time.monotonic() - started_s):.1f}/s")
        live = [f"live-{number}" for number in range(alone)]
        show(f"a new track alone, announced to vector on its topic: {await _ways(vectors, producer, music, live)}")
        watching.cancel()
        show(
            f"memory of all processes, shared pages once: {memory.idle_mb:.0f} MB idle, {memory.most_mb:.0f} MB at most"
        )
        weights = stage.folder / "other.safetensors"
        await asyncio.to_thread(untrained_weights, weights, 1)
        await stage.start_all("re-embedder", **environment, MUSICREC_EMBEDDER_WEIGHTS=str(weights))
        await vectors.until(lambda: any(vectors.times[track] > 1 for track in catalogue))
        live = [f"meanwhile-{number}" for number in range(alone)]
        ways = await _ways(vectors, producer, music, live)
        left = sum(vectors.times[track] < AGAIN for track in catalogue)
        show(f"the same while the catalogue is embedded again by another model: {ways}; {left} tracks were left then")
        await vectors.until(lambda: vectors.have(catalogue, times=AGAIN))


class Vectors:
    """What comes on the topic of embeddings."""

    def __init__(self, consumer: AIOKafkaConsumer) -> None:
        self._consumer = consumer
        self.times: Counter[str] = Counter()
        """How often each track has come."""

    def have(self, tracks: Iterable[str], times: int = 1) -> bool:
        """Return whether each of the tracks has come so often."""
        return all(self.times[track] >= times for track in tracks)

    async def until(self, condition: Callable[[], bool]) -> None:
        """Take in what comes until the condition holds."""
        async with asyncio.timeout(DEADLINE_S):
            while not condition():
                self.times[(await self._consumer.getone()).key.decode()] += 1


async def _ways(vectors: Vectors, producer: AIOKafkaProducer, music: Path, tracks: Sequence[str]) -> str:
    """Announce tracks one after the other and tell how long each had to wait for its vector."""
    ways_s = []
    for number, track in enumerate(tracks):
        started_s = time.monotonic()
        await _announce(producer, music, track, number % CLIPS)
        await vectors.until(partial(vectors.have, [track]))
        ways_s.append(time.monotonic() - started_s)
    return f"p50 {np.median(ways_s):.2f} s, worst {max(ways_s):.2f} s"


class Memory:
    """The proportional set size of a process and its children."""

    def __init__(self, process: int) -> None:
        self._process = process
        self.idle_mb = self.most_mb = self._now_mb()

    async def watch(self) -> None:
        """Look, until cancelled."""
        while True:
            self.most_mb = max(self.most_mb, self._now_mb())
            await asyncio.sleep(LOOK_EVERY_S)

    def _now_mb(self) -> float:
        children = Path(f"/proc/{self._process}/task/{self._process}/children").read_text().split()
        return sum(_proportional_kb(number) for number in (self._process, *map(int, children))) / 1024


def _proportional_kb(process: int) -> int:
    try:
        lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
    except (FileNotFoundError, ProcessLookupError):
        return 0  # a decoder that was just replaced
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:"))


def _write_clips(folder: Path) -> None:
    folder.mkdir()
    for clip in range(CLIPS):
        mono = soxr.resample(synthesise(Style.sample(clip), clip, SECONDS), SAMPLE_RATE_HZ, FILE_RATE_HZ)
        soundfile.write(folder / f"{clip}.mp3", np.column_stack((mono, 0.9 * mono)), FILE_RATE_HZ, format="MP3")


async def _announce(producer: AIOKafkaProducer, music: Path, track_id: str, clip: int) -> None:
    """Announce a track with audio of its own: a byte after its end makes it another file."""
    path = music / f"{track_id}.mp3"
    path.write_bytes((music / f"{clip}.mp3").read_bytes() + track_id.encode())
    track = Track(track_id=track_id, audio_uri=path.as_uri())
    await producer.send_and_wait(TRACKS.name, track.encode(), key=track_id.encode())


def main() -> None:
    """Read the arguments and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--tracks", type=int, default=200, help="announced at once")
    parser.add_argument("--alone", type=int, default=20, help="announced one after the other")
    parser.add_argument("--decoders", type=int, default=4, help="decoder processes")
    arguments = parser.parse_args()
    run(lambda stage: measure(stage, arguments.tracks, arguments.alone, arguments.decoders), arguments.folder)


if __name__ == "__main__":
    main()
