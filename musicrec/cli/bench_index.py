"""`musicrec bench index`: vector search, beside exact search."""

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from index.bench import IndexReport, SearchFigures


def command(
    vectors: Annotated[int, typer.Option(min=1_000, help="Size of the catalogue.")] = 200_000,
    dimension: Annotated[int, typer.Option(min=2, max=4096, help="Components of a vector.")] = 192,
    graph: Annotated[bool, typer.Option("--graph", help="Build an HNSW graph too, beside it: slow.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
) -> None:
    """Measure the index on clustered synthetic unit vectors: one core, one query at a time, the 100 nearest.

    Exact search is FAISS's IndexFlatIP, the usual way; recall is against what it finds.

    JSON keys: ours ▸ recall@100, p50_ms, p99_ms, vectors, probes, fill_s, build_s, change_us, snapshot_save_s,
    snapshot_load_s, snapshot_mb; exact ▸ p50_ms, p99_ms; probes ▸ number of lists opened ▸ recall@100, p50_ms, p99_ms;
    with --graph: graph ▸ build_s, ef_search ▸ value ▸ recall@100, p50_ms, p99_ms.
    """
    from index.bench import measure_index

    console = Console(stderr=True, highlight=False)
    report = measure_index(vectors, dimension, graph=graph, progress=console.print)
    if as_json:
        print(json.dumps(_figures(report)))
    else:
        Console().print(_table(report))


def _figures(report: "IndexReport") -> dict[str, Any]:
    from index.faiss_index import DEFAULT_SEARCH

    figures: dict[str, Any] = {
        "ours": {
            **_row(report.ours),
            "vectors": report.vectors,
            "probes": DEFAULT_SEARCH.probes,
            "fill_s": round(report.fill_s, 2),
            "build_s": round(report.build_s, 2),
            "change_us": round(report.change_us, 1),
            "snapshot_save_s": round(report.snapshot_save_s, 2),
            "snapshot_load_s": round(report.snapshot_load_s, 2),
            "snapshot_mb": round(report.snapshot_mb, 1),
        },
        "exact": {"p50_ms": round(report.exact.p50_ms, 3), "p99_ms": round(report.exact.p99_ms, 3)},
        "probes": {str(probes): _row(row) for probes, row in report.by_probes.items()},
    }
    if report.graph_build_s is not None:
        breadths = {str(breadth): _row(row) for breadth, row in report.by_breadth.items()}
        figures["graph"] = {"build_s": round(report.graph_build_s, 2), "ef_search": breadths}
    return figures


def _row(figures: "SearchFigures") -> dict[str, float]:
    return {
        "recall@100": round(figures.recall, 4),
        "p50_ms": round(figures.p50_ms, 3),
        "p99_ms": round(figures.p99_ms, 3),
    }


def _table(report: "IndexReport") -> Table:
    from index.faiss_index import DEFAULT_SEARCH

    table = Table(title=f"The 100 nearest of {report.vectors:,} vectors of {report.dimension} components")
    for name in ("search", "recall@100", "p50 ms", "p99 ms"):
        table.add_column(name, justify="left" if name == "search" else "right")
    rows = [("exact (IndexFlatIP)", report.exact)]
    for probes, figures in report.by_probes.items():
        default = " (default)" if probes == DEFAULT_SEARCH.probes else ""
        rows.append((f"musicrec, {probes} lists opened{default}", figures))
    rows += [(f"HNSW graph, efSearch {breadth}", figures) for breadth, figures in report.by_breadth.items()]
    for name, figures in rows:
        table.add_row(name, f"{figures.recall:.4f}", f"{figures.p50_ms:.3f}", f"{figures.p99_ms:.3f}")
    graph = "" if report.graph_build_s is None else f"; graph {report.graph_build_s:.1f} s"
    table.caption = (
        f"filled in {report.fill_s:.1f} s, lists trained in {report.build_s:.1f} s{graph}; "
        f"a change {report.change_us:.0f} µs; snapshot of {report.snapshot_mb:.0f} MB saved in "
        f"{report.snapshot_save_s:.1f} s, loaded and checked in {report.snapshot_load_s:.1f} s"
    )
    return table
