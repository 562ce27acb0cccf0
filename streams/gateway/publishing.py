"""Entries onto the broker, and what is answered: of each entry what became of it, and a status that can be trusted.

200   every entry is on the broker for good
4xx   some entry is wrong; `results` tells which, and that the others were accepted
503   of some entry it is not known whether it is there: post the same again, by its id it is applied once
"""

from collections.abc import Sequence
from typing import Any, Literal

from fastapi.responses import JSONResponse, Response
from pydantic import BaseModel, ConfigDict

from musicrec.contracts import ListenEvent, RecommendationRequest, Track
from musicrec.errors import BadInput, DeadLetterReason
from streams.gateway.entries import FORBIDDEN, Entry, Refusal
from streams.gateway.gateway import Gateway
from streams.gateway.problems import Problem, field_of, unavailable


class EntryResult(BaseModel):
    """What became of one entry."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    index: int
    """Place of the entry, from 0."""
    status: Literal["accepted", "refused", "unknown"]
    """`accepted`: the broker has it for good. `refused`: it is wrong and stays wrong. `unknown`: the broker did not
    say; post it again with the same id, and it is applied once."""
    id: str | None = None
    """Its event_id or track_id."""
    reason: str | None = None
    """Why it was refused, in one word."""
    field: str | None = None
    """The field that is wrong."""
    detail: str | None = None
    """What is wrong with it."""


class Posted(BaseModel):
    """What became of all entries."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    accepted: int
    """How many the broker has for good."""
    refused: int
    """How many are wrong."""
    unknown: int
    """Of how many it is not known."""
    results: list[EntryResult]
    """Each of them, in their order."""


async def published(gateway: Gateway, entries: Sequence[Entry], topic: str) -> Posted:
    """Publish the entries that are records, and return what became of all.

    Raises:
        Unavailable: Kafka is away, and nothing was published.
    """
    records = [entry for entry in entries if not isinstance(entry, Refusal)]
    failures = iter(await gateway.broker.publish_all(records) if records else ())
    results = []
    for index, entry in enumerate(entries):
        if isinstance(entry, Refusal):
            result = _refused(index, entry)
        else:
            failure, name = next(failures), record_id(entry)
            if failure is None:
                result = EntryResult(index=index, status="accepted", id=name)
            elif isinstance(failure, BadInput):
                result = _refused(index, Refusal(failure.reason.value, str(failure), field_of(failure)), name)
            else:
                result = EntryResult(index=index, status="unknown", id=name)
        gateway.counts.records.labels(topic, result.status).inc()
        results.append(result)
    count = {status: sum(each.status == status for each in results) for status in ("accepted", "refused", "unknown")}
    return Posted(results=results, **count)


def answer(posted: Posted, *, was_array: bool) -> Response:
    """Return the answer that says what became of the entries.

    Raises:
        Problem: not all of them were accepted.
    """
    if posted.unknown:
        raise unavailable(
            f"the broker did not say whether it has {posted.unknown} of {len(posted.results)} entries: post the same "
            "again, and by its id each is applied once",
            **_members(posted),
        )
    if posted.refused:
        first = next(result for result in posted.results if result.status == "refused")
        where = f"entry {first.index}: " if was_array else ""
        raise Problem(_status_of(posted), _kind(first), f"{where}{first.detail}", field=first.field, **_members(posted))
    return JSONResponse(_members(posted))


def record_id(record: ListenEvent | Track | RecommendationRequest) -> str:
    """Return the id by which a record is known."""
    if isinstance(record, ListenEvent):
        return record.event_id
    return record.track_id if isinstance(record, Track) else record.request_id


def _refused(index: int, refusal: Refusal, name: str | None = None) -> EntryResult:
    return EntryResult(
        index=index, status="refused", id=name, reason=refusal.reason, field=refusal.field, detail=refusal.detail
    )


def _members(posted: Posted) -> dict[str, Any]:
    return posted.model_dump(exclude_none=True)


def _status_of(posted: Posted) -> int:
    reasons = {result.reason for result in posted.results if result.status == "refused"}
    if reasons == {FORBIDDEN}:
        return 403
    return 413 if reasons == {DeadLetterReason.TOO_LARGE.value} else 422


def _kind(result: EntryResult) -> str:
    return (result.reason or "invalid").replace("_", "-")
