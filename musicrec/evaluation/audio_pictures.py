"""Pictures of what is heard in a track: its parts as log-mel images, its notes, its onsets and what comes back."""

from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from embedder.features.geometry import DYNAMIC_RANGE_DB, FRAME_RATE_HZ, PITCH_MAX_MIDI, PITCH_MIN_MIDI
from embedder.features.levels import levels
from embedder.features.logmel import images
from embedder.features.notes import pitch_salience
from embedder.features.rhythm import onset_envelope, periodicity, tempo_bpm
from embedder.features.spectrogram import cut_segments
from embedder.synthesis import Style, synthesise
from musicrec.evaluation.pictures import pyplot, save

STYLE, FAMILY, TRACK = 11, "synthwave", 3
"""Of the track that is drawn: any with notes and drums will do."""
SECONDS = 6.0
Extent = tuple[float, float, float, float]


def draw_features(path: Path) -> None:
    """Draw the features of one segment of a synthesised track as SVG.

    Raises:
        Incompatible: matplotlib is missing.
    """
    pcm = synthesise(Style.sample(STYLE, FAMILY), TRACK, SECONDS)
    heard = levels(cut_segments(pcm))
    pictures = images(heard.parts_db)
    onsets = onset_envelope(pictures[:, 2])
    correlation = periodicity(onsets)
    salience = pitch_salience(heard.partials)[0]
    figure, axes = pyplot().subplots(3, 2, figsize=(10, 8), layout="constrained")
    seconds = pictures.shape[-1] / FRAME_RATE_HZ
    names = ("mix", "harmonic part", "percussive part")
    for axis, name, image in zip((axes[0, 0], axes[0, 1], axes[1, 0]), names, pictures[0], strict=True):
        shown = _picture(axis, image, (0, seconds, 0, 256), "magma", 1.0)
        axis.set(title=f"{name}, 256 mel bands", xlabel="s", ylabel="band")
    figure.colorbar(shown, ax=axes[0, 1], label=f"0 to 1: {DYNAMIC_RANGE_DB:.0f} dB")
    _picture(axes[1, 1], salience, (0, seconds, PITCH_MIN_MIDI, PITCH_MAX_MIDI + 1), "viridis", 0.6)
    axes[1, 1].set(title="salience of the notes C2 to C6", xlabel="s", ylabel="MIDI pitch")
    at = np.arange(onsets.shape[-1]) / FRAME_RATE_HZ
    axes[2, 0].plot(at, onsets[0], linewidth=0.8)
    axes[2, 0].set(title="onsets of the percussive part", xlabel="s", ylabel="dB per frame")
    half = len(correlation) // 2
    axes[2, 1].plot(at[:half], correlation[:half], linewidth=0.8)
    tempo = tempo_bpm(correlation)
    if tempo is not None:
        axes[2, 1].axvline(60 / tempo, linestyle=":", color="black", label=f"{tempo:.0f} beats per minute")
        axes[2, 1].legend(frameon=False)
    axes[2, 1].set(title="what comes back after a lag", xlabel="s", ylabel="autocorrelation", ylim=(-0.5, 1.05))
    save(figure, path)


def _picture(axis: Any, values: NDArray[np.float32], extent: Extent, colours: str, top: float) -> Any:
    """Show an array whose first row lies lowest, 0 to `top`."""
    return axis.imshow(values, origin="lower", aspect="auto", extent=extent, cmap=colours, vmin=0, vmax=top)
