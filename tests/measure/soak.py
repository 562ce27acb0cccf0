"""A steady load of ever new listeners on all four agents: does anything grow?

Resident memory, open files, and Redis' keys and memory, look after look; then how fast each worker's memory grows once
it is warm.  A ranking worker remembers sessions and listeners up to bounds, which are small here: `--fill` listeners
come before and listen as long as all others, so that its memory is full and what grows still would be a leak.
"""

import asyncio
import time
from argparse import Namespace

import numpy as np
import soundfile
from aiokafka import AIOKafkaProducer
from audience import passing_listeners
from live_path import LivePath, percentiles
from redis.asyncio import Redis
from stage import Stage, arguments_of, run, say, show
from usage import Watch, slope_mb_per_h

from musicrec.contracts import Track
from musicrec.topics import TRACKS

AGENTS = ("session", "ranking", "outcome", "embedder")
ANNOUNCED, ANNOUNCE_EVERY_S = 50, 2.0
"""So many tracks with audio are announced again and again: the embedder works, and the index does not grow."""
PLAYS_EACH = 10
SAMPLE_RATE_HZ, AUDIO_S = 22_050, 10
ANSWERS_DEADLINE_S = 600.0


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Fill, let it run, print."""
    audio = stage.folder / "noise.flac"
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, AUDIO_S * SAMPLE_RATE_HZ)
    soundfile.write(audio, noise, SAMPLE_RATE_HZ)
    variables = {
        "MUSICREC_EMBEDDER_ALLOWED_ROOT": str(stage.folder),
        "MUSICREC_EMBEDDER_DECODERS": "1",
        "MUSICREC_RANKING__MAX_SESSIONS": str(chosen.remembered),
        "MUSICREC_RANKING__MAX_LISTENERS": str(chosen.remembered),
    }
    await stage.start_all(*AGENTS, **variables)
    over = asyncio.Event()
    async with LivePath.on(stage.stack.kafka) as path:
        say(f"{chosen.fill:,} listeners come before")
        await path.publish("fill", passing_listeners("fill", PLAYS_EACH), count=chosen.fill * PLAYS_EACH)
        await path.all_answered(ANSWERS_DEADLINE_S)
        publishing = asyncio.gather(
            path.publish("steady", passing_listeners("steady", PLAYS_EACH), rate_per_s=chosen.rate, until=over),
            _announce(stage, audio.as_uri(), over),
        )
        watch = Watch(stage.workers)
        began_s = time.perf_counter()
        while (passed_s := time.perf_counter() - began_s) < chosen.minutes * 60:
            show(f"{passed_s / 60:5.1f} min  {watch.look()}  {await _redis(stage)}")
            await asyncio.sleep(chosen.every_s)
        show(f"{chosen.minutes:5.1f} min  {watch.look()}  {await _redis(stage)}")
        over.set()
        events, announced = await publishing
        await path.all_answered(ANSWERS_DEADLINE_S)
    show(f"{events:,} events at {chosen.rate:g}/s and {announced:,} tracks; event to list:")
    show(f"  {percentiles(path.answers['steady'])}")
    for name, samples in watch.samples.items():
        warm = [sample for sample in samples if sample.at_s - began_s >= chosen.warm_up_minutes * 60]
        files = f"{warm[0].open_files} to {warm[-1].open_files} open files"
        show(f"{name}: {slope_mb_per_h(warm):+.1f} MB/h after {chosen.warm_up_minutes:g} min, {files}")


async def _announce(stage: Stage, audio: str, over: asyncio.Event) -> int:
    number = 0
    async with AIOKafkaProducer(**stage.stack.kafka.client_options()) as producer:
        while not over.is_set():
            track = Track(track_id=f"announced-{number % ANNOUNCED}", audio_uri=audio)
            await producer.send_and_wait(TRACKS.name, track.encode(), key=track.track_id.encode())
            number += 1
            await asyncio.sleep(ANNOUNCE_EVERY_S)
    return number


async def _redis(stage: Stage) -> str:
    async with Redis.from_url(stage.stack.redis.url.get_secret_value()) as redis:
        keys, memory = await redis.dbsize(), await redis.info("memory")
    return f"Redis {keys:,} keys {memory['used_memory'] / 1e6:.0f} MB"


def main() -> None:
    """Read the command line and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--minutes", type=float, default=3.0)
    parser.add_argument("--rate", type=float, default=50.0, help="events per second, ten per listener")
    parser.add_argument("--fill", type=int, default=5_000, help="listeners who come before")
    parser.add_argument("--remembered", type=int, default=4_000, help="sessions and listeners by a ranking worker")
    parser.add_argument("--warm-up-minutes", type=float, default=1.0, help="before memory is expected to be flat")
    parser.add_argument("--every-s", type=float, default=20.0, help="between two looks")
    chosen = parser.parse_args()
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
