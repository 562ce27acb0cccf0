"""Who is in a consumer group, and taking members out of it that will not come back.

A member with a name (KIP-345) does not leave its group when it ends, so that a restart moves no partition; one that
ends for good leaves its partitions unread until its session times out, unless somebody says so.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment
from aiokafka.errors import (
    GroupAuthorizationFailedError,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    KafkaConnectionError,
    KafkaError,
    NodeNotReadyError,
    NoError,
    NotCoordinatorForGroupError,
    UnknownMemberIdError,
    for_code,
)
from aiokafka.protocol.api import Request

from musicrec.access import KafkaRule, Operation, Resource
from musicrec.errors import Incompatible, Unavailable
from musicrec.kafka_access import refused_rules
from musicrec.kafka_connection import check_connection
from musicrec.settings import KafkaSettings
from streams.group_requests import DescribeGroupRequest, DescribeGroupsResponse_v4, LeaveByNameRequest

DEADLINE_S: Final = 15.0
"""A coordinator that moves, or loads its groups after a start, is there again within seconds."""
ASK_AGAIN_S: Final = 0.3

PASSING: Final = (
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    NodeNotReadyError,
    KafkaConnectionError,
)

Ask = Callable[[Request[Any]], Awaitable[Any]]
Answer = TypeVar("Answer")


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a group."""

    name: str | None
    """Its MUSICREC_AGENT__INSTANCE_ID; None without one."""
    host: str
    partitions: Mapping[str, Sequence[int]]
    """Numbers by topic; none while the group rebalances."""


async def group_members(kafka: KafkaSettings, group: str) -> list[Member]:
    """Return the members of a group, by name; none of a group that is not there.

    Raises:
        Incompatible: credentials, the certificate or the right to read the group are refused.
        Unavailable: the broker does not answer.
    """

    async def describe(ask: Ask) -> list[Member]:
        return members_in(await ask(DescribeGroupRequest(group)))

    return await _of_coordinator(kafka, group, describe)


async def remove_members(kafka: KafkaSettings, group: str, names: Sequence[str]) -> list[str]:
    """Take members out of a group by name; the others share out their partitions at their next heartbeat.

    A member that runs after all joins again at its own next heartbeat.

    Returns:
        The names that are not in the group.

    Raises:
        Incompatible: credentials, the certificate or the right to read the group are refused.
        Unavailable: the broker does not answer.
    """

    async def leave(ask: Ask) -> list[str]:
        answer = await ask(LeaveByNameRequest(group, names))
        if for_code(answer.error_code) is UnknownMemberIdError:  # no such group
            return list(names)
        _check(answer.error_code)
        absent = []
        for _, name, code in answer.members:
            if for_code(code) is UnknownMemberIdError:
                absent.append(name)
            else:
                _check(code)
        return absent

    return await _of_coordinator(kafka, group, leave)


def members_in(answer: DescribeGroupsResponse_v4) -> list[Member]:
    """Return the members of the one group that was asked for, by name.

    Raises:
        KafkaError: the coordinator does not tell.
    """
    (found,) = answer.groups
    code, _, _, _, _, members, _ = found
    _check(code)
    return sorted(
        (
            Member(name or None, host.removeprefix("/"), _partitions(assignment))
            for _, name, _, host, _, assignment in members
        ),
        key=lambda member: (member.name or "", member.host),
    )


def _check(code: int) -> None:
    if (error := for_code(code)) is not NoError:
        raise error()


def _partitions(assignment: bytes) -> dict[str, list[int]]:
    if not assignment:
        return {}
    by_topic: dict[str, list[int]] = defaultdict(list)
    for topic, numbers in ConsumerProtocolMemberAssignment.decode(assignment).assignment:
        by_topic[topic].extend(numbers)
    return {topic: sorted(numbers) for topic, numbers in sorted(by_topic.items())}


async def _of_coordinator(kafka: KafkaSettings, group: str, question: Callable[[Ask], Awaitable[Answer]]) -> Answer:
    """Put a question to the group's coordinator, and again while that is on its way to another broker."""
    await check_connection(kafka)
    client = AIOKafkaAdminClient(**kafka.client_options(), request_timeout_ms=round(DEADLINE_S * 1000))
    deadline = time.monotonic() + DEADLINE_S
    try:
        await client.start()
        while True:
            try:
                node = await client.find_coordinator(group)
                return await question(partial(client._send_request, node_id=node))
            except PASSING:
                if time.monotonic() > deadline:
                    raise
            await asyncio.sleep(ASK_AGAIN_S)
    except GroupAuthorizationFailedError as error:
        raise refused_rules(kafka, [KafkaRule(Resource.GROUP, group, Operation.READ)]) from error
    except NotImplementedError as error:
        raise Incompatible(f"Kafka at {kafka.bootstrap_servers} knows no members by name: 2.4 and newer do") from error
    except (KafkaError, OSError) as error:
        raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer for {group}: {error!r}") from error
    finally:
        await client.close()
