"""What a ranking worker has learned, on disk: one `.npy` file per array in a `SnapshotFolder`."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from aiokafka import TopicPartition

from musicrec.errors import Incompatible
from musicrec.recommend import Recommender
from musicrec.recommend.state import Array, State, named
from musicrec.recommend.variants import Variants
from musicrec.snapshot_folder import Facts, SnapshotFolder
from streams.running_sessions import RunningSessions

FORMAT = 5
"""Of the files; a change of any array's meaning or shape needs a new one."""

Offsets = Mapping[TopicPartition, int]
Taken = Mapping[str, list[Array]]
"""Pieces by name, as `Learned.state` yields them."""


@dataclass(frozen=True, slots=True)
class Learned:
    """What comes from the topics, and what all lists are made of."""

    variants: Variants
    running: RunningSessions

    @property
    def recommender(self) -> Recommender:
        """The default's: its knowledge is everybody's."""
        return self.variants.default

    def state(self) -> Iterable[tuple[str, Array]]:
        """Yield pieces of everything; see `Stateful`."""
        yield from named("recommender", self.recommender.state())
        yield from named("running", self.running.state())
        yield from named("variants", self.variants.state())

    def restore(self, state: State) -> None:
        """Become what `state` was taken from; see `Stateful`."""
        self.recommender.restore(state.part("recommender"))
        self.running.restore(state.part("running"))
        self.variants.restore(state.part("variants"))

    def counts(self) -> dict[str, int]:
        """Return how much was learned."""
        knowledge = self.recommender.knowledge
        return {
            "sessions": min(knowledge.sessions.next_serial, knowledge.sessions.rows),
            "listeners": len(knowledge.listeners),
            "tracks": len(knowledge.catalogue),
        }

    def described(self) -> str:
        """Return how much was learned, in words."""
        return ", ".join(f"{count:,} {what}" for what, count in self.counts().items())


@dataclass(frozen=True, slots=True)
class RankingSnapshot:
    """A snapshot that was loaded and checked."""

    learned: Learned
    offsets: Offsets
    """Of each partition the first record that is not in it."""
    created_at_ms: int


class RankingSnapshots:
    """The snapshots of the same topics and one setting of the ranking."""

    def __init__(self, root: Path, origin: str, new: Callable[[], Learned]) -> None:
        """Prepare to read and write.

        Args:
            root: folder.
            origin: of the topics that the offsets belong to.
            new: makes what has learned nothing.
        """
        self._folder = SnapshotFolder(root, "ranking snapshot", FORMAT)
        self._origin = origin
        self._new = new
        self._model_version = new().recommender.settings.learned_version()

    def save(self, taken: Taken, offsets: Offsets, counts: Mapping[str, int], *, now_ms: int) -> Path:
        """Write a snapshot; return its folder.

        Args:
            taken: the whole state.
            offsets: of each partition the first record that is not in it.
            counts: how much it holds.
            now_ms: the present, epoch milliseconds.

        Raises:
            Unavailable: another process is writing here, or the disk is full or away.
        """

        def write(folder: Path) -> Facts:
            for name, pieces in taken.items():
                _write_array(folder / f"{name}.npy", pieces)
            places: dict[str, dict[str, int]] = {}
            for (topic, partition), offset in sorted(offsets.items()):
                places.setdefault(topic, {})[str(partition)] = offset
            return {
                "origin": self._origin,
                "model_version": self._model_version,
                "offsets": places,
                "counts": dict(counts),
            }

        return self._folder.save(write, now_ms=now_ms)

    def load(self, *, now_ms: int) -> RankingSnapshot | None:
        """Return the newest snapshot that passes every check, or None; each refused one is logged with its reason."""
        return self._folder.load(self._read, now_ms=now_ms)

    def _read(self, folder: Path, facts: Facts) -> RankingSnapshot:
        for name, ours in (("origin", self._origin), ("model_version", self._model_version)):
            if facts[name] != ours:
                raise Incompatible(f"its {name} is {facts[name]}; this worker's is {ours}")
        learned = self._new()
        learned.restore(State({Path(name).stem: _mapped(folder / name) for name in facts["sha256"]}))
        if learned.counts() != facts["counts"]:
            raise ValueError(f"it holds {learned.counts()}; the manifest says {facts['counts']}")
        offsets = {
            TopicPartition(topic, int(partition)): offset
            for topic, places in facts["offsets"].items()
            for partition, offset in places.items()
        }
        return RankingSnapshot(learned, offsets, facts["created_at_ms"])


def _mapped(path: Path) -> Array:
    """Return an array that lies in the file: what is restored from it is the only copy."""
    return np.asarray(np.load(path, mmap_mode="r", allow_pickle=False))  # noqa: TID251 - safetensors maps no files


def _write_array(path: Path, pieces: list[Array]) -> None:
    """Write pieces as the one array that they are; put together in memory they would be there twice."""
    shape = (sum(map(len, pieces)), *pieces[0].shape[1:])
    header = {"descr": np.lib.format.dtype_to_descr(pieces[0].dtype), "fortran_order": False, "shape": shape}
    with path.open("wb") as file:
        np.lib.format.write_array_header_1_0(file, header)
        for piece in pieces:
            file.write(np.ascontiguousarray(piece).data)
