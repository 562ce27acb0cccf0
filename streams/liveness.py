"""Alive, ready, or neither, and why: the rules, without a clock, a thread or a connection.

Alive means that a restart would not help.  So a server that is away is never a reason to end: all workers would
restart at once, and again, and lose the state that they hold.  The batch loop has a deadline of its own for that, so
most is judged only while Kafka and Redis answer; and a batch that is tried again, or lets others go first, has
moved.  What ends a worker:

    the event loop stands still             `still_s`
    the group's client has given up         at once: it never tries again
    a follower's task is gone               at once
    a topic was made anew                   at once
    and, while the servers answer:
    rebalancing, and nothing is finished    `group_s`; `progress_s` where one rebalance follows the other
    not a member of the group               `group_s`
    messages wait and none is finished      `progress_s`
    a partition is not fetched              `progress_s`

Ready means that events are worked off now: state restored, in the group, servers answer.
"""

from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from typing import NamedTuple

from streams.vitals import Group, Phase, Vitals

LONGEST_STEP_S = 2.0
"""Most time that counts between two looks.  Beyond it the whole process did not live: it was suspended, or starved, and
must not be blamed for what it could not do meanwhile."""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long what may last, seconds."""

    still_s: float
    """An event loop that stands still."""
    group_s: float
    """A rebalance, or being outside the group; above the rebalance timeout and the session timeout together."""
    progress_s: float
    """Work of which nothing gets finished; above the slowest batch."""


class Ailment(NamedTuple):
    """Something that is wrong if it lasts."""

    key: Hashable
    """The same key at two looks: it has lasted; it holds whatever would have changed had anything moved."""
    limit_s: float
    sentence: str


class Liveness:
    """Judges the vitals of one worker, look by look."""

    def __init__(self, limits: Limits) -> None:
        self.limits = limits
        self._lived_s = 0.0
        self._looked_s: float | None = None
        self._since_s: dict[Hashable, float] = {}

    def look(self, now_s: float, vitals: Vitals) -> str | None:
        """Return why the worker is dead, or None.

        Args:
            now_s: monotonic clock, seconds.
            vitals: the newest there are.
        """
        if self._looked_s is not None:
            self._lived_s += min(now_s - self._looked_s, LONGEST_STEP_S)
        self._looked_s = now_s
        found = list(ailments(vitals, self.limits))
        self._since_s = {ailment.key: self._since_s.get(ailment.key, self._lived_s) for ailment in found}
        for ailment in found:
            lasted_s = self._lived_s - self._since_s[ailment.key]
            if not ailment.limit_s:
                return ailment.sentence
            if lasted_s > ailment.limit_s:
                return f"{ailment.sentence} for {lasted_s:.0f} s"
        return None


def ailments(vitals: Vitals, limits: Limits) -> Iterator[Ailment]:
    """Yield what is wrong if it lasts, worst first."""
    yield Ailment(("tick", vitals.tick), limits.still_s, "the event loop has stood still")
    for followed in vitals.following:
        if followed.ended:
            yield Ailment(
                ("ended", followed.topic), 0.0, f"nothing follows {followed.topic} any more: its task is gone"
            )
    for topic in vitals.made_anew:
        sentence = f"{topic} was deleted and created again: the offsets that are kept are of the old one"
        yield Ailment(("made anew", topic), 0.0, sentence)
    if vitals.phase is not Phase.WORKING or vitals.group is None:
        return
    group = vitals.group
    if group.error is not None:
        yield Ailment("group error", 0.0, f"the client of the group {group.name} has given up: {group.error}")
    if vitals.kafka_error is not None or vitals.redis_error is not None:
        return  # what waits may wait for the server: a delivery alone is given half a minute
    for work in vitals.work:
        if work.waiting:
            yield Ailment(
                ("work", work.topic, work.finished, work.tries),
                limits.progress_s,
                f"{work.waiting} messages of {work.topic} wait and none was finished",
            )
    yield from _group_ailments(vitals, group, limits)


def _group_ailments(vitals: Vitals, group: Group, limits: Limits) -> Iterator[Ailment]:
    """Yield what is wrong with its place in the group and with what comes from there."""
    done = sum(work.finished + work.tries for work in vitals.work)
    tries = {work.topic: work.tries for work in vitals.work}
    unread = [p for p in vitals.partitions if p.unread and not p.held]
    if group.rebalancing and not any(work.waiting for work in vitals.work):
        # It waits for what is in flight, and a batch may take longer than a rebalance should.
        sentence = f"the group {group.name} is rebalancing and nothing was finished"
        yield Ailment(("rebalancing", done), limits.group_s, sentence)
    if not group.member and not group.rebalancing:
        yield Ailment("outside", limits.group_s, f"not a member of the group {group.name}, though Kafka answers,")
    if unread or group.rebalancing:
        sentence = "messages are unread, or partitions are being handed around, and nothing was finished"
        yield Ailment(("starved", done), limits.progress_s, sentence)
    for p in () if group.rebalancing else unread:
        sentence = f"{p.topic}[{p.number}] has {p.unread} messages from offset {p.position} on and none was fetched"
        yield Ailment(("unread", p.topic, p.number, p.position, tries.get(p.topic)), limits.progress_s, sentence)


def unready(vitals: Vitals) -> list[str]:
    """Return what keeps the worker from working off events now, a sentence each; nothing where it is ready."""
    reasons = []
    if vitals.phase is Phase.STOPPING:
        reasons.append("stopping")
    if vitals.phase is Phase.STARTING:
        reasons.append(f"starting: {vitals.waits_for}")
    for followed in vitals.following:
        if not followed.caught_up:
            behind = "not connected" if followed.lag is None else f"{followed.lag} records behind"
            reasons.append(f"{followed.topic}: {behind}")
    if vitals.group is not None and vitals.phase is Phase.WORKING:
        if vitals.group.rebalancing:
            reasons.append(f"the group {vitals.group.name} is rebalancing")
        elif not vitals.group.member:
            reasons.append(f"not a member of the group {vitals.group.name}")
        reasons += [f"Kafka names no partition of the topic {topic}" for topic in vitals.group.missing]
    if vitals.kafka_error is not None:
        reasons.append(f"Kafka: {vitals.kafka_error}")
    if vitals.redis_error is not None:
        reasons.append(f"Redis: {vitals.redis_error}")
    return reasons


def ready_note(vitals: Vitals) -> str:
    """Return what a ready worker says of itself."""
    if not vitals.partitions:
        return "ready; no partitions: the group has more workers than there are partitions"
    waits = [f"; waits: {work.waits_for}" for work in vitals.work if work.waits_for is not None]
    return f"ready; partitions: {len(vitals.partitions)}" + "".join(waits)
