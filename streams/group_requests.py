"""Kafka's requests about members that have a name in their group (KIP-345), which aiokafka 0.14 lacks.

LeaveGroup from version 3 on takes any members by name, from whoever may read the group; DescribeGroups from version 4
on tells names.  Brokers know both since Kafka 2.4.
"""

from collections.abc import Iterable
from typing import Final

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import Array, Boolean, Bytes, Int16, Int32, Schema, String

WHATEVER_MEMBER_ID: Final = ""
"""The name alone says who is meant."""


class LeaveGroupResponse_v3(Response):
    """What became of each member."""

    API_KEY, API_VERSION = 13, 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        ("error_code", Int16),
        (
            "members",
            Array(("member_id", String("utf-8")), ("group_instance_id", String("utf-8")), ("error_code", Int16)),
        ),
    )


class LeaveGroupRequest_v3(RequestStruct):
    """Members that leave."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 13, 3, LeaveGroupResponse_v3
    SCHEMA = Schema(
        ("group", String("utf-8")),
        ("members", Array(("member_id", String("utf-8")), ("group_instance_id", String("utf-8")))),
    )


class LeaveByNameRequest(Request[LeaveGroupRequest_v3]):
    """Has members leave a group, whether they run or not."""

    API_KEY = 13

    def __init__(self, group: str, names: Iterable[str]) -> None:
        self._group = group
        self._members = [(WHATEVER_MEMBER_ID, name) for name in names]

    def build(self, request_struct_class: type[LeaveGroupRequest_v3]) -> LeaveGroupRequest_v3:
        return request_struct_class(self._group, self._members)


class DescribeGroupsResponse_v4(Response):
    """With the names of members."""

    API_KEY, API_VERSION = 15, 4
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "groups",
            Array(
                ("error_code", Int16),
                ("group", String("utf-8")),
                ("state", String("utf-8")),
                ("protocol_type", String("utf-8")),
                ("protocol", String("utf-8")),
                (
                    "members",
                    Array(
                        ("member_id", String("utf-8")),
                        ("group_instance_id", String("utf-8")),
                        ("client_id", String("utf-8")),
                        ("client_host", String("utf-8")),
                        ("member_metadata", Bytes),
                        ("member_assignment", Bytes),
                    ),
                ),
                ("authorized_operations", Int32),
            ),
        ),
    )


class DescribeGroupsRequest_v4(RequestStruct):
    """Groups by name."""

    API_KEY, API_VERSION, RESPONSE_TYPE = 15, 4, DescribeGroupsResponse_v4
    SCHEMA = Schema(("groups", Array(String("utf-8"))), ("include_authorized_operations", Boolean))


class DescribeGroupRequest(Request[DescribeGroupsRequest_v4]):
    """Asks who is in a group."""

    API_KEY = 15

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: type[DescribeGroupsRequest_v4]) -> DescribeGroupsRequest_v4:
        return request_struct_class([self._group], False)
