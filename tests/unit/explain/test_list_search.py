"""What a list is sought by, and where it can stand."""

import re

import pytest
from aiokafka import ConsumerRecord
from aiokafka.partitioner import murmur2

from musicrec.cli.explain import _not_found
from musicrec.explain.list_search import Search, Sought
from musicrec.topics import RECOMMENDATIONS

LIST_ID = "l_0123456789abcdef01234567"


def record(key: bytes | None, value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord(RECOMMENDATIONS.name, 0, 0, 0, 0, key, value, None, 0, 0, ())


def test_what_looks_like_a_lists_id_is_one_unless_it_is_said_to_be_a_listener() -> None:
    assert Sought.parse(LIST_ID).by_id
    assert not Sought.parse(LIST_ID, is_user=True).by_id
    assert not Sought.parse("l_0123").by_id


def test_a_listeners_lists_stand_on_the_partition_of_the_key() -> None:
    name = "björk 🎵"
    for count in (1, 12, 96):
        assert Sought.parse(name).partitions(count) == ((murmur2(name.encode()) & 0x7FFFFFFF) % count,)
        assert Sought.parse(LIST_ID).partitions(count) == tuple(range(count))


def test_only_messages_that_may_be_it_are_decoded() -> None:
    assert Sought.parse("ann").may_be(record(b"ann", b"{}"))
    assert not Sought.parse("ann").may_be(record(b"anna", b"ann"))
    assert Sought.parse(LIST_ID).may_be(record(None, f'{{"list_id":"{LIST_ID}"}}'.encode()))
    assert not Sought.parse(LIST_ID).may_be(record(None, None))


@pytest.mark.parametrize(
    ("done", "said"),
    [
        (Search((7,)), r"recommendations\.v1\[7\] is empty; .*is a ranking worker running\?"),
        (
            Search((7,), looked_through=500, oldest_ms=1_600_000_000_000),
            "newest 500 .*2020-09-13.*--lists 5000 looks further",
        ),
        (
            Search((7,), looked_through=3, oldest_ms=1_600_000_000_000, unreadable=1, is_everything=True),
            r"all 3 messages .*\(1 that may have been it cannot be read\); Kafka keeps lists for 1 day: `musicrec dlq",
        ),
    ],
)
def test_a_list_that_is_not_found_is_answered_with_how_far_back_was_looked(done: Search, said: str) -> None:
    message = _not_found(Sought.parse("ann\x1b"), done)
    assert message.startswith(r"ann\x1b: no list for this listener")
    assert re.search(said, message)
