"""The table of access is what the topics, the stores and the page say of themselves."""

import re
from pathlib import Path

import pytest
from secured_servers import rules_given_by_the_script

from musicrec.access import (
    AGENTS,
    EMBEDDER,
    OUTCOME,
    RANKING,
    RE_EMBEDDER,
    SERVICES,
    SESSION,
    SESSION_RANKING,
    WEB,
    Operation,
    Service,
)
from musicrec.documents.access_lists import access_table, redis_users
from musicrec.topics import TOPICS, Topic
from streams import embedding_memory, list_store, session_store
from streams.consumer_groups import consumer_group
from streams.web.broker_survey import READ_BY
from streams.web.feed import FROM_NOW_ON, FROM_THE_BEGINNING
from streams.worker import Agent

SAYS = {"a platform that publishes": "platform", "a platform that subscribes": "platform"}
"""What the table of topics calls them."""
PEOPLE = {"operators"}
"""They have users of their own."""


def names(topics: tuple[Topic, ...]) -> set[str]:
    return {topic.name for topic in topics}


@pytest.mark.parametrize("topic", TOPICS, ids=lambda topic: topic.name)
def test_whoever_the_table_of_topics_names_has_the_right_and_nobody_else(topic: Topic) -> None:
    readers = {SAYS.get(service.purpose, service.purpose) for service in SERVICES if topic in service.reads}
    writers = {SAYS.get(service.purpose, service.purpose) for service in SERVICES if topic in service.writes}

    assert readers == set(topic.read_by.split(", ")) - PEOPLE
    assert writers == set(topic.written_by.split(", "))


@pytest.mark.parametrize("service", [AGENTS[name] for name in READ_BY], ids=lambda service: service.name)
def test_an_agent_reads_what_its_lag_is_measured_on_in_its_own_group(service: Service) -> None:
    assert service.group == consumer_group(service.name)
    assert names(READ_BY[service.name]) <= names(service.reads)
    assert {f"{topic.name}.dlq" for topic in READ_BY[service.name]} <= names(service.writes)


def test_the_re_embedder_has_a_group_for_each_model_and_looks_at_the_embedder() -> None:
    assert RE_EMBEDDER.group_per_model
    assert consumer_group(RE_EMBEDDER.name, "audio-1").removesuffix("audio-1") == RE_EMBEDDER.group
    assert RE_EMBEDDER.watches == (EMBEDDER.group,)
    assert (RE_EMBEDDER.reads, RE_EMBEDDER.writes) == (EMBEDDER.reads, EMBEDDER.writes)


def test_who_does_the_work_of_two_agents_may_do_what_either_may_and_look_where_they_stand() -> None:
    for service in (SESSION, RANKING):
        assert names(service.reads) <= names(SESSION_RANKING.reads)
        assert names(service.writes) <= names(SESSION_RANKING.writes)
        assert service.group in SESSION_RANKING.watches
        assert service.redis is not None
        assert SESSION_RANKING.redis is not None
        assert set(service.redis.keys) <= set(SESSION_RANKING.redis.keys)
        assert set(service.redis.calls) <= set(SESSION_RANKING.redis.calls)


def test_every_agent_has_a_row() -> None:
    assert AGENTS.keys() == set(Agent)


def test_the_page_reads_what_it_shows_and_looks_at_the_groups_of_the_agents() -> None:
    assert names(WEB.reads) == {*FROM_THE_BEGINNING, *FROM_NOW_ON}
    assert names(WEB.reads) | names(WEB.describes) >= {topic.name for topics in READ_BY.values() for topic in topics}
    assert set(WEB.watches) == {consumer_group(agent) for agent in READ_BY}


LISTS = {f"{list_store.LISTS_PREFIX}*"}


@pytest.mark.parametrize(
    ("services", "store", "keys"),
    [
        ([SESSION], session_store, {f"{session_store.KEY_PREFIX}*"}),
        ([RANKING, OUTCOME], list_store, LISTS | {f"{list_store.ANSWERS_PREFIX}*"}),
        ([EMBEDDER, RE_EMBEDDER], embedding_memory, {f"{embedding_memory.KEY_PREFIX}*"}),
    ],
    ids=["sessions", "lists", "embedded audio"],
)
def test_whoever_uses_a_store_may_call_what_its_code_calls_on_its_own_keys(
    services: list[Service], store: object, keys: set[str]
) -> None:
    source = Path(str(getattr(store, "__file__", ""))).read_text()
    in_scripts = {name.lower() for name in re.findall(r"redis\.call\('(\w+)'", source)}
    sent = set(re.findall(r"(?:pipeline|self\._redis)\.(\w+)\(", source)) - {"pipeline", "execute"}
    stored = {"script|load", "evalsha"} if "StoredScript(" in source else set()

    access = [service.redis for service in services if service.redis is not None]
    assert {key for each in access for key in each.keys} == keys
    assert {command for each in access for command in each.commands} == in_scripts | sent | stored


def test_the_outcome_agent_only_looks_at_lists() -> None:
    assert OUTCOME.redis is not None
    assert set(OUTCOME.redis.keys) == LISTS
    assert OUTCOME.redis.commands == ("zrevrangebyscore",)


def test_the_script_gives_exactly_the_rules_of_the_table(tmp_path: Path) -> None:
    assert rules_given_by_the_script(tmp_path) == {service.user: set(service.kafka_rules) for service in SERVICES}


def test_nobody_may_do_more_than_use_topics_and_only_groups_of_models_are_named_by_their_beginning() -> None:
    for service in SERVICES:
        assert len(set(service.kafka_rules)) == len(service.kafka_rules)
        assert all("*" not in rule.name for rule in service.kafka_rules)
        assert not any(rule.prefixed for rule in service.kafka_rules if rule.name != RE_EMBEDDER.group)
        assert {rule.operation for rule in service.kafka_rules} <= set(Operation)


def test_redis_users_have_no_password_and_cannot_log_in_until_an_operator_says_so() -> None:
    lines = redis_users().splitlines()

    assert [line.split()[1] for line in lines] == [
        f"musicrec-{name}" for name in ("session", "ranking", "session-ranking", "outcome", "embedder", "re-embedder")
    ]
    assert all(line.split()[2] == "off" and "-@all" in line and "nopass" not in line for line in lines)
    assert not re.search(r"\+@|allkeys|allcommands|~\* ", redis_users())


def test_the_document_has_a_row_for_each_service() -> None:
    rows = [line for line in access_table().splitlines() if line.startswith("| `musicrec-")]

    assert [row.split("`")[1] for row in rows] == [service.user for service in SERVICES]
    assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1
