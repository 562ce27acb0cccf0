"""AAC made by PyAV's encoder, which the extra `aac` brings; without it tests skip, in CI they fail."""

import importlib.util
from pathlib import Path

import numpy as np
from conftest import skip_or_fail

LAYOUTS = {1: "mono", 2: "stereo", 6: "5.1"}
MUXERS = {".m4a": "ipod", ".mp4": "mp4", ".aac": "adts", ".mov": "mov"}


def need_av() -> None:
    """Go on where PyAV is installed."""
    if importlib.util.find_spec("av") is None:
        skip_or_fail("no PyAV: pip install 'musicrec[aac]'")


def write_aac(path: Path, samples: np.ndarray, rate_hz: int, codec: str = "aac") -> None:
    """Write samples, shape (frames, channels), in the container that the suffix names."""
    import av

    layout = LAYOUTS[samples.shape[1]]
    with av.open(str(path), "w", format=MUXERS[path.suffix]) as container:
        stream = container.add_stream(codec, rate=rate_hz, layout=layout)
        planes = np.ascontiguousarray(samples.T, np.float32)
        frame = av.AudioFrame.from_ndarray(planes, format="fltp", layout=layout)
        frame.sample_rate, frame.pts = rate_hz, 0
        # Cut and converted as the encoder wants it.
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
