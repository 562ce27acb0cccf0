"""What a broker's topics differ in, and what may be done about it."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.topic_plan import Change, Kind, TopicPlan, TopicState, plan_topics, wanted_config
from musicrec.topics import LISTENS, RULES, SESSIONS, TOPICS, TRACKS, Topic

DAY_MS = 86_400_000


def as_wanted(topic: Topic, replicas: int = 1, **config: str) -> TopicState:
    named = {name.replace("_", "."): value for name, value in config.items()}
    return TopicState(topic.partitions, replicas, wanted_config(topic, replicas) | named)


def plan(*found: tuple[Topic, TopicState], topics: tuple[Topic, ...] = (LISTENS,), **options: object) -> TopicPlan:
    states = {topic.name: state for topic, state in found}
    return plan_topics(topics, states, replication_factor=3, **options)  # type: ignore[arg-type]


def test_an_empty_broker_gets_every_topic_and_one_that_has_them_gets_nothing() -> None:
    assert plan_topics(TOPICS, {}, replication_factor=3).created == tuple(topic.name for topic in TOPICS)
    complete = {topic.name: as_wanted(topic) for topic in TOPICS}
    found = plan_topics(TOPICS, complete, replication_factor=1)
    assert (found.changes, found.fine) == ((), tuple(topic.name for topic in TOPICS))


def test_a_keyed_topic_with_another_number_of_partitions_than_the_others_of_its_key_is_refused() -> None:
    both = (LISTENS, SESSIONS)
    states = [(LISTENS, replace_partitions(as_wanted(LISTENS), 24)), (SESSIONS, as_wanted(SESSIONS))]
    (change,) = plan(*states, topics=both).refused
    assert change[:5] == (SESSIONS.name, Kind.REFUSED, "partitions", "12", "24")
    assert "user_id would be on two partitions" in change.why
    (other,) = plan(*states, topics=both, partitions={"user_id": 12}).refused
    assert other[:5] == (LISTENS.name, Kind.REFUSED, "partitions", "24", "12")
    (rules,) = plan((RULES, replace_partitions(as_wanted(RULES), 2)), topics=(RULES,)).refused
    assert rules.wanted == "1"


def test_new_topics_have_as_many_partitions_as_those_of_their_key_or_as_were_chosen() -> None:
    as_is = plan((LISTENS, replace_partitions(as_wanted(LISTENS), 24)), topics=(LISTENS, SESSIONS, TRACKS))
    assert [change.wanted for change in as_is.changes] == ["24 partitions, 3 replicas", "6 partitions, 3 replicas"]
    chosen = plan(topics=(LISTENS, TRACKS, RULES), partitions={"user_id": 96, "track_id": 3})
    assert [change.wanted.split(",")[0] for change in chosen.changes] == [
        "96 partitions",
        "3 partitions",
        "1 partitions",
    ]


def replace_partitions(state: TopicState, partitions: int) -> TopicState:
    return state._replace(partitions=partitions)


def test_what_is_kept_for_a_shorter_time_is_kept_longer_and_never_the_other_way() -> None:
    shorter = plan((LISTENS, as_wanted(LISTENS, retention_ms=str(DAY_MS))))
    assert shorter.changes == (Change(LISTENS.name, Kind.ALTER, "retention.ms", str(DAY_MS), str(7 * DAY_MS)),)
    for longer in (str(30 * DAY_MS), "-1"):
        assert plan((LISTENS, as_wanted(LISTENS, retention_ms=longer))).changes == ()
    (bounded,) = plan((LISTENS, as_wanted(LISTENS, retention_bytes="1000000"))).changes
    assert (bounded.kind, bounded.what, bounded.wanted) == (Kind.ALTER, "retention.bytes", "-1")


def test_a_topic_of_three_replicas_waits_for_two_and_one_of_one_replica_for_one() -> None:
    assert wanted_config(LISTENS, 3)["min.insync.replicas"] == "2"
    assert wanted_config(LISTENS, 2)["min.insync.replicas"] == "1"
    (raised,) = plan((LISTENS, as_wanted(LISTENS, 3, min_insync_replicas="1"))).changes
    assert (raised.what, raised.wanted) == ("min.insync.replicas", "2")
    assert plan((LISTENS, as_wanted(LISTENS, 3, min_insync_replicas="3"))).changes == ()


@pytest.mark.parametrize(
    ("topic", "found", "deletes"),
    [
        (LISTENS, "compact", "what is older than the retention"),
        (TRACKS, "delete", "all but the newest message of each key"),
    ],
)
def test_a_cleanup_policy_that_would_delete_is_changed_only_where_the_loss_is_accepted(
    topic: Topic, found: str, deletes: str
) -> None:
    state = (topic, as_wanted(topic, cleanup_policy=found))
    (refused,) = plan(state, topics=(topic,)).refused
    assert deletes in refused.why
    assert f"--accept-loss {topic.name}" in refused.why
    accepted = plan(state, topics=(topic,), accepted_losses=[topic.name])
    assert accepted.settings(topic.name) == {"cleanup.policy": topic.cleanup}


def test_a_cleanup_policy_that_deletes_less_is_no_loss() -> None:
    both = plan((TRACKS, as_wanted(TRACKS, cleanup_policy="delete,compact")), topics=(TRACKS,))
    assert both.settings(TRACKS.name) == {"cleanup.policy": "compact"}


def test_topics_of_an_earlier_version_are_named_and_left_alone() -> None:
    old = replace(LISTENS, name="musicrec.listens.v0")
    found = plan((LISTENS, as_wanted(LISTENS)), (old, as_wanted(old)), (replace(old, name="other.v1"), as_wanted(old)))
    assert (found.changes, found.unknown) == ((), ("musicrec.listens.v0",))


@given(st.dictionaries(st.sampled_from(sorted(wanted_config(LISTENS, 1))), st.text(max_size=8)), st.integers(1, 3))
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(config: dict[str, str], replicas: int) -> None:
    state = TopicState(LISTENS.partitions, replicas, wanted_config(LISTENS, replicas) | config)
    done = plan((LISTENS, state), accepted_losses=[LISTENS.name]).settings(LISTENS.name)
    assert plan((LISTENS, state._replace(config={**state.config, **done}))).changes == ()
