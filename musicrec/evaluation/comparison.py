"""Two configurations of the ranking over one log: both make the list before each play, both learn the play."""

import time
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import asdict
from hashlib import blake2b
from typing import Any, Final

import numpy as np

from musicrec.contracts import Mode, Recommendation, RecommendedItem, SessionSnapshot, Timings
from musicrec.evaluation.change_examples import ChangeExample, ExampleDraw
from musicrec.evaluation.confidence import intervals
from musicrec.evaluation.contest import rank_in
from musicrec.evaluation.list_change import change_between, kind_of, overlap
from musicrec.evaluation.metrics import LIST_LENGTH, Group, HitCounter
from musicrec.ids import derived_id
from musicrec.recommend import RankedList, Recommender

ALL: Final = "all"
GROUPS: Final = (Group.REPEAT, Group.NEW, Group.COMPLETED, Group.SKIPPED)


class Side:
    """One configuration and what its lists were like."""

    def __init__(self, name: str, recommender: Recommender, model_version: str | None = None) -> None:
        """Begin with nothing learned, under a name for the report.

        Args:
            name: for the report.
            recommender: makes the lists.
            model_version: what its lists carry; that of its settings if not given.
        """
        self.name = name
        self.recommender = recommender
        self.hits: dict[str, dict[int, HitCounter]] = {group: {} for group in (ALL, *GROUPS)}
        self._version = model_version or recommender.settings.version()
        self._times_s: list[float] = []
        self._items = self._new_items = 0
        self._strongest: Counter[str] = Counter()
        self._proposed: Counter[str] = Counter()
        self._digest = blake2b(digest_size=16)

    def ask(self, snapshot: SessionSnapshot) -> RankedList:
        """Return the list for a session, timed and counted."""
        started_s = time.perf_counter()
        ranked = self.recommender.rank(snapshot, LIST_LENGTH)
        self._times_s.append(time.perf_counter() - started_s)
        self._items += len(ranked.items)
        self._new_items += self._new_to(snapshot.user_id, ranked)
        self._strongest.update(item.sources[0].source for item in ranked.items if item.sources)
        self._proposed.update(source.source for item in ranked.items for source in item.sources)
        self._digest.update(list_bytes(snapshot, ranked, self._version))
        return ranked

    def count(self, ranked: RankedList, target: str, groups: Collection[Group], unit: int) -> None:
        """Count one case of listener `unit`, who then played `target`; ties count against the list."""
        rank = rank_in(ranked, self.recommender.knowledge.catalogue.index_of(target))
        for group in (ALL, *(group for group in GROUPS if group in groups)):
            self.hits[group].setdefault(unit, HitCounter()).count(rank)

    def _new_to(self, user_id: str, ranked: RankedList) -> int:
        """Return how many items of a list the listener never played, as far as is remembered."""
        known = self.recommender.knowledge
        listener, index_of = known.listeners.get(user_id), known.catalogue.index_of
        heard = listener.tracks[: listener.length] if listener is not None else np.zeros(0, np.int32)
        return int(np.isin([index_of(item.track_id) for item in ranked.items], heard, invert=True).sum())

    def figures(self) -> dict[str, Any]:
        """Return the figures of this side by their published keys."""
        times_ms = np.array(self._times_s or [0.0]) * 1e3
        items = max(1, self._items)
        sources = sorted(self._proposed, key=lambda source: -self._strongest[source])
        return {
            "name": self.name,
            "model_version": self._version,
            "groups": {group: _total(hits).figures() for group, hits in self.hits.items()},
            "sources": {
                source: {
                    "strongest": round(self._strongest[source] / items, 6),
                    "proposed": round(self._proposed[source] / items, 6),
                }
                for source in sources
            },
            "new@20": round(self._new_items / items, 6),
            "p50_ms": round(float(np.percentile(times_ms, 50)), 4),
            "p99_ms": round(float(np.percentile(times_ms, 99)), 4),
            "lists_digest": self._digest.hexdigest(),
        }


class Comparison:
    """Asks both sides for the same lists and teaches both the same plays; see `Learners`."""

    def __init__(self, a: Side, b: Side, *, examples: int = 0) -> None:
        """Compare `b` with `a`, and keep so many examples of each kind of change."""
        self.a, self.b = a, b
        self._units: dict[str, int] = {}
        self._draw = ExampleDraw(examples)
        self._cases = self._differ = self._differ_first = self._other_tracks = 0
        self._overlap = 0.0

    def ask(
        self, snapshot: SessionSnapshot, newest_first: Sequence[str], target: str, groups: Collection[Group]
    ) -> None:
        """Score one case on both sides."""
        self._cases += 1
        # In turn the first: what the other leaves in the processor's caches favours neither.
        if self._cases % 2:
            of_a = self.a.ask(snapshot)
            of_b = self.b.ask(snapshot)
        else:
            of_b = self.b.ask(snapshot)
            of_a = self.a.ask(snapshot)
        unit = self._units.setdefault(snapshot.user_id, len(self._units))
        self.a.count(of_a, target, groups, unit)
        self.b.count(of_b, target, groups, unit)
        self._compare(snapshot, target, of_a.items, of_b.items)

    def teach(self, snapshot: SessionSnapshot, play: str | None, before: str | None) -> None:
        """Let both sides learn a snapshot."""
        self.a.recommender.learn(snapshot)
        self.b.recommender.learn(snapshot)

    def figures(self) -> dict[str, Any]:
        """Return the figures by their published keys."""
        cases = max(1, self._cases)
        a, b = self.a.figures(), self.b.figures()
        groups = {
            group: {
                metric: {
                    "difference": round(b["groups"][group][metric] - a["groups"][group][metric], 6),
                    "interval": bounds,
                }
                for metric, bounds in intervals(self.b.hits[group], self.a.hits[group]).items()
            }
            for group in self.a.hits
        }
        return {
            "a": a,
            "b": b,
            "lists": self._cases,
            "listeners": len(self._units),
            "differ": round(self._differ / cases, 6),
            "differ_first": round(self._differ_first / cases, 6),
            "other_tracks": round(self._other_tracks / cases, 6),
            "overlap@20": round(self._overlap / cases, 6),
            "b_above_a": groups,
            "examples": [asdict(example) for example in self._draw.examples],
        }

    def _compare(
        self,
        snapshot: SessionSnapshot,
        target: str,
        of_a: Sequence[RecommendedItem],
        of_b: Sequence[RecommendedItem],
    ) -> None:
        tracks_a, tracks_b = ([item.track_id for item in items] for items in (of_a, of_b))
        self._overlap += overlap(tracks_a, tracks_b)
        if tracks_a == tracks_b:
            return
        self._differ += 1
        self._differ_first += tracks_a[:1] != tracks_b[:1]
        self._other_tracks += set(tracks_a) != set(tracks_b)
        place_a, place_b = _place(target, tracks_a), _place(target, tracks_b)
        kind = kind_of(place_a, place_b)
        if self._draw.wants(kind, snapshot.trigger.event_id):
            self._draw.offer(
                ChangeExample(
                    kind=kind,
                    user_id=snapshot.user_id,
                    session_id=str(snapshot.session_id),
                    answered_event_id=snapshot.trigger.event_id,
                    played_track_id=target,
                    place_in_a=place_a,
                    place_in_b=place_b,
                    change=change_between(of_a, of_b),
                )
            )


def list_bytes(snapshot: SessionSnapshot, ranked: RankedList, model_version: str) -> bytes:
    """Return a list as it is published for a snapshot, but for what the clock says: made at the time of the event."""
    return Recommendation(
        list_id=derived_id("l", snapshot.user_id, snapshot.trigger.event_id),
        user_id=snapshot.user_id,
        mode=Mode.SESSION,
        items=ranked.items,
        degraded=ranked.degraded,
        session_id=snapshot.session_id,
        session_revision=snapshot.revision,
        trigger=snapshot.trigger,
        model_version=model_version,
        index_version="none",
        generated_at_ms=snapshot.trigger.occurred_at_ms,
        timings=Timings(ranking_ms=0.0),
        making=ranked.making,
    ).encode()


def _place(track_id: str, listed: Sequence[str]) -> int | None:
    return listed.index(track_id) + 1 if track_id in listed else None


def _total(hits: dict[int, HitCounter]) -> HitCounter:
    total = HitCounter()
    for counter in hits.values():
        total.cases += counter.cases
        total.hits += counter.hits
        total.reciprocal_ranks += counter.reciprocal_ranks
    return total
