"""The one table of access: what each service may do on Kafka and on Redis, and nothing beside it.

The access documents, the check at a worker's start and the tests on servers with access lists are made from it.  When
an agent begins to read, write or keep something else, its row changes here.
"""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final, NamedTuple

from musicrec.topics import (
    DEAD_LETTERS,
    EMBEDDINGS,
    LISTENS,
    MODELS,
    OUTCOMES,
    RECOMMENDATIONS,
    REQUESTS,
    RULES,
    SESSIONS,
    SHADOW_RECOMMENDATIONS,
    TOPICS,
    TRACKS,
    Topic,
)


class Resource(StrEnum):
    """What a Kafka rule is about."""

    TOPIC = "topic"
    GROUP = "group"


class Operation(StrEnum):
    """What a Kafka rule allows; reading and writing allow describing too."""

    READ = "Read"
    WRITE = "Write"
    DESCRIBE = "Describe"
    CREATE = "Create"


class KafkaRule(NamedTuple):
    """One operation on one resource."""

    resource: Resource
    name: str
    operation: Operation
    prefixed: bool = False
    """Whether `name` is what the names of several begin with."""


@dataclass(frozen=True, slots=True)
class RedisAccess:
    """What a service may do on Redis."""

    keys: tuple[str, ...]
    """Key patterns."""
    calls: tuple[tuple[str, ...], ...]
    """Each command with its least arguments, `KEY` for a key: enough to ask the server whether it may be called."""

    @property
    def commands(self) -> tuple[str, ...]:
        """Names as access rules have them: `hget`, `script|load`."""
        return tuple(f"{call[0]}|{call[1]}" if call[0] == "script" else call[0] for call in self.calls)


@dataclass(frozen=True, slots=True)
class Service:
    """One process with a user of its own."""

    name: str
    purpose: str
    reads: tuple[Topic, ...] = ()
    writes: tuple[Topic, ...] = ()
    describes: tuple[Topic, ...] = ()
    """Topics whose ends or identity it asks for, or which it looks for."""
    creates: tuple[Topic, ...] = ()
    group: str | None = None
    """Consumer group that it is a member of."""
    group_per_model: bool = False
    """Whether `group` is what the names of its groups begin with, one for each model's version."""
    watches: tuple[str, ...] = ()
    """Consumer groups whose lag it shows."""
    redis: RedisAccess | None = None
    redis_reads: RedisAccess | None = None
    """What it may only read, and asks for where a setting needs it."""

    @property
    def user(self) -> str:
        """Name of its Kafka and Redis user."""
        return f"musicrec-{self.name}"

    @property
    def kafka_rules(self) -> tuple[KafkaRule, ...]:
        """Its Kafka rules.

        Idempotent producers need no rule for the cluster: since Kafka 2.8 the right to write a topic is enough.
        """
        topics = (
            (Operation.READ, self.reads),
            (Operation.WRITE, self.writes),
            (Operation.DESCRIBE, self.describes),
            (Operation.CREATE, self.creates),
        )
        own = (self.group,) if self.group else ()
        return (
            *(KafkaRule(Resource.TOPIC, topic.name, operation) for operation, names in topics for topic in names),
            *(KafkaRule(Resource.GROUP, group, Operation.READ, self.group_per_model) for group in own),
            *(KafkaRule(Resource.GROUP, group, Operation.DESCRIBE) for group in self.watches),
        )


def _dead_letters_of(*sources: Topic) -> tuple[Topic, ...]:
    names = {source.dead_letters for source in sources}
    return tuple(topic for topic in DEAD_LETTERS if topic.name in names)


KEY: Final = "KEY"
"""Stands for a key in `RedisAccess.calls`."""

_SCRIPT: Final = (("script", "load", "return 0"), ("evalsha", "0" * 40, "1", KEY))


def _redis_of(service: Service) -> RedisAccess:
    assert service.redis is not None
    return service.redis


SESSION: Final = Service(
    "session",
    "session agent",
    reads=(LISTENS,),
    writes=(SESSIONS, *_dead_letters_of(LISTENS)),
    group="musicrec-session",
    # It does not work beside its members.
    watches=("musicrec-session-ranking",),
    redis=RedisAccess(
        keys=("musicrec:session:*",),
        # Commands inside a script are checked as if the user had sent them.
        calls=(
            ("hmget", KEY, ""),
            *_SCRIPT,
            ("hget", KEY, ""),
            ("hset", KEY, "", ""),
            ("persist", KEY),
            ("pexpire", KEY, "1"),
        ),
    ),
)
RANKING: Final = Service(
    "ranking",
    "ranking agent",
    reads=(SESSIONS, REQUESTS, TRACKS, EMBEDDINGS, MODELS, RULES),
    writes=(RECOMMENDATIONS, SHADOW_RECOMMENDATIONS, *_dead_letters_of(SESSIONS, REQUESTS)),
    describes=(LISTENS,),
    group="musicrec-ranking",
    redis=RedisAccess(
        keys=("musicrec:lists:*", "musicrec:answer:*"),
        calls=(
            *_SCRIPT,
            ("zrangebyscore", KEY, "0", "0"),
            ("zcount", KEY, "0", "0"),
            ("zadd", KEY, "0", ""),
            ("zremrangebyrank", KEY, "0", "0"),
            ("pexpire", KEY, "1"),
            ("set", KEY, ""),
            ("get", KEY),
        ),
    ),
    # Where it learns from a share of the listeners.
    redis_reads=RedisAccess(keys=_redis_of(SESSION).keys, calls=(("hmget", KEY, ""),)),
)
OUTCOME: Final = Service(
    "outcome",
    "outcome agent",
    reads=(SESSIONS,),
    writes=(OUTCOMES, *_dead_letters_of(SESSIONS)),
    describes=(LISTENS,),
    group="musicrec-outcome",
    redis=RedisAccess(keys=("musicrec:lists:*",), calls=(("zrevrangebyscore", KEY, "0", "0"),)),
)
SESSION_RANKING: Final = Service(
    "session-ranking",
    "session-ranking agent",
    reads=tuple(dict.fromkeys((*SESSION.reads, *RANKING.reads))),
    writes=tuple(dict.fromkeys((*SESSION.writes, *RANKING.writes))),
    group="musicrec-session-ranking",
    # It begins where they stand.
    watches=("musicrec-session", "musicrec-ranking"),
    redis=RedisAccess(
        keys=(*_redis_of(SESSION).keys, *_redis_of(RANKING).keys),
        calls=tuple(dict.fromkeys((*_redis_of(SESSION).calls, *_redis_of(RANKING).calls))),
    ),
)
_EMBEDDED: Final = RedisAccess(
    keys=("musicrec:embedded:*",),
    calls=(*_SCRIPT, ("getex", KEY), ("unlink", KEY), ("get", KEY), ("set", KEY, ""), ("del", KEY)),
)
EMBEDDER: Final = Service(
    "embedder",
    "embedder",
    reads=(TRACKS,),
    writes=(EMBEDDINGS, *_dead_letters_of(TRACKS)),
    group="musicrec-embedder",
    redis=_EMBEDDED,
)
RE_EMBEDDER: Final = Service(
    "re-embedder",
    "re-embedder",
    reads=(TRACKS,),
    writes=(EMBEDDINGS, *_dead_letters_of(TRACKS)),
    group="musicrec-re-embedder-",
    group_per_model=True,
    watches=("musicrec-embedder",),
    redis=_EMBEDDED,
)
WEB: Final = Service(
    "web",
    "page",
    reads=(LISTENS, TRACKS, SESSIONS, REQUESTS, EMBEDDINGS, RECOMMENDATIONS, OUTCOMES, MODELS, RULES, *DEAD_LETTERS),
    describes=(SHADOW_RECOMMENDATIONS,),
    watches=tuple(f"musicrec-{name}" for name in ("session", "ranking", "session-ranking", "outcome", "embedder")),
)
REPLAYED: Final = tuple(topic.dead_letters_of for topic in DEAD_LETTERS if topic.dead_letters_of is not None)
"""Topics onto which dead letters are replayed; whoever does so has to have the right to write them."""
REPLAY_RULES: Final = tuple(KafkaRule(Resource.TOPIC, topic.name, Operation.WRITE) for topic in REPLAYED)
GATEWAY: Final = Service("gateway", "gateway", reads=(RECOMMENDATIONS,), writes=(LISTENS, TRACKS, REQUESTS))
TOPICS_COMMAND: Final = Service("topics", "`musicrec topics`", describes=TOPICS, creates=TOPICS)
MODEL_COMMAND: Final = Service("model", "`musicrec model`", reads=(MODELS,), writes=(MODELS,))
RULES_COMMAND: Final = Service("rules", "`musicrec rules`", reads=(RULES,), writes=(RULES,))
PUBLISHER: Final = Service("publisher", "a platform that publishes", writes=(LISTENS, TRACKS, REQUESTS))
SUBSCRIBER: Final = Service(
    "subscriber", "a platform that subscribes", reads=(RECOMMENDATIONS, OUTCOMES), group="musicrec-subscriber"
)

AGENTS: Final = {
    service.name: service for service in (SESSION, RANKING, SESSION_RANKING, OUTCOME, EMBEDDER, RE_EMBEDDER)
}
"""The agents' rows by the name that `musicrec worker` takes."""
SERVICES: Final = (*AGENTS.values(), WEB, GATEWAY, TOPICS_COMMAND, MODEL_COMMAND, RULES_COMMAND, PUBLISHER, SUBSCRIBER)
