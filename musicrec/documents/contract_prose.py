"""What the contract says beside its schemas, in Markdown."""

from typing import Final

OVERVIEW: Final = """\
musicrec takes listen events and tracks from a platform and publishes, for each play or skip, what to play next.

## Time
All times are integers, milliseconds since 1970-01-01 UTC. `occurred_at_ms` of a play or skip is the **end** of the \
listen; its start is `occurred_at_ms - ms_played`. (ListenBrainz and Last.fm give starts, Spotify gives ends.) \
Sessions follow event time alone: a replay gives the sessions that the live stream gave. An event that lies far \
behind the listener's newest, or ahead of the broker's clock, becomes a dead letter.

## Keys and partitions
The key of a message is the UTF-8 text of the field that the channel names: `user_id`, or `track_id` for the \
catalogue. A message whose key differs from its body becomes a dead letter. All events of one listener must be on \
one partition, so **every publisher has to use the same partitioner: murmur2 of the key, as Java clients and \
aiokafka do by default.** Clients on librdkafka (confluent-kafka for Python, Go, .NET, C) use CRC32 unless they are \
told otherwise: set `partitioner=murmur2_random`. The number of partitions of a topic never changes.

## Delivery
Publish with `acks=all` and idempotence. An `event_id` is applied once, however often it arrives; an id that comes \
again with another body becomes a dead letter. Lists and snapshots can be repeated after a crash of an agent: they \
carry the same `list_id` or `revision` again.

## Values
UTF-8 JSON objects, no byte order mark; the frame of a schema registry's JSON serializer before it (a zero byte and \
four of the schema's id) is passed over, and so is the header `__value_schema_id`. Agents write either where they are \
told to (`MUSICREC_REGISTRY__SCHEMA_ID`). Types are strict: `1.0` and `true` are no integers, `NaN` and `Infinity` are \
no numbers. Of a key that stands in an object twice, the last one counts. Unknown fields are ignored, so a publisher \
may add its own. `schema_version` may be left out and is then 1; within a major version fields are only ever added, \
and they are optional. What cannot be taken is copied byte for byte to the topic's `.dlq` with the reason in `dlq-` \
headers.

## Headers
None is needed. CloudEvents 1.0 attributes are taken in binary mode (`ce_` headers, the record as the value); \
`ce_type` has to be that of the channel. Structured mode is refused. What the agents write carries them.
"""

KEY: Final = "UTF-8 text of the record's `{field}`. Partition: murmur2 of these bytes (librdkafka: `murmur2_random`)."
