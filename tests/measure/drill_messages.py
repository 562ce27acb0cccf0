"""Faults of what is published, and of what fails on it."""

import sys
from pathlib import Path
from typing import Final

import reach_tests  # noqa: F401
from conftest import until_ready
from drill import Drill, Fault, nothing
from probe import producing, publish, publish_events

from musicrec.local.child_process import ChildProcess
from musicrec.topics import LISTENS, RULES
from streams.session_store import KEY_PREFIX

HOUR_MS: Final = 3_600_000
UNLUCKY: Final = "listener-13"


async def publish_poison(drill: Drill) -> None:
    async with producing(drill.stage.stack) as producer:
        await publish(producer, LISTENS.name, [(b"k", b"no JSON")] * 200)


async def publish_from_the_future(drill: Drill) -> None:
    async with producing(drill.stage.stack) as producer:
        await publish_events(producer, [drill.plays.next(ahead_ms=HOUR_MS) for _ in range(40)])


async def publish_what_is_no_rule(drill: Drill) -> None:
    async with producing(drill.stage.stack) as producer:
        await publish(producer, RULES.name, [(b"by hand", b"deny everything")])


async def take_it_back(drill: Drill) -> None:
    async with producing(drill.stage.stack) as producer:
        await publish(producer, RULES.name, [(b"by hand", None)])


async def damage_states(drill: Drill) -> None:
    for number in range(5):
        await drill.redis.hset(f"{KEY_PREFIX}listener-{number}", "state", b"{")  # type: ignore[misc]


async def delete_damaged_states(drill: Drill) -> None:
    await drill.redis.delete(*(f"{KEY_PREFIX}listener-{number}" for number in range(5)))
    await drill.musicrec("dlq", "replay", "--reason", "unreadable_state", "--yes")


async def release_a_defect(drill: Drill) -> None:
    drill.kept_down.add("session-0")
    await drill.stage.workers["session-0"].stop()
    program: list[str | Path] = [sys.executable, Path(__file__).with_name("broken_release.py"), UNLUCKY]
    environment = drill.stage.stack.environment() | drill.environment("session", "0")
    worker = ChildProcess.start("defective", program, drill.stage.folder / "defective.log", environment)
    drill.stage.workers["session-0"] = worker
    await until_ready(worker)


async def go_back_and_replay(drill: Drill) -> None:
    await drill.again("session", "0")
    await drill.musicrec("dlq", "replay", "--reason", "handler_error", "--yes")


FAULTS: Final = (
    Fault("200 messages that are no JSON", "MusicrecDeadLetters", "the publisher stops", publish_poison, nothing),
    Fault("40 events of an hour ahead", "MusicrecClockSkew", "the publisher stops", publish_from_the_future, nothing),
    Fault(
        "somebody writes what is no rule to `musicrec.rules.v1`",
        "MusicrecUnreadableRecords",
        "a tombstone takes it back",
        publish_what_is_no_rule,
        take_it_back,
    ),
    Fault(
        "five listeners' states are damaged in Redis",
        "MusicrecStateUnreadable",
        "`DEL`, `musicrec dlq replay --reason unreadable_state`",
        damage_states,
        delete_damaged_states,
    ),
    Fault(
        "a session worker of a release that fails on one listener",
        "MusicrecHandlerError",
        "the release before, `musicrec dlq replay --reason handler_error`",
        release_a_defect,
        go_back_and_replay,
    ),
)
