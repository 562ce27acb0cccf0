"""A sweep as a page: tables of accuracy and cost, and hit rate over learning rates as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from musicrec.evaluation.pictures import pyplot, save
from musicrec.sequence.sweep import Choice, Inputs, Swept

HEAD: Final = """# What the settings and inputs of the session encoder are worth

{about}

The network alone, over all tracks, ties against us; "direction" is the time of one session of twenty tracks as it is
served. The ranking has other sources beside it: see the ablations.

"""
COLUMNS: Final = ("HR@20", "MRR@20", "direction µs")


def sweep_page(
    results: Mapping[Choice, Swept], grid: Sequence[Choice], compared: Choice, about: str, picture: str
) -> str:
    """Return the page as Markdown.

    Args:
        results: of all choices.
        grid: those of dimension and learning rate.
        compared: the one that stands beside those of other models and other inputs.
        about: on what it was measured and by which command.
        picture: name of the picture beside it.
    """
    of_models = [compared, *(each for each in results if each.settings.model is not compared.settings.model)]
    of_inputs = [compared, *(each for each in results if each.inputs is not Inputs.ALL)]
    parts = [
        HEAD.format(about=about),
        _table(
            ("dimension", "learning rate"),
            [((str(c.settings.dimension), f"{c.settings.learning_rate:g}"), results[c]) for c in grid],
        ),
        f"\n![HR@20 and MRR@20 by learning rate]({picture})\n",
        f"\n## Models, dimension {compared.settings.dimension}\n\n",
        _table(("model",), [((str(choice.settings.model),), results[choice]) for choice in of_models]),
        f"\n## Inputs, dimension {compared.settings.dimension}\n\n",
        _table(("inputs",), [((str(choice.inputs),), results[choice]) for choice in of_inputs]),
    ]
    return "".join(parts)


def _table(names: Sequence[str], rows: Sequence[tuple[Sequence[str], Swept]]) -> str:
    lines = [(*names, *COLUMNS), ("---",) * (len(names) + len(COLUMNS))]
    for labels, result in rows:
        figures = result.figures
        lines.append((*labels, f"{figures['hr@20']:.4f}", f"{figures['mrr@20']:.4f}", f"{result.direction_us:.0f}"))
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)


def draw_sweep(results: Mapping[Choice, Swept], grid: Sequence[Choice], path: Path) -> None:
    """Draw hit rate and reciprocal rank by learning rate, a line per dimension, as SVG.

    Raises:
        Incompatible: matplotlib is missing.
    """
    figure, axes = pyplot().subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for axis, metric in zip(axes, ("hr@20", "mrr@20"), strict=True):
        for dimension in sorted({choice.settings.dimension for choice in grid}):
            line = [choice for choice in grid if choice.settings.dimension == dimension]
            rates = [choice.settings.learning_rate for choice in line]
            axis.plot(rates, [results[choice].figures[metric] for choice in line], label=f"d = {dimension}", marker=".")
        axis.set(title=metric.upper(), xlabel="learning rate", xscale="log", ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    save(figure, path)
