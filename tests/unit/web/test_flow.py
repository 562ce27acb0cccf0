"""Rates and lag from what a broker says at two moments."""

from aiokafka import TopicPartition

from streams.group_members import Member
from streams.web.broker_survey import BrokerFigures
from streams.web.flow import WINDOW_S, AgentView, Flow, FlowView, TopicView

LISTENS = [TopicPartition("musicrec.listens.v1", number) for number in range(3)]
SESSIONS = [TopicPartition("musicrec.sessions.v1", number) for number in range(3)]


def figures(at_s: float, listens: tuple[int, ...], done: tuple[int, ...] = (), *members: Member) -> BrokerFigures:
    """Return what a broker with three partitions of listens says; `done` is committed by the session agent."""
    ends = dict(zip(LISTENS, listens, strict=True)) | dict.fromkeys(SESSIONS, 0)
    return BrokerFigures(
        at_s=at_s,
        beginnings=dict.fromkeys(ends, 0),
        ends=ends,
        committed={"session": dict(zip(LISTENS, done, strict=False))},
        members={"session": members},
    )


def seen(*heard: BrokerFigures) -> FlowView:
    flow = Flow()
    for each in heard:
        flow.take(each)
    return flow.view()


def session(view: FlowView) -> AgentView:
    return next(agent for agent in view["agents"] if agent["agent"] == "session")


def listens(view: FlowView) -> TopicView:
    return next(topic for topic in view["topics"] if topic["name"] == "musicrec.listens.v1")


def test_before_the_broker_has_said_anything_there_is_nothing_to_see() -> None:
    assert Flow().view() == {"topics": [], "agents": []}


def test_a_rate_needs_two_looks_and_is_the_growth_between_them() -> None:
    assert listens(seen(figures(0, (5, 0, 0))))["per_s"] is None
    view = seen(figures(0, (5, 0, 0), (5, 0, 0)), figures(2, (15, 6, 0), (11, 2, 0)))
    assert (listens(view)["per_s"], listens(view)["kept"]) == (8.0, 21)
    assert session(view)["per_s"] == 4.0


def test_what_lies_before_the_window_no_longer_counts() -> None:
    heard = [figures(at_s, (100 * at_s, 0, 0)) for at_s in range(0, 40, 2)]
    quiet = [figures(at_s, (4_000, 0, 0)) for at_s in range(40, 40 + int(WINDOW_S) + 5, 2)]
    assert listens(seen(*heard, *quiet))["per_s"] == 0.0


def test_a_partition_that_is_new_is_no_burst_and_a_topic_made_anew_no_negative_rate() -> None:
    before, after = figures(0, (500, 0, 0)), figures(2, (3, 900, 0))
    before = BrokerFigures(0, before.beginnings, {p: e for p, e in before.ends.items() if p != LISTENS[1]})
    assert listens(seen(before, after))["per_s"] == 0.0


def test_an_agent_that_has_never_committed_has_no_lag_and_no_rate() -> None:
    agent = session(seen(figures(0, (5, 0, 0)), figures(2, (9, 0, 0))))
    assert (agent["lag"], agent["per_s"], agent["lag_by_partition"], agent["workers"]) == (None, None, [], [])


def test_lag_is_shown_by_partition_and_how_long_it_lasts_as_it_shrinks() -> None:
    agent = session(seen(figures(0, (100, 100, 100), (0, 100, 60)), figures(4, (100, 100, 100), (40, 100, 100))))
    assert (agent["lag"], agent["lag_by_partition"]) == (60, [60, 0, 0])
    assert agent["caught_up_after_s"] == 60 / ((140 - 60) / 4)


def test_a_lag_that_grows_has_no_end_in_sight() -> None:
    agent = session(seen(figures(0, (10, 10, 10), (10, 10, 10)), figures(4, (90, 10, 10), (20, 10, 10))))
    assert (agent["lag"], agent["caught_up_after_s"]) == (70, None)


def test_workers_are_named_with_their_partitions_and_those_of_nobody_are_counted() -> None:
    member = Member("session-0", "10.0.0.5", {"musicrec.listens.v1": [0, 2]})
    agent = session(seen(figures(0, (1, 1, 1), (1, 1, 1), member)))
    assert agent["workers"] == [{"name": "session-0", "host": "10.0.0.5", "partitions": [0, 2]}]
    assert agent["idle_partitions"] == 1
    assert agent["writes"] == ["musicrec.sessions.v1"]


def test_of_sessions_and_lists_in_one_agent_or_in_two_only_what_has_run_is_shown() -> None:
    def agents(*ran: str) -> list[str]:
        committed = {agent: {LISTENS[0]: 1} if agent != "ranking" else {SESSIONS[0]: 1} for agent in ran}
        now = figures(0, (1, 1, 1))
        shown = BrokerFigures(0, now.beginnings, now.ends, committed)
        assert list(shown.lags()) == [agent["agent"] for agent in seen(shown)["agents"]]
        return list(shown.lags())

    assert agents() == ["session", "ranking", "outcome", "embedder"]
    assert agents("session", "ranking") == ["session", "ranking", "outcome", "embedder"]
    assert agents("session-ranking") == ["session-ranking", "outcome", "embedder"]
    assert agents("session", "session-ranking") == ["session", "session-ranking", "outcome", "embedder"]
