"""`musicrec bench embed`: tracks embedded per second and core, beside librosa."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from embedder.network_shape import Architecture

if TYPE_CHECKING:
    from embedder.encoder import AudioEncoder

_FILE_RATE_HZ = 44_100
"""What music is sold at: both ways have to resample."""


class _Precision(StrEnum):
    INT8 = "int8"
    FLOAT32 = "float32"


def command(
    tracks: Annotated[int, typer.Option(min=1, help="Clips to embed our way.")] = 20,
    librosa_tracks: Annotated[int, typer.Option(min=0, help="Clips to embed the librosa way; needs torch.")] = 4,
    seconds: Annotated[float, typer.Option(min=1, max=600, help="Length of a clip.")] = 30.0,
    precision: Annotated[_Precision, typer.Option(help="Of our network.")] = _Precision.INT8,
    processes: Annotated[int, typer.Option(min=1, max=64, help="Ways of ours that run side by side.")] = 1,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Time the way from a stereo MP3 file to a vector, on synthesised clips, one thread per process.

    ours: libsndfile, soxr, our features and network, on the CPU.  librosa: the usual way, which is also that of the
    source paper: librosa.load, effects.hpss, three melspectrograms, AlexNet in eager torch (with random weights: its
    time is the same).  librosa_light: the same with our network in eager torch.  The first clip of each warms up and is
    not counted.  A rate is clips per second of processor time (user and system), so that other work on the machine
    changes it little.  With several processes, ours is the mean of them.

    JSON keys: ours | librosa | librosa_light ▸ tracks_per_s_per_core, wall_ms_per_track, tracks; and seconds,
    processes, stages_ms ▸ decode, features, network; medians_ms ▸ ours, scipy: the HPSS medians of a clip alone.
    """
    from embedder.encoder import AudioEncoder

    if processes > 1:
        others = [_start_another(tracks, seconds, precision) for _ in range(processes - 1)]
    encoder = AudioEncoder.load(device="cpu", precision=precision.value)
    with tempfile.TemporaryDirectory(prefix="musicrec-bench-") as folder:
        paths = _write_clips(Path(folder), 1 + max(tracks, librosa_tracks), seconds)
        figures: dict[str, Any] = {
            "ours": _measure(paths[: tracks + 1], lambda path: _embed(encoder, path)),
            "seconds": seconds,
            "processes": processes,
            "stages_ms": _stages(encoder, paths[1 : 1 + min(8, tracks)]),
        }
        if processes > 1:
            figures["ours"] = _mean([figures["ours"], *(_figures_of(other) for other in others)])
        if librosa_tracks:
            usual: dict[str, Architecture] = {"librosa": "alexnet", "librosa_light": "light"}
            for name, architecture in usual.items():
                network = _eager_network(architecture)
                figures[name] = _measure(paths[: librosa_tracks + 1], partial(_embed_with_librosa, network))
            figures["medians_ms"] = _medians_ms(paths[1])
    if as_json:
        print(json.dumps(figures))
    else:
        Console().print(_table(figures))


def _start_another(tracks: int, seconds: float, precision: "_Precision") -> "subprocess.Popen[bytes]":
    command = [sys.executable, "-m", "musicrec.cli.main", "bench", "embed", "--librosa-tracks", "0", "--json"]
    options = ["--tracks", str(tracks), "--seconds", str(seconds), "--precision", precision.value]
    return subprocess.Popen([*command, *options], stdout=subprocess.PIPE)


def _figures_of(process: "subprocess.Popen[bytes]") -> dict[str, float]:
    output, _ = process.communicate()
    if process.returncode != 0:
        raise typer.Exit(process.returncode)
    figures: dict[str, float] = json.loads(output)["ours"]
    return figures


def _mean(figures: list[dict[str, float]]) -> dict[str, float]:
    return {name: float(np.mean([one[name] for one in figures])) for name in figures[0]}


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


def _eager_network(architecture: Architecture) -> Callable[[NDArray[np.float32]], object]:
    import torch

    from embedder.network import TrackNetwork
    from embedder.network_shape import NetworkShape

    torch.set_num_threads(1)
    network = TrackNetwork(NetworkShape(architecture, 17, 128, 128)).segments.eval()

    def run(images: NDArray[np.float32]) -> object:
        with torch.inference_mode():
            return network(torch.from_numpy(images))

    return run


def _embed_with_librosa(network: Callable[[NDArray[np.float32]], object], path: Path) -> object:
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
    return network(np.ascontiguousarray(cut.transpose(2, 0, 1, 3)))


def _medians_ms(path: Path) -> dict[str, float]:
    """Return the processor time of both medians of all segments of a clip, the least of five."""
    from scipy.ndimage import median_filter

    from embedder.audio_file import read_mono
    from embedder.features.geometry import MEDIAN_WINDOW
    from embedder.features.median import running_median
    from embedder.features.spectrogram import cut_segments, power_spectrum
    from embedder.features.turning import turned

    spectra = [power_spectrum(segment) for segment in cut_segments(read_mono(path))]
    ways: dict[str, Callable[[NDArray[np.float32]], object]] = {
        "ours": running_median,
        "scipy": lambda x: median_filter(x, (MEDIAN_WINDOW, 1)),
    }
    both = (*spectra, *map(turned, spectra))
    return {name: min(_spent_ms(way, both) for _ in range(5)) for name, way in ways.items()}


def _spent_ms(work: Callable[[NDArray[np.float32]], object], inputs: Sequence[NDArray[np.float32]]) -> float:
    started_s = time.process_time()
    for one in inputs:
        work(one)
    return 1_000 * (time.process_time() - started_s)


def _stages(encoder: "AudioEncoder", paths: list[Path]) -> dict[str, float]:
    """Return the processor time of each stage of our way, mean per clip."""
    from embedder.audio_file import read_mono
    from embedder.features.analysis import analyse

    spent = dict.fromkeys(("decode", "features", "network"), 0.0)
    for path in paths:
        marks = [time.process_time()]
        pcm = read_mono(path)
        marks.append(time.process_time())
        features = analyse(pcm)
        marks.append(time.process_time())
        encoder.run_network(features.images)
        marks.append(time.process_time())
        for stage, took_s in zip(spent, np.diff(marks), strict=True):
            spent[stage] += 1_000 * float(took_s) / len(paths)
    return spent


def _table(figures: dict[str, Any]) -> Table:
    table = Table(title=f"Stereo MP3 of {figures['seconds']:g} s to vector, {figures['processes']} at a time")
    for column in ("way", "tracks/s/core", "ms/track"):
        table.add_column(column, justify="left" if column == "way" else "right")
    for name in ("ours", "librosa", "librosa_light"):
        if name in figures:
            row = figures[name]
            table.add_row(name, f"{row['tracks_per_s_per_core']:.2f}", f"{row['wall_ms_per_track']:.0f}")
    stages = ", ".join(f"{stage} {took_ms:.0f} ms" for stage, took_ms in figures["stages_ms"].items())
    medians = "; medians: " + ", ".join(f"{k} {v:.1f} ms" for k, v in figures.get("medians_ms", {}).items())
    table.caption = f"ours by stage: {stages}{medians if 'medians_ms' in figures else ''}"
    return table
