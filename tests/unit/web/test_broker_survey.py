"""Lag from offsets."""

from aiokafka import TopicPartition

from streams.web.broker_survey import lags_of

P0, P1 = TopicPartition("t", 0), TopicPartition("t", 1)


def test_lag_is_what_lies_between_the_commits_and_the_ends() -> None:
    assert lags_of({P0: 10, P1: 20}, {P0: 0, P1: 0}, {P0: 8, P1: 20}) == {P0: 2, P1: 0}


def test_a_partition_without_a_commit_is_behind_from_its_beginning() -> None:
    assert lags_of({P0: 10, P1: 20}, {P0: 0, P1: 5}, {P0: 10, P1: -1}) == {P0: 0, P1: 20 - 5}


def test_what_retention_removed_does_not_count() -> None:
    assert lags_of({P0: 10}, {P0: 7}, {P0: 2}) == {P0: 10 - 7}


def test_a_group_that_never_committed_has_no_lag_to_tell() -> None:
    assert lags_of({P0: 10}, {P0: 0}, {P1: 3}) is None
