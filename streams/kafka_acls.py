"""The access rules of a broker: read, added, taken away.

Source: Kafka's protocol, requests DescribeAcls, CreateAcls and DeleteAcls; KIP-290 for patterns.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

from aiokafka.conn import AIOKafkaConnection
from aiokafka.errors import KafkaError
from aiokafka.protocol.admin import CreateAclsRequest, DeleteAclsRequest, DescribeAclsRequest

from musicrec.access_plan import AclEntry
from musicrec.errors import Incompatible, Unavailable
from musicrec.kafka_connection import connected
from musicrec.settings import KafkaSettings

ANY: Final = 1
RESOURCES: Final = {2: "topic", 3: "group", 4: "cluster", 5: "transactional-id", 6: "delegation-token", 7: "user"}
PATTERNS: Final = {3: "literal", 4: "prefixed"}
OPERATIONS: Final = {
    2: "All",
    3: "Read",
    4: "Write",
    5: "Create",
    6: "Delete",
    7: "Alter",
    8: "Describe",
    9: "ClusterAction",
    10: "DescribeConfigs",
    11: "AlterConfigs",
    12: "IdempotentWrite",
    13: "CreateTokens",
    14: "DescribeTokens",
    15: "TwoPhaseCommit",
}
PERMISSIONS: Final = {2: "deny", 3: "allow"}

CLUSTER_AUTHORIZATION_FAILED: Final = 31
SECURITY_DISABLED: Final = 54


async def found_entries(kafka: KafkaSettings) -> list[AclEntry]:
    """Return all rules of the broker.

    Raises:
        Incompatible: it has no authorizer, or does not show its rules to this user.
        Unavailable: it does not answer.
    """
    async with _asking(kafka) as connection:
        answer = await connection.send(DescribeAclsRequest(ANY, None, ANY, None, None, ANY, ANY))
        _check(kafka, answer.error_code, answer.error_message, "Describe on the cluster")
        return [
            AclEntry(
                principal,
                RESOURCES.get(resource, str(resource)),
                name,
                PATTERNS.get(pattern, str(pattern)),
                OPERATIONS.get(operation, str(operation)),
                host,
                PERMISSIONS.get(permission, str(permission)),
            )
            for resource, name, pattern, acls in answer.resources
            for principal, host, operation, permission in acls
        ]


async def change_entries(kafka: KafkaSettings, add: Sequence[AclEntry], remove: Sequence[AclEntry] = ()) -> None:
    """Add rules, then take others away.

    Raises:
        Incompatible, Unavailable: as of `found_entries`; what came before is done.
    """
    async with _asking(kafka) as connection:
        for entry in add:
            created = await connection.send(CreateAclsRequest(*_codes(entry)))
            for code, message in created.creation_responses:
                _check(kafka, code, message, "Alter on the cluster")
        for entry in remove:
            deleted = await connection.send(DeleteAclsRequest(*_codes(entry)))
            for code, message, _matched in deleted.filter_responses:
                _check(kafka, code, message, "Alter on the cluster")


@asynccontextmanager
async def _asking(kafka: KafkaSettings) -> AsyncIterator[AIOKafkaConnection]:
    async with connected(kafka) as connection:
        try:
            yield connection
        except (KafkaError, OSError, TimeoutError) as error:
            raise Unavailable(f"Kafka at {kafka.bootstrap_servers} does not answer: {error!r}") from error


def _codes(entry: AclEntry) -> tuple[int, str, int, str, str, int, int]:
    return (
        _code(RESOURCES, entry.resource),
        entry.name,
        _code(PATTERNS, entry.pattern),
        entry.principal,
        entry.host,
        _code(OPERATIONS, entry.operation),
        _code(PERMISSIONS, entry.permission),
    )


def _code(codes: dict[int, str], name: str) -> int:
    return next((code for code, known in codes.items() if known == name), int(name) if name.isdigit() else 0)


def _check(kafka: KafkaSettings, code: int, message: str | None, right: str) -> None:
    if code == SECURITY_DISABLED:
        raise Incompatible(
            f"Kafka at {kafka.bootstrap_servers} has no authorizer, so everybody may do everything: set "
            "authorizer.class.name on its brokers first"
        )
    if code == CLUSTER_AUTHORIZATION_FAILED:
        who = f"user {kafka.sasl_username!r}" if kafka.uses_sasl else "this client, which has no user,"
        raise Incompatible(f"Kafka refuses {who}: {right}; an administrator has it")
    if code:
        raise Incompatible(f"Kafka refuses the access rules (error {code}: {message})")
