"""What is answered where something is wrong: problem details of RFC 9457."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict

from musicrec.errors import BadInput, DeadLetterReason, Incompatible, MusicrecError

MEDIA_TYPE: Final = "application/problem+json"
_FIELD: Final = re.compile(r"(?:[A-Z]\w*: )?([a-z][\w.]*): ")
RETRY_AFTER_S: Final = 2
"""Where a server is away: as long as it is asked whether it is back."""


class Problem(Exception):
    """An answer that is no success."""

    def __init__(
        self, status: int, kind: str, detail: str, *, headers: Mapping[str, str] | None = None, **more: Any
    ) -> None:
        """Make one.

        Args:
            status: of HTTP.
            kind: one word for programs, as `ProblemDetails.type` ends.
            detail: one sentence for people: the value, the place, the way out; never a token.
            headers: beside the usual ones.
            more: further members of the body.
        """
        super().__init__(detail)
        self.status, self.kind, self.detail = status, kind, detail
        self.headers = dict(headers or {})
        self.more = more

    def body(self) -> dict[str, Any]:
        """Return the members."""
        return {
            "type": f"urn:dev.musicrec:problem:{self.kind}",
            "title": HTTPStatus(self.status).phrase,
            "status": self.status,
            "detail": self.detail,
        } | {name: value for name, value in self.more.items() if value is not None}

    def response(self) -> JSONResponse:
        """Return the answer."""
        return JSONResponse(self.body(), self.status, headers=self.headers, media_type=MEDIA_TYPE)


class ProblemDetails(BaseModel):
    """What is wrong, as RFC 9457 has it."""

    model_config = ConfigDict(use_attribute_docstrings=True, extra="allow")

    type: str
    """`urn:dev.musicrec:problem:` and one word."""
    title: str
    """The status in words."""
    status: int
    """The status."""
    detail: str
    """What is wrong, and the way out."""
    field: str | None = None
    """The field or parameter that is wrong."""


def refused(error: BadInput) -> Problem:
    """Return the answer to what breaks the contract."""
    status = 413 if error.reason is DeadLetterReason.TOO_LARGE else 422
    return Problem(status, error.reason.value.replace("_", "-"), str(error), field=field_of(error))


def unavailable(detail: str, **more: Any) -> Problem:
    """Return the answer where a server is away, or nobody answers."""
    return Problem(503, "unavailable", detail, headers={"Retry-After": str(RETRY_AFTER_S)}, **more)


def problem_of(error: MusicrecError) -> Problem:
    """Return the answer to an error of ours."""
    if isinstance(error, BadInput):
        return refused(error)
    if isinstance(error, Incompatible):  # the operator's, who has it in the log
        return unavailable("the gateway may not do this on Kafka, or is stopping; its log says more")
    return unavailable(str(error))


def field_of(error: BadInput) -> str | None:
    """Return the field that an error names at its beginning, where it names one.

    >>> field_of(BadInput("ms_played: too small")), field_of(BadInput("Track: markets: no such country"))
    ('ms_played', 'markets')
    """
    found = _FIELD.match(str(error)) if error.reason is not DeadLetterReason.MALFORMED else None
    return found[1] if found else None
