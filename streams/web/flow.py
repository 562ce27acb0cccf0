"""The way of events through topics and agents, with rates and lag: folded from what the broker says, pure."""

from collections import deque
from typing import Final, TypedDict

from aiokafka import TopicPartition

from musicrec.access import AGENTS
from musicrec.topics import DEAD_LETTERS, TOPICS
from streams.web.broker_survey import READ_BY, BrokerFigures

WINDOW_S: Final = 15.0
"""A rate is a mean over this time: commits come once a second, and the broker is asked every two."""


class TopicView(TypedDict):
    """A topic as it stands."""

    name: str
    partitions: int
    kept: int
    """Messages between its oldest and its newest offset."""
    per_s: float | None
    """Messages published to it per second; None until it has been looked at twice."""


class WorkerView(TypedDict):
    """One process of a consumer group."""

    name: str
    host: str
    partitions: list[int]
    """Of the first topic that its agent reads."""


class AgentView(TypedDict):
    """An agent between what it reads and what it writes."""

    agent: str
    reads: list[str]
    writes: list[str]
    lag: int | None
    """Messages not committed yet; None where its group has never committed."""
    lag_by_partition: list[int]
    """Likewise of each partition of the first topic that it reads; empty where it has never committed."""
    per_s: float | None
    """Messages that it commits per second."""
    caught_up_after_s: float | None
    """How long its lag lasts as things go; None where it does not shrink, or is no more than a commit takes."""
    workers: list[WorkerView]
    idle_partitions: int
    """Partitions that none of its processes reads: more than none for longer than a rebalance is an outage."""


class FlowView(TypedDict):
    """The panel."""

    topics: list[TopicView]
    """In the order of the table of topics, those that the broker shows."""
    agents: list[AgentView]


class Flow:
    """Remembers what the broker said within the window."""

    def __init__(self) -> None:
        self._heard: deque[BrokerFigures] = deque()

    def take(self, figures: BrokerFigures) -> None:
        """Take what the broker says now."""
        self._heard.append(figures)
        while len(self._heard) > 2 and figures.at_s - self._heard[1].at_s >= WINDOW_S:
            self._heard.popleft()

    def view(self) -> FlowView:
        """Return the panel; empty before the broker has said anything."""
        if not self._heard:
            return {"topics": [], "agents": []}
        first, last = self._heard[0], self._heard[-1]
        return {
            "topics": [view for topic in TOPICS if (view := _topic(topic.name, first, last)) is not None],
            "agents": [_agent(agent, first, last) for agent in last.agents()],
        }


def _topic(name: str, first: BrokerFigures, last: BrokerFigures) -> TopicView | None:
    partitions = [partition for partition in last.ends if partition.topic == name]
    if not partitions:
        return None
    ends = sum(last.ends[partition] for partition in partitions)
    return {
        "name": name,
        "partitions": len(partitions),
        "kept": ends - sum(last.beginnings.get(partition, 0) for partition in partitions),
        # By partition: one that was added, or a topic made anew, is no burst.
        "per_s": _rate(sum(max(0, last.ends[p] - first.ends.get(p, last.ends[p])) for p in partitions), first, last),
    }


def _agent(agent: str, first: BrokerFigures, last: BrokerFigures) -> AgentView:
    lag, topics = last.lag_of(agent), READ_BY[agent]
    before, now = first.committed.get(agent, {}), last.committed.get(agent, {})
    per_s = _rate(sum(max(0, place - before.get(p, place)) for p, place in now.items()), first, last)
    letters = {topic.name for topic in DEAD_LETTERS}
    main = sorted(partition for partition in last.ends if partition.topic == topics[0].name)
    members = last.members.get(agent, ())
    read = {number for member in members for number in member.partitions.get(topics[0].name, ())}
    return {
        "agent": agent,
        "reads": [topic.name for topic in topics],
        "writes": [topic.name for topic in AGENTS[agent].writes if topic.name not in letters],
        "lag": None if lag is None else sum(lag.values()),
        "lag_by_partition": [] if lag is None else [lag.get(partition, 0) for partition in main],
        "per_s": None if lag is None else per_s,
        "caught_up_after_s": _caught_up_after_s(agent, lag, first, last),
        "workers": [
            {
                "name": member.name or "(no name)",
                "host": member.host,
                "partitions": list(member.partitions.get(topics[0].name, ())),
            }
            for member in members
        ],
        "idle_partitions": sum(partition.partition not in read for partition in main),
    }


def _caught_up_after_s(
    agent: str, lag: dict[TopicPartition, int] | None, first: BrokerFigures, last: BrokerFigures
) -> float | None:
    """Return how long the lag lasts if it goes on to shrink as it did within the window."""
    before = first.lag_of(agent)
    if lag is None or before is None:
        return None
    left, shrunk_per_s = sum(lag.values()), _rate(sum(before.values()) - sum(lag.values()), first, last)
    if shrunk_per_s is None or shrunk_per_s <= 0 or left == 0:
        return None
    return round(left / shrunk_per_s, 1)


def _rate(count: int, first: BrokerFigures, last: BrokerFigures) -> float | None:
    span_s = last.at_s - first.at_s
    return round(count / span_s, 1) if span_s > 0 else None
