"""What a platform has beside its listens: a described catalogue with vectors, an outcome worker, the live page.

A list costs more with them: the catalogue's words and the vectors give candidates too, outcomes are counted, and the
page follows every topic.
"""

import asyncio
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Final

import numpy as np
from aiokafka import AIOKafkaProducer

from musicrec.bench.listen_load import ARTISTS, TRACKS, artist_of
from musicrec.bench.path_probe import start_worker, until_said
from musicrec.contracts import TrackEmbedding
from musicrec.evaluation.synthetic_stream import synthetic_catalogue
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.settings import KafkaSettings
from musicrec.topics import EMBEDDINGS
from musicrec.topics import TRACKS as TRACKS_TOPIC

DIMENSION: Final = 192
"""Components of the shipped network's vectors."""
OF_ARTIST: Final = 0.7
"""Share of a vector, before it has unit length, that is its artist's: tracks have neighbours, as music has."""


async def publish_catalogue(kafka: KafkaSettings, seed: int = 7) -> None:
    """Publish description and vector of every track of the load."""
    random = np.random.default_rng(seed)
    artists = random.standard_normal((ARTISTS, DIMENSION)).astype(np.float32)
    now_ms = time.time_ns() // 1_000_000
    sent: list[Awaitable[object]] = []
    async with AIOKafkaProducer(**kafka.client_options(), acks="all", linger_ms=20) as producer:
        for number, described in enumerate(synthetic_catalogue(TRACKS, described=True)):
            artist = artist_of(number)
            own = random.standard_normal(DIMENSION).astype(np.float32)
            vector = OF_ARTIST * artists[artist] + (1 - OF_ARTIST) * own
            track = described.model_copy(update={"artist_id": f"artist-{artist}", "album": f"album {artist}"})
            embedding = TrackEmbedding(
                track_id=track.track_id,
                model_version="bench",
                dimension=DIMENSION,
                vector_f16=TrackEmbedding.pack(vector / np.linalg.norm(vector)),
                embedded_at_ms=now_ms,
            )
            key = track.track_id.encode()
            sent.append(await producer.send(TRACKS_TOPIC.name, track.encode(), key=key))
            sent.append(await producer.send(EMBEDDINGS.name, embedding.encode(), key=key))
        await asyncio.gather(*sent)


async def start_beside(stack: StackAddresses, folder: Path) -> list[ChildProcess]:
    """Start what runs beside the agents that list: an outcome worker and the live page."""
    command = [sys.executable, "-m", "musicrec.cli.main", "web", "--port", "0"]
    page = ChildProcess.start("page", command, folder / "page.log", stack.environment())
    try:
        await until_said(page, "http://")
        return [page, await start_worker("outcome", stack, folder)]
    except BaseException:
        await page.stop()
        raise
