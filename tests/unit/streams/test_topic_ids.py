"""Topics that have the same name and are not the same."""

from uuid import UUID

import pytest
from aiokafka.errors import UnknownTopicOrPartitionError
from aiokafka.protocol.metadata import MetadataRequest_v5, MetadataResponse_v5

from streams.metadata_with_ids import NO_ID, MetadataRequest_v10, TopicIdsRequest
from streams.topic_ids import TopicIds

METADATA = 3
OLD = TopicIds("cluster", (("a", UUID(int=1)), ("b", UUID(int=2))))
NEW = TopicIds("cluster", (("a", UUID(int=1)), ("b", UUID(int=3))))


def test_topic_with_another_id_was_made_anew() -> None:
    assert OLD.made_anew(NEW) == ("b",)
    assert OLD.made_anew(OLD) == ()


def test_origin_is_that_of_these_topics_on_this_cluster_and_of_no_others() -> None:
    origins = {ids.origin for ids in (OLD, NEW, TopicIds("another", OLD.ids), TopicIds("cluster", OLD.ids[:1]))}
    assert len(origins) == 4
    assert OLD.origin == TopicIds("cluster", OLD.ids).origin
    assert {len(origin) for origin in origins} == {16}


def test_what_two_parts_of_a_worker_stand_on_is_both() -> None:
    assert TopicIds("cluster", OLD.ids[:1]) | TopicIds("cluster", OLD.ids[1:]) == OLD


@pytest.mark.parametrize(("newest", "expected"), [(5, MetadataRequest_v5), (13, MetadataRequest_v10)])
def test_the_newest_request_that_a_broker_knows_is_used(newest: int, expected: type) -> None:
    assert isinstance(TopicIdsRequest(["a"]).prepare({METADATA: (0, newest)}), expected)


async def test_broker_that_has_no_ids_is_told_apart_by_its_cluster_alone() -> None:
    async def answer(_: TopicIdsRequest) -> MetadataResponse_v5:
        return MetadataResponse_v5(0, [], "cluster", 1, [(0, "b", False, []), (0, "a", False, [])])

    assert await TopicIds.ask(answer, ["a", "b"]) == TopicIds("cluster", (("a", NO_ID), ("b", NO_ID)))


async def test_topic_that_is_not_there_is_named() -> None:
    async def answer(_: TopicIdsRequest) -> MetadataResponse_v5:
        return MetadataResponse_v5(0, [], "cluster", 1, [(UnknownTopicOrPartitionError.errno, "a", False, [])])

    with pytest.raises(UnknownTopicOrPartitionError, match="a"):
        await TopicIds.ask(answer, ["a"])
