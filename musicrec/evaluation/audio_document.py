"""The audio evaluation as a page: tables of what vectors, parts and splits come to, and pictures beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from musicrec.evaluation.audio_probe import CHOSEN
from musicrec.evaluation.audio_splits import Split

Figures = Mapping[str, float]

HEAD = """# What is heard in a track, and what it is worth

{about}

## Vectors

Share of the five nearest clips with the same {label}; ties count against us. At random: {chance:.3f}.

"""
ADAPTED = """
## Adapted to a catalogue

`musicrec train adapt` fits the vectors to a catalogue without any labels. "Unheard": the {label}s are cut into
halves, weights are adapted to the clips of one and asked about clips of the other, so that no clip is asked about in
vectors of weights that heard its {label}; means over {repeats} ways of cutting. "Heard": adapted to all clips, which is
what a user does.

"""
WITHOUT = """
## Parts of the shipped vectors

The same weights; what is left out of the descriptors is held at its mean. Then mean cepstra alone, without a network,
and so many segments of 6 s heard from the middle of each clip.

"""
TRAINED = """
## Parts of the sound, and networks

Networks trained for this table alone, and far smaller than the shipped one: {size}. So the rows compare with
each other, and with nothing else. First figure: clips by what the network hears; then with the descriptors;
then of synthesised styles that it did not learn, the share whose nearest track is of the same style.

"""
PRUNED = """
## Fewer channels

Channels of the shipped network's convolutions with the smallest scale left out, the rest taught by the whole
network on synthesised music for {epochs} passes over {segments} segments; measured on the clips, which neither
saw. Overlap: of the ten nearest neighbours of a clip, by the whole vectors and by the learned part of them.
Pruned weights are kept where the overlap is 0.95 and more.

"""
PROBED = """
## Deep and shallow features, and three splits

What classifiers tell of the {label}, five folds, {repeats} times. "Chosen": of each fold, the classifier that
did best in validation within what was learned. **Segments at random are a leaky split**: it asks about a
segment whose neighbours of the same track were learned. It stands here to show what such a figure is worth.

"""
SEEN = """
![Which {label} is taken for which]({confusion})

## Features to look at

One segment of a synthesised track: its mix, harmonic and percussive part as the network sees them, the notes,
the onsets and what comes back.

![Log-mel images, notes, onsets and their autocorrelation]({features})
"""


@dataclass(frozen=True, slots=True)
class AudioFindings:
    """Everything that the page tells."""

    about: str
    label: str
    chance: float
    vectors: Figures
    adapted: Mapping[str, Figures]
    repeats: int
    parts: Figures
    size: str
    trained: Mapping[str, Figures]
    pruned: Mapping[str, Figures]
    pruning: Mapping[str, int]
    probes: Mapping[str, Mapping[str, Mapping[str, Figures]]]
    pictures: Mapping[str, str] = field(default_factory=dict)
    """`confusion` and `features`: names of the files beside the page."""


def audio_page(found: AudioFindings) -> str:
    """Return the page as Markdown."""
    label = found.label
    parts = [
        HEAD.format(about=found.about, label=label, chance=found.chance),
        table(("vectors", "precision@5"), [(name, value) for name, value in found.vectors.items()]),
        ADAPTED.format(label=label, repeats=found.repeats),
        table(
            ("vectors", "among all clips", "among those of unheard labels"),
            [(name, row.get("whole"), row.get("half")) for name, row in found.adapted.items()],
        ),
        WITHOUT,
        table(("vectors", "precision@5"), list(found.parts.items())),
        TRAINED.format(size=found.size),
        table(
            ("network, what it hears", "learned part", "vector", "styles", "parameters"),
            [(name, *_trained_row(row)) for name, row in found.trained.items()],
        ),
        PRUNED.format(**found.pruning),
        table(
            ("channels kept", "MMAC", "overlap@10", "of the learned part", "same first class"),
            [(name, *row.values()) for name, row in found.pruned.items()],
        ),
        PROBED.format(label=label, repeats=found.repeats),
        table(
            ("split", "features", "classifier", "accuracy", "precision", "recall", "F1"),
            list(_probe_rows(found.probes)),
        ),
        SEEN.format(label=label, **found.pictures),
    ]
    return "".join(parts)


def _trained_row(row: Figures) -> tuple[float | str, ...]:
    names = ("precision@5", "precision@5_vector", "style_precision@1")
    return (*(row[name] for name in names), f"{row['parameters'] / 1e6:.1f} M")


def _probe_rows(probes: Mapping[str, Mapping[str, Mapping[str, Figures]]]) -> Sequence[tuple[str | float | None, ...]]:
    rows: list[tuple[str | float | None, ...]] = []
    for split, by_features in probes.items():
        name = f"**{split}**" if split == Split.SEGMENT.value else split
        for features, by_classifier in by_features.items():
            for classifier, row in by_classifier.items():
                if classifier != CHOSEN or len(by_classifier) > 2:
                    rows.append((name, features, classifier, *row.values()))
    return rows


def table(columns: Sequence[str], rows: Sequence[Sequence[str | float | None]]) -> str:
    """Return a table in Markdown; figures with three places, nothing where there is none."""
    head = f"| {' | '.join(columns)} |\n|{'---|' * len(columns)}\n"
    return head + "".join(f"| {' | '.join(_cell(value) for value in row)} |\n" for row in rows)


def _cell(value: str | float | None) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else f"{value:.3f}"
