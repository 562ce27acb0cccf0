"""The OpenAPI document: FastAPI's, with the contract's own schemas in it.

Source: OpenAPI 3.1.0.
"""

import json
import os
from pathlib import Path
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi

from musicrec.contracts import ListenEvent, Recommendation, Track
from musicrec.documents.json_schemas import schema_definitions
from musicrec.settings import GatewaySettings, Settings
from streams.gateway.problems import ProblemDetails
from streams.gateway.publishing import EntryResult

OPENAPI: Final = "openapi.json"
"""Its name below the folder of contracts."""
OPEN: Final = frozenset({"/1/validate-token"})
"""Answers without a token too: that there is none."""
NOBODYS: Final = GatewaySettings(tokens_file=Path(os.devnull))
VERSION: Final = "1.0.0"
"""Of the HTTP contract: the first number is that of `/v1`, the second grows with new routes and optional fields."""
LEFT_OUT: Final = ("event_id", "user_id", "occurred_at_ms")
"""What a posted event may leave out: it then gets an id, the token's listener, the present time."""
OVERVIEW: Final = """\
The records of musicrec's Kafka topics over HTTP and WebSocket, for players that have no Kafka client. Fields, times \
and what is refused are those of the AsyncAPI document.

A token comes in `Authorization: Bearer mr_...`. A listener's token writes and reads for its listener alone; a \
platform's for all, and it writes the catalogue. Scrobblers may send `Token` in the place of `Bearer`.

`GET /v1/lists/socket?user_id=` is a WebSocket: each message is one list, as of `GET /v1/lists`. Its token comes in \
the header, or as a subprotocol `musicrec.token.mr_...` beside `musicrec.lists.v1`. It ends with 1013 (the reader is \
too slow), 1008 (the token does not hold any more), 1003 (the reader sent something) or 1001 and 1012 (the gateway \
stops).
"""


def openapi_files() -> dict[str, str]:
    """Return the document of a gateway with default settings as a file."""
    from streams.gateway.app import application

    document = openapi_document(application(Settings.model_construct(gateway=NOBODYS)))
    return {OPENAPI: json.dumps(document, indent=2, ensure_ascii=False) + "\n"}


def openapi_document(app: FastAPI) -> dict[str, Any]:
    """Return the document of an application, with the records as the contract's own schemas have them."""
    if app.openapi_schema is None:
        document = get_openapi(
            title=app.title,
            version=app.version,
            openapi_version="3.1.0",
            description=app.description,
            license_info=app.license_info,
            routes=app.routes,
        )
        _complete(document)
        app.openapi_schema = document
    return app.openapi_schema


def _complete(document: dict[str, Any]) -> None:
    ref = "#/components/schemas/{model}"
    schemas = document["components"]["schemas"]
    schemas |= schema_definitions([ListenEvent, Track, Recommendation], ref=ref)
    event = schemas[ListenEvent.__name__]
    schemas["PostedEvent"] = event | {
        "title": "PostedEvent",
        "description": "A listen event. Without `event_id` it gets one, and posting it again counts it twice; without "
        "`user_id` it is of the token's listener, without `occurred_at_ms` of now, which is another one when it is "
        "posted again, and that leaves a dead letter.",
        "required": [name for name in event["required"] if name not in LEFT_OUT],
    }
    del schemas[ListenEvent.__name__]
    # Problems may tell what became of entries, too.
    problem = ProblemDetails.model_json_schema(ref_template=ref)
    problem["properties"] |= {
        **schemas["Posted"]["properties"],
        "event": {"$ref": f"#/components/schemas/{EntryResult.__name__}", "description": "Of `/v1/list-after`."},
    }
    schemas[ProblemDetails.__name__] = problem
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    document["components"]["schemas"] = dict(sorted(schemas.items()))
    document["components"]["securitySchemes"] = {"token": {"type": "http", "scheme": "bearer"}}
    for path, operations in document["paths"].items():
        for operation in operations.values():
            if path.startswith(("/v1/", "/1/")) and path not in OPEN:
                operation["security"] = [{"token": []}]
