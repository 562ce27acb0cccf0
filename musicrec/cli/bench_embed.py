"""`musicrec bench embed`: tracks embedded per second and core, beside librosa."""

import json
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from embedder.encoder import AudioEncoder

_FILE_RATE_HZ = 44_100
"""What music is sold at: both ways have to resample."""


def command(
    tracks: Annotated[int, typer.Option(min=1, help="Clips to embed our way.")] = 20,
    librosa_tracks: Annotated[int, typer.Option(min=1, help="Clips to embed the librosa way.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Length of a clip.")] = 30.0,
    threads: Annotated[int, typer.Option(min=1, help="CPU threads of torch.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Time the way from a stereo MP3 file to a vector, on synthesised clips.

    ours: libsndfile, soxr, our features and network, on the CPU.  librosa: librosa.load, effects.hpss, three
    melspectrograms, then the same network.  The first clip of each warms up and is not counted.  A rate is clips per
    second of processor time (user and system, all threads), so that other work on the machine does not change it.

    JSON keys: ours | librosa ▸ tracks_per_s_per_core, wall_ms_per_track, tracks; and seconds, threads, stages_ms ▸
    decode, features, network.
    """
    import torch

    from embedder.encoder import AudioEncoder

    torch.set_num_threads(threads)
    encoder = AudioEncoder.load(device="cpu")
    with tempfile.TemporaryDirectory(prefix="musicrec-bench-") as folder:
        paths = _write_clips(Path(folder), 1 + max(tracks, librosa_tracks), seconds)
        figures: dict[str, Any] = {
            "ours": _measure(paths[: tracks + 1], lambda path: _embed(encoder, path)),
            "librosa": _measure(paths[: librosa_tracks + 1], lambda path: _embed_with_librosa(encoder, path)),
            "seconds": seconds,
            "threads": threads,
            "stages_ms": _stages(encoder, paths[1 : 1 + min(8, tracks)]),
        }
    if as_json:
        print(json.dumps(figures))
    else:
        Console().print(_table(figures))


def _write_clips(folder: Path, count: int, seconds: float) -> list[Path]:
    import soundfile
    import soxr

    from embedder.synthesis import SAMPLE_RATE_HZ, Style, synthesise

    paths = []
    for index in range(count):
        mono = soxr.resample(synthesise(Style.sample(index), index, seconds), SAMPLE_RATE_HZ, _FILE_RATE_HZ)
        path = folder / f"{index}.mp3"
        soundfile.write(path, np.column_stack((mono, 0.9 * mono)), _FILE_RATE_HZ, format="MP3")
        paths.append(path)
    return paths


def _measure(paths: list[Path], embed: Callable[[Path], object]) -> dict[str, float]:
    embed(paths[0])
    wall_s, processor_s = time.perf_counter(), time.process_time()
    for path in paths[1:]:
        embed(path)
    wall_s, processor_s = time.perf_counter() - wall_s, time.process_time() - processor_s
    count = len(paths) - 1
    return {
        "tracks_per_s_per_core": count / processor_s,
        "wall_ms_per_track": 1_000 * wall_s / count,
        "tracks": count,
    }


def _embed(encoder: "AudioEncoder", path: Path) -> object:
    from embedder.audio_file import read_mono

    return encoder.embed([read_mono(path)])


def _embed_with_librosa(encoder: "AudioEncoder", path: Path) -> object:
    import librosa
    from librosa.effects import hpss

    from embedder.features.geometry import MEL_BANDS, SAMPLE_RATE_HZ, SEGMENT_FRAMES

    pcm, _ = librosa.load(path, sr=SAMPLE_RATE_HZ, mono=True)
    parts = (pcm, *hpss(pcm))
    levels = [
        librosa.power_to_db(librosa.feature.melspectrogram(y=part, sr=SAMPLE_RATE_HZ, n_mels=MEL_BANDS), ref=np.max)
        for part in parts
    ]
    stacked: NDArray[np.float32] = (np.stack(levels) / 80 + 1).astype(np.float32)
    segments = max(1, stacked.shape[2] // SEGMENT_FRAMES)
    padded = (
        np.resize(stacked, (3, MEL_BANDS, segments * SEGMENT_FRAMES)) if stacked.shape[2] < SEGMENT_FRAMES else stacked
    )
    cut = padded[:, :, : segments * SEGMENT_FRAMES].reshape(3, MEL_BANDS, segments, SEGMENT_FRAMES)
    return encoder.run_network(cut.transpose(2, 0, 1, 3))


def _stages(encoder: "AudioEncoder", paths: list[Path]) -> dict[str, float]:
    """Return the processor time of each stage of our way, mean per clip."""
    import torch

    from embedder.audio_file import read_mono
    from embedder.features.analysis import analyse

    spent = dict.fromkeys(("decode", "features", "network"), 0.0)
    for path in paths:
        marks = [time.process_time()]
        pcm = read_mono(path)
        marks.append(time.process_time())
        features = analyse(pcm, torch.device("cpu"))
        marks.append(time.process_time())
        encoder.run_network(features.images.numpy())
        marks.append(time.process_time())
        for stage, took_s in zip(spent, np.diff(marks), strict=True):
            spent[stage] += 1_000 * float(took_s) / len(paths)
    return spent


def _table(figures: dict[str, Any]) -> Table:
    table = Table(title=f"Stereo MP3 of {figures['seconds']:g} s to vector")
    for column in ("way", "tracks/s/core", "ms/track"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name in ("ours", "librosa"):
        row = figures[name]
        table.add_row(name, f"{row['tracks_per_s_per_core']:.2f}", f"{row['wall_ms_per_track']:.0f}")
    stages = ", ".join(f"{stage} {took_ms:.0f} ms" for stage, took_ms in figures["stages_ms"].items())
    table.caption = f"ours by stage: {stages}"
    return table
