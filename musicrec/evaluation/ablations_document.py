"""The ablations as a page: a table of accuracy and cost, and the accuracy over the stream as a picture."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from musicrec.evaluation.ablations import AblationResult
from musicrec.evaluation.contest import OURS
from musicrec.evaluation.pictures import pyplot, save

HEAD = """# What each part of the ranking is worth

{about}

One row per part that is left out, the rest as it is; "gap" is HR@20 on plays that were completed minus HR@20 on plays
that were skipped, ms the median time of a list in that pass.

| without | HR@20 | MRR@20 | HR@20 repeat | MRR@20 repeat | HR@20 new | completed | skipped | gap | ms |
|---|---|---|---|---|---|---|---|---|---|
"""


def ablations_page(results: Sequence[AblationResult], about: str, picture: str) -> str:
    """Return the page as Markdown.

    Args:
        results: the first is that of everything.
        about: on what it was measured and by which command.
        picture: name of the picture beside it.
    """
    rows = "".join(_row(result) for result in results)
    return HEAD.format(about=about) + rows + f"\n![HR@20 and MRR@20 over the stream]({picture})\n"


def _row(result: AblationResult) -> str:
    ours = result.figures[OURS]
    name = f"**nothing: {result.name}**" if result.name == "everything" else result.name
    completed, skipped = ours["completed"]["hr@20"], ours["skipped"]["hr@20"]
    figures = (
        ours["all"]["hr@20"], ours["all"]["mrr@20"], ours["repeat"]["hr@20"], ours["repeat"]["mrr@20"],
        ours["new"]["hr@20"], completed, skipped, completed - skipped,
    )  # fmt: skip
    return f"| {name} | " + " | ".join(f"{figure:.4f}" for figure in figures) + f" | {ours['p50_ms']:.2f} |\n"


def draw_course(courses: Mapping[str, Sequence[tuple[float, float]]], stretch: int, path: Path) -> None:
    """Draw hit rate and reciprocal rank over the stream as SVG.

    Args:
        courses: per model, both figures of each stretch of cases.
        stretch: cases of each.
        path: file to write.

    Raises:
        Incompatible: matplotlib is missing.
    """
    figure, axes = pyplot().subplots(1, 2, figsize=(10, 3.6), layout="constrained")
    for which, (axis, name) in enumerate(zip(axes, ("HR@20", "MRR@20"), strict=True)):
        for model, points in courses.items():
            cases = [stretch * (number + 1) / 1_000 for number in range(len(points))]
            axis.plot(cases, [point[which] for point in points], label=model, marker=".")
        axis.set(title=name, xlabel="thousand cases", ylim=(0, None))
        axis.grid(alpha=0.3)
    axes[0].legend(frameon=False)
    save(figure, path)
