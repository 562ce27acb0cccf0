"""How fast and how complete a search is, beside exact search and, if asked for, a graph. One core, one query a time."""

import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import faiss
import numpy as np
import numpy.typing as npt

from index.faiss_index import DEFAULT_SEARCH, FaissIndex
from index.snapshot import IndexSnapshots
from index.synthetic_vectors import synthetic_vectors
from index.vector_index import Vector

RESULTS = 100
QUERIES = 300
CHANGES = 2_000
GRAPH_NEIGHBOURS = 32
GRAPH_BREADTHS = (64, 128, 256, 512)
"""efSearch of a graph: how many candidates it keeps."""

Found = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class SearchFigures:
    """One way of searching."""

    recall: float
    """Share of the true `RESULTS` nearest that it finds."""
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True)
class IndexReport:
    """What `measure_index` found."""

    vectors: int
    dimension: int
    exact: SearchFigures
    by_probes: dict[int, SearchFigures]
    """By number of lists opened; the default among them."""
    by_breadth: dict[int, SearchFigures]
    """Of a graph, by efSearch; empty if none was asked for."""
    fill_s: float
    build_s: float
    graph_build_s: float | None
    change_us: float
    """One upsert or removal, in the built index."""
    snapshot_save_s: float
    snapshot_load_s: float
    snapshot_mb: float

    @property
    def ours(self) -> SearchFigures:
        """The default setting."""
        return self.by_probes[DEFAULT_SEARCH.probes]


def measure_index(
    vectors: int,
    dimension: int,
    *,
    probes: Sequence[int] = (16, 32, 64, 128),
    graph: bool = False,
    progress: Callable[[str], None] = lambda text: None,
) -> IndexReport:
    """Fill an index, train its lists, search it, change it, save and load it."""
    faiss.omp_set_num_threads(1)
    progress(f"making {vectors:,} clustered vectors")
    catalogue = synthetic_vectors(vectors, dimension, seed=0)
    queries = synthetic_vectors(QUERIES, dimension, seed=1)
    progress("exact search")
    exact, truth = _measure_exact(catalogue, queries)
    progress("filling the index")
    index = FaissIndex(dimension, "synthetic")
    fill_s = _seconds(lambda: _fill(index, catalogue))
    progress("training lists")
    build_s = _seconds(index.build)
    by_probes: dict[int, SearchFigures] = {}
    for setting in sorted({*probes, DEFAULT_SEARCH.probes}):
        index.config = replace(DEFAULT_SEARCH, probes=setting)
        by_probes[setting] = _figures(lambda query: _numbers(index, query), queries, truth)
    progress("changing, saving and loading")
    change_us = _change_us(index, catalogue)
    save_s, load_s, size_mb = _snapshot_figures(index)
    graph_build_s: float | None = None
    by_breadth: dict[int, SearchFigures] = {}
    if graph:
        progress("building a graph")
        graph_build_s, by_breadth = _measure_graph(catalogue, queries, truth)
    return IndexReport(
        vectors=vectors,
        dimension=dimension,
        exact=exact,
        by_probes=by_probes,
        by_breadth=by_breadth,
        fill_s=fill_s,
        build_s=build_s,
        graph_build_s=graph_build_s,
        change_us=change_us,
        snapshot_save_s=save_s,
        snapshot_load_s=load_s,
        snapshot_mb=size_mb,
    )


def _measure_exact(catalogue: Vector, queries: Vector) -> tuple[SearchFigures, Found]:
    flat = faiss.IndexFlatIP(catalogue.shape[1])
    flat.add(catalogue)
    truth = flat.search(queries, RESULTS)[1]
    return _figures(lambda query: flat.search(query[np.newaxis], RESULTS)[1][0], queries, truth), truth


def _fill(index: FaissIndex, catalogue: Vector) -> None:
    for number, vector in enumerate(catalogue):
        index.upsert(str(number), vector)


def _numbers(index: FaissIndex, query: Vector) -> Found:
    return np.array([int(track) for track, _ in index.search(query, RESULTS)])


def _figures(search: Callable[[Vector], Found], queries: Vector, truth: Found) -> SearchFigures:
    times_ms, hits = [], []
    for query, nearest in zip(queries, truth, strict=True):
        started_s = time.perf_counter()
        found = search(query)
        times_ms.append((time.perf_counter() - started_s) * 1000)
        hits.append(len(np.intersect1d(found, nearest)) / RESULTS)
    return SearchFigures(float(np.mean(hits)), float(np.median(times_ms)), float(np.quantile(times_ms, 0.99)))


def _change_us(index: FaissIndex, catalogue: Vector) -> float:
    chosen = np.random.default_rng(0).choice(len(catalogue), min(CHANGES, len(catalogue)), replace=False)

    def change() -> None:
        for number in chosen:
            index.remove(str(number))
        for number in chosen:
            index.upsert(str(number), catalogue[number])

    return _seconds(change) / (2 * len(chosen)) * 1e6


def _snapshot_figures(index: FaissIndex) -> tuple[float, float, float]:
    now_ms = time.time_ns() // 1_000_000
    with tempfile.TemporaryDirectory(prefix="musicrec-bench-") as folder:
        snapshots, saved = IndexSnapshots(Path(folder)), list[Path]()
        save_s = _seconds(lambda: saved.append(snapshots.save(index, offsets={}, newest_ms=0, now_ms=now_ms)))
        load_s = _seconds(lambda: snapshots.load_one(saved[0], now_ms=now_ms))
        size_mb = sum(file.stat().st_size for file in saved[0].iterdir()) / 1e6
    return save_s, load_s, size_mb


def _measure_graph(catalogue: Vector, queries: Vector, truth: Found) -> tuple[float, dict[int, SearchFigures]]:
    graph = faiss.IndexHNSWFlat(catalogue.shape[1], GRAPH_NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
    build_s = _seconds(lambda: graph.add(catalogue))
    figures = {}
    for breadth in GRAPH_BREADTHS:
        graph.hnsw.efSearch = breadth
        figures[breadth] = _figures(lambda query: graph.search(query[np.newaxis], RESULTS)[1][0], queries, truth)
    return build_s, figures


def _seconds(work: Callable[[], object]) -> float:
    started_s = time.perf_counter()
    work()
    return time.perf_counter() - started_s
