"""Figures of an evaluation as a table for people."""

from collections.abc import Mapping
from typing import Any, Final

from rich.table import Table

COLUMNS: Final = (
    "HR@20",
    "MRR@20",
    "HR repeat",
    "HR new",
    "HR early",
    "HR completed - skipped",
    "coverage",
    "popularity",
    "diversity",
    "p50 ms",
    "p99 ms",
)


def models_table(title: str, figures: Mapping[str, Any]) -> Table:
    """Return one row per model of `figures["models"]`."""
    table = Table(title=title)
    table.add_column("model")
    for column in COLUMNS:
        table.add_column(column, justify="right")
    for name, row in figures["models"].items():
        table.add_row(
            name,
            f"{row['all']['hr@20']:.4f}",
            f"{row['all']['mrr@20']:.4f}",
            f"{row['repeat']['hr@20']:.4f}",
            f"{row['new']['hr@20']:.4f}",
            f"{row['early']['hr@20']:.4f}",
            _where_known(row["hr_completed_minus_skipped"], 4),
            f"{row['coverage@20']:.3f}",
            _where_known(row["popularity@20"], 3),
            _where_known(row["artist_diversity@20"], 3),
            f"{row['p50_ms']:.3f}",
            f"{row['p99_ms']:.3f}",
        )
    first = next(iter(figures["models"].values()))
    table.caption = (
        f"{first['all']['events']:,} cases: {first['repeat']['events']:,} repeats, {first['new']['events']:,} new"
    )
    return table


def _where_known(figure: float | None, digits: int) -> str:
    return "" if figure is None else f"{figure:.{digits}f}"
