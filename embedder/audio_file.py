"""A local, trusted audio file as the samples that the encoder takes; for evaluation and measurement.

The service decodes what strangers send in a process that may be killed; here the files are the user's own.
"""

from pathlib import Path

import numpy as np
import soundfile
import soxr
from numpy.typing import NDArray

from embedder.features.geometry import SAMPLE_RATE_HZ
from musicrec.errors import BadInput, DeadLetterReason


def read_mono(path: Path) -> NDArray[np.float32]:
    """Return the file's samples, channels averaged, at 22,050 Hz, shape (samples,).

    Raises:
        BadInput: there is no such file, or it is not audio that libsndfile reads.
    """
    try:
        samples, rate_hz = soundfile.read(path, dtype="float32", always_2d=True)
    except (OSError, soundfile.LibsndfileError) as error:
        raise BadInput(f"{path}: cannot be read as audio: {error}", DeadLetterReason.UNDECODABLE) from error
    # Not a mean over the short axis, which is twenty times as slow; not a product, for which BLAS starts its threads.
    mono = samples[:, 0].copy()
    for channel in range(1, samples.shape[1]):
        mono += samples[:, channel]
    mono /= samples.shape[1]
    if rate_hz != SAMPLE_RATE_HZ:
        mono = soxr.resample(mono, rate_hz, SAMPLE_RATE_HZ, quality="HQ")
    pcm: NDArray[np.float32] = np.ascontiguousarray(mono, np.float32)
    return pcm
