"""Compare a registry with the published schemas, and register what it lacks."""

from collections.abc import Mapping

from musicrec.errors import Incompatible
from musicrec.registry.published_schemas import published_schemas, subject_of
from musicrec.registry.registration_plan import Found, Kind, RegistrationPlan, plan_registration
from musicrec.registry.registry_client import RegistryClient
from musicrec.registry.schema_difference import in_words
from musicrec.registry.wire_format import SchemaId
from musicrec.topics import RECORD_TOPICS


def wanted_schemas() -> dict[str, str]:
    """Return the schema to register under each subject."""
    published = published_schemas()
    return {subject_of(topic): published[topic.name] for topic in RECORD_TOPICS}


async def registration_plan(
    registry: RegistryClient, wanted: Mapping[str, str], compatibility: str
) -> RegistrationPlan:
    """Ask the registry for every subject; change nothing.

    Raises:
        Incompatible, Unavailable: as of the client's calls.
    """
    found = [await _found(registry, subject, schema) for subject, schema in wanted.items()]
    return plan_registration(found, compatibility)


async def apply_registration(
    registry: RegistryClient, wanted: Mapping[str, str], plan: RegistrationPlan
) -> dict[str, SchemaId]:
    """Do what the plan says; return the id of each schema that was registered, by subject.

    Raises:
        Incompatible: the registry forbids a schema after all: names the subject, and those before it are done.
        Unavailable: as of the client's calls; the same call goes on where this one stopped.
    """
    ids: dict[str, SchemaId] = {}
    for kind, found in plan.to_do:
        # A registry may know no subject before its first schema; later ones are judged by the level that is asked for.
        if kind is not Kind.CREATE and found.compatibility != plan.compatibility:
            await registry.set_compatibility(found.subject, plan.compatibility)
        if kind is not Kind.LEVEL:
            try:
                ids[found.subject] = await registry.register(found.subject, wanted[found.subject])
            except Incompatible as error:
                raise Incompatible(f"{found.subject}: {error}") from error
        if kind is Kind.CREATE:
            await registry.set_compatibility(found.subject, plan.compatibility)
    return ids


async def _found(registry: RegistryClient, subject: str, schema: str) -> Found:
    exists = await registry.has(subject)
    if not exists:
        return Found(subject, False, None, None, None)
    known = await registry.registered(subject, schema)
    forbidden = None if known is not None else await registry.why_incompatible(subject, schema)
    if forbidden == "":
        forbidden = in_words(await registry.latest(subject) or "", schema)
    return Found(subject, True, known, await registry.compatibility(subject), forbidden)
