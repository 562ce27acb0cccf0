"""Every constant of the features, and the version string that covers them all.

Two vectors made with different constants are not comparable, so the string travels with the weights and the index.
"""

from typing import Final

SAMPLE_RATE_HZ: Final = 22_050
"""The usual rate of music analysis: content up to 11 kHz, half the work of 44.1 kHz."""
FFT_SIZE: Final = 2048
"""93 ms: resolves neighbouring semitones from about 180 Hz upwards."""
HOP_LENGTH: Final = 512
"""23 ms between frames."""
FRAME_RATE_HZ: Final = SAMPLE_RATE_HZ / HOP_LENGTH
N_BINS: Final = FFT_SIZE // 2 + 1

MEDIAN_WINDOW: Final = 31
"""Frames (harmonic) and bins (percussive) of the HPSS medians; Fitzgerald 2010 uses 17, librosa 31."""

MEL_BANDS: Final = 256
MEL_MIN_HZ: Final = 27.5
"""Lowest note of a piano; below it lie rumble and DC, by which a classifier can tell recordings but not music."""
MEL_MAX_HZ: Final = 11_025.0
DYNAMIC_RANGE_DB: Final = 80.0
"""An image shows this much below its own maximum."""

SEGMENT_FRAMES: Final = 256
SEGMENT_HOP: Final = SEGMENT_FRAMES * HOP_LENGTH
"""Samples from one segment to the next where segments follow each other without a gap (5.9 s)."""
SEGMENT_SAMPLES: Final = (SEGMENT_FRAMES - 1) * HOP_LENGTH + FFT_SIZE
"""Samples that the frames of one segment cover."""
MAX_SEGMENTS: Final = 5
"""Segments per track, spread evenly over it: all of a 30 s clip."""

SILENCE_PEAK: Final = 1e-5
"""A track that never exceeds -100 dB of full scale is silent: below one step of 16-bit audio."""
LOUDEST_PEAK: Final = 1e3
"""Float files may exceed full scale a little; 60 dB above it is a broken decoder, not music."""

PITCH_MIN_MIDI: Final = 36
PITCH_MAX_MIDI: Final = 84
"""C2 to C6: period of 337 to 21 samples; above it a semitone is less than a sample of lag."""
AUTOCORRELATION_POWER: Final = 0.67
"""Exponent on |S| before the inverse transform; 2 is plain autocorrelation, 0.67 is Tolonen and Karjalainen's."""

TEMPO_MIN_BPM: Final = 40.0
TEMPO_MAX_BPM: Final = 240.0
TEMPO_PRIOR_BPM: Final = 120.0
TEMPO_PRIOR_OCTAVES: Final = 1.0
"""Log-normal prior of tempo, as in Ellis 2007."""

REVISION: Final = 2
"""Raised when a formula changes while the constants stay."""

FEATURE_VERSION: Final = (
    f"f{REVISION}-sr{SAMPLE_RATE_HZ}-fft{FFT_SIZE}-hop{HOP_LENGTH}-hpss{MEDIAN_WINDOW}p2"
    f"-mel{MEL_BANDS}x{SEGMENT_FRAMES}@{MEL_MIN_HZ:g}:{MEL_MAX_HZ:g}-db{DYNAMIC_RANGE_DB:g}-seg{MAX_SEGMENTS}"
    f"-acf{PITCH_MIN_MIDI}:{PITCH_MAX_MIDI}p{AUTOCORRELATION_POWER:g}"
    f"-bpm{TEMPO_MIN_BPM:g}:{TEMPO_MAX_BPM:g}:{TEMPO_PRIOR_BPM:g}:{TEMPO_PRIOR_OCTAVES:g}"
)
