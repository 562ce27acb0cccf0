"""What lists notice of a session encoder that is loaded and put in use beside them.

One event loop makes lists at a steady rate, as a ranking worker's does, and changes between two encoders of the given
size meanwhile.  A list's time runs from when it was due, so that it shows what kept the loop from it.
"""

import argparse
import asyncio
import json
import tempfile
import time
from itertools import islice
from pathlib import Path

import numpy as np
from safetensors.numpy import save

from index.follower import in_daemon_thread
from musicrec.contracts import SessionSnapshot, Track
from musicrec.evaluation.synthetic_stream import StreamShape, synthetic_snapshots
from musicrec.recommend import Recommender
from musicrec.sequence.encoder_files import ARTIST_VECTORS, ARTISTS, NETWORK, TRACKS, VECTORS, WEIGHTS, write_encoder
from musicrec.sequence.encoder_loading import load_encoder
from musicrec.sequence.model import Model
from musicrec.sequence.network import SequenceNetwork
from musicrec.sequence.training_sessions import LONGEST

DIMENSION = 192
RATE_PER_S = 100


def written(folder: Path, tracks: int, seed: int) -> Path:
    """Write an untrained encoder of random vectors."""
    vectors = np.random.default_rng(seed).normal(size=(tracks, DIMENSION)).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    network = SequenceNetwork(Model.ATTENTION, DIMENSION, 2, 2, 0.0).state_dict()
    tensors = {f"{NETWORK}{name}": np.ascontiguousarray(tensor.numpy()) for name, tensor in network.items()}
    tensors |= {VECTORS: vectors.astype(np.float16), ARTIST_VECTORS: np.zeros((0, DIMENSION), np.float16)}
    files = {
        WEIGHTS: save(tensors),
        ARTISTS: b"[]",
        TRACKS: json.dumps([f"track-{number}" for number in range(tracks)]).encode(),
    }
    write_encoder(
        folder,
        files,
        model=Model.ATTENTION,
        dimension=DIMENSION,
        scale=16.0,
        longest=LONGEST,
        tracks=tracks,
        artists=0,
        sessions=0,
        trained_until_ms=seed,
        training={},
        metrics={},
    )
    return folder


async def lists_for(
    recommender: Recommender, snapshots: list[SessionSnapshot], swap: "asyncio.Task[None]"
) -> list[float]:
    """Make lists until the swap is done; return how long each took from when it was due, seconds."""
    took_s: list[float] = []
    due_s = time.perf_counter()
    while not swap.done():
        await asyncio.sleep(max(0.0, due_s - time.perf_counter()))
        recommender.rank(snapshots[len(took_s) % len(snapshots)])
        took_s.append(time.perf_counter() - due_s)
        due_s += 1 / RATE_PER_S
    return took_s


async def measured(tracks: int) -> dict[str, dict[str, float]]:
    """Return the times of lists with an encoder in use, and while another one is put in its place."""
    recommender = Recommender()
    for number in range(tracks):
        recommender.add_track(Track(track_id=f"track-{number}"))
    snapshots = list(islice(synthetic_snapshots(StreamShape(plays=20_000, tracks=tracks)), 20_000))
    for snapshot in snapshots:
        recommender.learn(snapshot)
    with tempfile.TemporaryDirectory() as root:
        first, second = (written(Path(root) / str(seed), tracks, seed) for seed in (1, 2))
        recommender.use_encoder(recommender.encoded(load_encoder(first)))
        for snapshot in snapshots[:500]:
            recommender.rank(snapshot)

        async def swap() -> None:
            encoder = await in_daemon_thread(lambda: load_encoder(second))
            recommender.use_encoder(await in_daemon_thread(lambda: recommender.encoded(encoder)))

        found = {}
        for name, meanwhile in (("calm", lambda: asyncio.sleep(20)), ("while it is swapped", swap)):
            task: asyncio.Task[None] = asyncio.create_task(meanwhile())
            started_s = time.perf_counter()
            took_s = await lists_for(recommender, snapshots, task)
            task.result()
            p50, p99, worst = (round(float(np.percentile(took_s, q)) * 1e3, 2) for q in (50, 99, 100))
            seconds = round(time.perf_counter() - started_s, 1)
            found[name] = {"p50_ms": p50, "p99_ms": p99, "max_ms": worst, "lists": len(took_s), "seconds": seconds}
    return found


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--tracks", type=int, default=200_000)
    print(json.dumps(asyncio.run(measured(parser.parse_args().tracks)), indent=2))
