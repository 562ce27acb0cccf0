"""The vectors, in a FAISS inverted file (IVF) of float16 rows: with one list it is exact, with many it is fast.

An inverted file rather than a graph (HNSW) because vectors come and go all day: it takes in a row or drops one in some
tens of microseconds, so there are no dead rows to step over and nothing to compact, and it is built five times as fast.
A graph answers sooner below a recall of about .99, the file above it (`musicrec bench index --graph`).  float16 is what
the topic carries, and a scan is bound by memory: half the bytes, half the time.  A cosine is off by less than 2^-11.

Source: Sivic and Zisserman, Video Google, ICCV 2003; Jégou, Douze and Schmid, Product Quantization for Nearest Neighbor
Search, TPAMI 2011, §4.
"""

from functools import lru_cache
from math import sqrt

import faiss
import numpy as np
import numpy.typing as npt

from index.vector_index import Vector

Numbers = npt.NDArray[np.int64]

LISTS_PER_ROOT = 4
"""Lists per square root of the number of vectors: FAISS's own guideline (4 to 16), at its cheap end."""

TRAINING_VECTORS_PER_LIST = 40
"""FAISS warns below 39."""

TRAINING_ROUNDS = 6
"""Rounds of k-means; ten, which is FAISS's default, find nothing more."""


class InvertedFile:
    """Rows of shape (dimension,) by number, in lists around centroids."""

    def __init__(self, ivf: faiss.IndexIVF) -> None:
        self._ivf = ivf

    @classmethod
    def exact(cls, dimension: int) -> "InvertedFile":
        """Return an empty file with a single list, which a search scans from end to end."""
        return cls._around(np.zeros((1, dimension), np.float32))

    @classmethod
    def train(cls, sample: npt.NDArray[np.float32], vectors: int, *, threads: int = 1) -> "InvertedFile":
        """Return an empty file whose centroids fit `sample`, shape (m, dimension), made for so many vectors."""
        lists = min(lists_for(vectors), len(sample) // TRAINING_VECTORS_PER_LIST)
        if lists <= 1:
            return cls.exact(sample.shape[1])
        # Vectors are compared by direction, so centroids are directions too.
        kmeans = faiss.Kmeans(sample.shape[1], lists, niter=TRAINING_ROUNDS, spherical=True)
        faiss.omp_set_num_threads(threads)  # of the calling thread alone, as everywhere
        kmeans.train(sample)
        return cls._around(np.asarray(kmeans.centroids, np.float32))

    @classmethod
    def _around(cls, centroids: npt.NDArray[np.float32]) -> "InvertedFile":
        lists, dimension = centroids.shape
        quantizer = faiss.IndexFlatIP(dimension)
        quantizer.add(centroids)
        metric, half = faiss.METRIC_INNER_PRODUCT, faiss.ScalarQuantizer.QT_fp16
        # The vectors themselves and not residuals (the last argument), so that they come back as they went in.
        ivf = faiss.IndexIVFScalarQuantizer(quantizer, dimension, lists, half, metric, False)
        ivf.train(centroids)  # nothing is left to train; FAISS wants to be told
        # Knows the list of each row, so that removal scans nothing.
        ivf.set_direct_map_type(faiss.DirectMap.Hashtable)  # type: ignore[attr-defined]
        return cls(ivf)

    def empty_copy(self) -> "InvertedFile":
        """Return an empty file with the same lists."""
        return self._around(self._ivf.quantizer.reconstruct_n(0, self.lists))

    def read_list(self, which: int) -> tuple[Numbers, npt.NDArray[np.float32]]:
        """Return the numbers and the rows of one list."""
        lists = self._ivf.invlists
        assert lists is not None
        size, width = lists.list_size(which), self._ivf.code_size
        if size == 0:
            return np.empty(0, np.int64), np.empty((0, self._ivf.d), np.float32)
        codes = faiss.rev_swig_ptr(lists.get_codes(which), size * width).view(np.float16)
        # Copies: FAISS may move the memory at the next change.
        return faiss.rev_swig_ptr(lists.get_ids(which), size).copy(), codes.reshape(size, -1).astype(np.float32)

    def add_to_list(self, which: int, numbers: Numbers, vectors: npt.NDArray[np.float32]) -> None:
        """Add rows that it does not hold, as `read_list` of a file with the same lists gave them."""
        if len(numbers):
            _stay_on_one_core()
            target = np.full(len(numbers), which, np.int64)
            arrays = faiss.swig_ptr(vectors), faiss.swig_ptr(numbers), faiss.swig_ptr(target)
            self._ivf.add_core(len(numbers), *arrays)

    @property
    def faiss_index(self) -> faiss.IndexIVF:
        """The FAISS object, for snapshots."""
        return self._ivf

    @property
    def lists(self) -> int:
        """Number of lists."""
        return int(self._ivf.nlist)

    def __len__(self) -> int:
        return int(self._ivf.ntotal)

    def put(self, numbers: Numbers, vectors: npt.NDArray[np.float32]) -> None:
        """Set rows, shape (n, dimension); what they held before is forgotten."""
        self.drop(numbers)
        if len(numbers):
            _stay_on_one_core()
            self._ivf.add_with_ids(vectors, numbers)

    def drop(self, numbers: Numbers) -> None:
        """Forget rows; numbers that it does not hold are passed over."""
        if len(numbers):
            _stay_on_one_core()
            self._ivf.remove_ids(numbers)  # type: ignore[arg-type]

    def read(self, numbers: Numbers) -> npt.NDArray[np.float32]:
        """Return rows that it holds, shape (len(numbers), dimension)."""
        _stay_on_one_core()
        return self._ivf.reconstruct_batch(numbers)  # type: ignore[no-any-return]

    def search(self, query: Vector, k: int, probes: int) -> tuple[Numbers, npt.NDArray[np.float32]]:
        """Return numbers and cosines of up to k rows near the query, from the `probes` nearest lists."""
        _stay_on_one_core()
        cosines, numbers = self._ivf.search(query[np.newaxis], k, params=_opening(min(probes, self.lists)))
        found = numbers[0] >= 0  # FAISS fills up with -1
        return numbers[0][found], cosines[0][found]


@lru_cache(maxsize=64)
def _opening(probes: int) -> faiss.SearchParametersIVF:
    """Return the parameters of a search; to make them anew costs a fifth of the search of 60,000 rows."""
    return faiss.SearchParametersIVF(nprobe=probes)  # type: ignore[call-arg]


def _stay_on_one_core() -> None:
    """Keep FAISS from waking a team of threads for one row: on a busy machine that takes 1.5 ms in place of 15 µs.

    The setting is one of OpenMP's and of the calling thread alone, and takes 0.1 µs.
    """
    faiss.omp_set_num_threads(1)


def lists_for(vectors: int) -> int:
    """Return how many lists a file of so many vectors has: never more than they can train."""
    return max(1, min(int(LISTS_PER_ROOT * sqrt(vectors)), vectors // TRAINING_VECTORS_PER_LIST))


def sample_size(vectors: int) -> int:
    """Return how many of so many vectors to train with."""
    return min(vectors, TRAINING_VECTORS_PER_LIST * lists_for(vectors))
