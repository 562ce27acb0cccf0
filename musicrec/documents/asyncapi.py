"""The AsyncAPI document: every channel, message and operation, from the table of topics and the records.

Source: AsyncAPI 3.1.0; its Kafka bindings 0.5.0.
"""

import re
from typing import Final

from musicrec.cloud_events import CONTENT_TYPE, SPEC_VERSION, event_type_of
from musicrec.contracts import DeadLetter, RecommendationRequest
from musicrec.contracts.record import MAX_ID_CHARS
from musicrec.documents.contract_prose import KEY, OVERVIEW
from musicrec.documents.json_schemas import Json, dead_letter_headers, schema_definitions
from musicrec.topics import RECORD_TOPICS, TOPICS, Topic
from musicrec.trace_context import MAX_TRACESTATE_BYTES, TRACEPARENT, TRACEPARENT_PATTERN, TRACESTATE

VERSION: Final = "1.0.0"
"""Of the contract: the first number is that of the topics and of `schema_version`, the second grows with new fields."""
SPECIFICATION: Final = "3.1.0"
KAFKA_BINDING: Final = "0.5.0"
NOT_AGENTS: Final = frozenset({"platform", "gateway", "operators", "page", "`musicrec model`", "`musicrec rules`"})
"""Who stands outside or speaks for them, is a command, or only looks on; the operations are those of the agents."""


def asyncapi_document() -> Json:
    """Return the document as JSON values."""
    records = [topic.record for topic in RECORD_TOPICS if topic.record is not None]
    return {
        "asyncapi": SPECIFICATION,
        "id": "urn:dev.musicrec",
        "info": {
            "title": "musicrec",
            "version": VERSION,
            "description": OVERVIEW,
            "license": {"name": "Apache-2.0", "url": "https://www.apache.org/licenses/LICENSE-2.0"},
        },
        "defaultContentType": CONTENT_TYPE,
        "channels": {_channel_id(topic): _channel(topic) for topic in TOPICS},
        "operations": dict(operation for topic in TOPICS for operation in _operations(topic)),
        "components": {
            "messages": {_message_id(topic): _message(topic) for topic in TOPICS},
            "schemas": schema_definitions([*records, DeadLetter], ref="#/components/schemas/{model}")
            | {"DeadLetterHeaders": dead_letter_headers(), "CloudEventHeaders": _cloud_event_headers()},
        },
    }


def _channel(topic: Topic) -> Json:
    return {
        "address": topic.name,
        "title": topic.name,
        "description": f"{topic.purpose}. Written by: {topic.written_by}; read by: {topic.read_by}.",
        "messages": {_message_id(topic): {"$ref": f"#/components/messages/{_message_id(topic)}"}},
        "bindings": {
            "kafka": {
                "topic": topic.name,
                "partitions": topic.partitions,
                "topicConfiguration": _configuration(topic),
                "bindingVersion": KAFKA_BINDING,
            }
        },
    }


def _configuration(topic: Topic) -> Json:
    typed: Json = {"cleanup.policy": topic.cleanup.split(",")}
    for name, value in topic.config.items():
        if name != "cleanup.policy":
            typed[name] = int(value) if value.lstrip("-").isdigit() else value
    return typed


def _message(topic: Topic) -> Json:
    message: Json = {
        "name": _message_id(topic),
        "title": topic.purpose,
        "bindings": {"kafka": {"key": _key(topic), "bindingVersion": KAFKA_BINDING}},
    }
    if topic.record is None:
        return message | {
            "headers": {"$ref": "#/components/schemas/DeadLetterHeaders"},
            "contentType": "application/octet-stream",
            "payload": {"description": "The refused message's value, byte for byte."},
        }
    message |= {
        "name": event_type_of(topic),
        "headers": {"$ref": "#/components/schemas/CloudEventHeaders"},
        "contentType": CONTENT_TYPE,
        "payload": {"$ref": f"#/components/schemas/{topic.record.__name__}"},
    }
    if topic.record is RecommendationRequest:
        message["correlationId"] = {
            "description": "The answer carries the same request_id.",
            "location": "$message.payload#/request_id",
        }
    return message


def _key(topic: Topic) -> Json:
    return {
        "type": "string",
        "minLength": 1,
        "maxLength": MAX_ID_CHARS,
        "description": KEY.format(field=topic.key),
    }


def _operations(topic: Topic) -> list[tuple[str, Json]]:
    """Return what the agents do with a topic; whoever stands outside does the opposite."""
    return [
        (f"{_identifier(who)}{verb}{_pascal(_channel_id(topic))}", _operation(topic, action, who))
        for action, verb, people in (("send", "Sends", topic.written_by), ("receive", "Receives", topic.read_by))
        for who in people.split(", ")
        if who not in NOT_AGENTS
    ]


def _operation(topic: Topic, action: str, who: str) -> Json:
    channel = f"#/channels/{_channel_id(topic)}"
    return {
        "action": action,
        "title": f"{who} {action}s {topic.name}",
        "channel": {"$ref": channel},
        "messages": [{"$ref": f"{channel}/messages/{_message_id(topic)}"}],
    }


def _cloud_event_headers() -> Json:
    text: Json = {"type": "string"}
    return {
        "type": "object",
        "description": "CloudEvents in binary mode, and W3C Trace Context. Publishers may leave them out.",
        "properties": {
            "content-type": {"const": CONTENT_TYPE},
            "ce_specversion": {"const": SPEC_VERSION},
            "ce_type": text | {"description": "The message's name."},
            "ce_source": text,
            "ce_id": text | {"description": "The same for a message that is repeated after a crash."},
            "ce_time": text | {"format": "date-time", "description": "Event time."},
            TRACEPARENT: text | {"pattern": TRACEPARENT_PATTERN, "description": "The span that published it."},
            TRACESTATE: text | {"maxLength": MAX_TRACESTATE_BYTES},
        },
    }


def _channel_id(topic: Topic) -> str:
    """Return the name of a channel, a camel-case identifier.

    >>> from musicrec.topics import DEAD_LETTERS, EMBEDDINGS
    >>> _channel_id(EMBEDDINGS), _channel_id(DEAD_LETTERS[0])
    ('trackEmbeddings', 'listensDeadLetters')
    """
    entities = topic.name.split(".")[1]
    return _identifier(entities) + ("DeadLetters" if topic.record is None else "")


def _message_id(topic: Topic) -> str:
    return _channel_id(topic).removesuffix("s") if topic.record is not None else f"{_channel_id(topic)}Message"


def _identifier(words: str) -> str:
    first, *rest = re.split(r"[ -]", words)
    return first + "".join(map(_pascal, rest))


def _pascal(word: str) -> str:
    return word[:1].upper() + word[1:]
