"""`musicrec dlq` as a process on a real Kafka: listed, shown, replayed, applied once."""

import asyncio
import json
import re
import signal
import sys
import time
import uuid
from collections.abc import Sequence
from typing import NamedTuple

import pytest
from conftest import Worker
from probe import about, play, producing, publish, publish_events, reading

from musicrec.contracts import DeadLetter, ListenEvent, SessionSnapshot, Track
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses
from musicrec.topics import LISTENS, SESSIONS, TRACKS

pytestmark = pytest.mark.kafka

DEAD = LISTENS.dead_letters
HOSTILE = "\x1b[2J\x1b]0;owned\x07\u202e<b>"
Headers = list[tuple[str, bytes]]


class Ended(NamedTuple):
    status: int
    out: bytes
    said: str

    @property
    def lines(self) -> list[dict[str, object]]:
        return [json.loads(line) for line in self.out.splitlines()]


def dlq_command(stack: StackAddresses, *arguments: str) -> list[str]:
    command = [sys.executable, "-m", "musicrec.cli.main", "dlq", *arguments]
    return [*command, "--kafka", stack.kafka.bootstrap_servers]


async def dlq(stack: StackAddresses, *arguments: str, answer: bytes = b"") -> Ended:
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *dlq_command(stack, *arguments), stdin=pipe, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(60):
        out, err = await process.communicate(answer)
    return Ended(process.returncode or 0, out, err.decode())


def why(topic: str, **fields: object) -> Headers:
    values: dict[str, object] = {
        "original_topic": topic,
        "original_partition": 0,
        "original_offset": 0,
        "original_timestamp": 0,
        "reason": DeadLetterReason.HANDLER_ERROR,
        "error_message": "ZeroDivisionError in the handler",
        "app": "session",
        "app_version": "0.1.0",
    }
    return DeadLetter.model_validate(values | fields).headers()


async def put(
    stack: StackAddresses, topic: str, letters: Sequence[tuple[bytes | None, bytes | None, Headers]]
) -> list[str]:
    """Put letters into a dead-letter topic by hand and return their places."""
    async with producing(stack) as producer:
        sent = [await producer.send_and_wait(topic, value, key=key, headers=headers) for key, value, headers in letters]
    return [f"{done.topic}[{done.partition}]@{done.offset}" for done in sent]


@pytest.mark.row(45)
async def test_a_bad_event_is_listed_counted_and_shown_with_its_odd_bytes_escaped(
    stack: StackAddresses, worker: Worker
) -> None:
    started = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    user = f"listener {uuid.uuid4()}"
    bad = f'{{"title":"{HOSTILE}"'.encode() + b"\xff"
    async with reading(stack, DEAD, only=about(user)) as tail, producing(stack) as producer, worker("session"):
        await publish(producer, LISTENS.name, [(user.encode(), bad)])
        await tail.until(lambda t: bool(t.records))
    dead = tail.records[0]
    letter = DeadLetter.from_headers(dead.headers)
    place = f"{DEAD}[{dead.partition}]@{dead.offset}"
    came_from = f"{LISTENS.name}[{letter.original_partition}]@{letter.original_offset}"

    listed = await dlq(stack, "list", "--topic", LISTENS.name, "--reason", "malformed", "--since", started, "--json")
    table = await dlq(stack, "list", "--since", started, "--limit", "1000")
    counts = await dlq(stack, "list", "--since", started, "--counts", "--json")
    shown = await dlq(stack, "show", came_from)
    raw = await dlq(stack, "show", place, "--raw")

    line = next(line for line in listed.lines if line["place"] == place)
    assert (line["original"], line["reason"], line["app"]) == (came_from, "malformed", "session")
    assert line["message"] == letter.error_message
    assert line["value_bytes"] == len(bad)
    assert all(line["reason"] == "malformed" for line in listed.lines)
    assert place in table.out.decode()
    assert came_from in table.out.decode()
    assert any((c["topic"], c["reason"]) == (DEAD, "malformed") for c in counts.lines)
    text = shown.out.decode()
    assert text.isascii()
    assert f"place: {place}\n" in text
    assert "key: listener" in text
    assert '{"title":"\\x1b[2J\\x1b]0;owned\\x07\\u202e<b>"\\xff' in text
    assert "refused again, always" in text
    assert raw.out == bad


@pytest.mark.row(45)
async def test_a_letter_with_broken_headers_is_shown_as_unreadable_and_skipped(stack: StackAddresses) -> None:
    run = uuid.uuid4().hex
    key = f"listener {run}".encode()
    places = await put(
        stack,
        DEAD,
        [
            (key, b"\x00", []),
            (key, None, [(HOSTILE, b"\xff"), ("dlq-reason", HOSTILE.encode())]),
            (key, b"v", why(TRACKS.name)),
        ],
    )

    listed = await dlq(stack, "list", "--topic", DEAD, "--json", "--since", "10m")
    shown = [await dlq(stack, "show", place) for place in places]
    async with reading(stack, LISTENS.name, TRACKS.name, only=about(key.decode())) as tail:
        replayed = await dlq(stack, "replay", "--topic", DEAD, "--after", places[0], "--dry-run")
        await tail.quiet()

    mine = [line for line in listed.lines if line["place"] in places]
    assert [line["reason"] for line in mine] == ["unreadable"] * 3
    assert "dlq-original-topic: Field required" in str(mine[0]["message"])
    assert "'musicrec.tracks.v1'" in str(mine[2]["message"])
    assert [done.status for done in shown] == [0, 0, 0]
    assert all(done.out.isascii() and b"\x1b" not in done.out for done in shown)
    assert "unreadable" in replayed.out.decode()
    assert tail.records == []


@pytest.mark.row(14)
async def test_a_replayed_event_is_applied_once_however_often_it_is_replayed(
    stack: StackAddresses, worker: Worker
) -> None:
    user = f"listener {uuid.uuid4()}"
    refused, next_play = play(user, "refused", 1), play(user, "next", 2)
    own: Headers = [("ce_id", refused.event_id.encode()), ("traceparent", b"00-1")]
    (place,) = await put(stack, DEAD, [(user.encode(), refused.encode(), own + why(LISTENS.name))])

    async with (
        reading(stack, LISTENS.name, SESSIONS.name, DEAD, only=about(user)) as tail,
        producing(stack) as producer,
        worker("session"),
    ):
        unsure = await dlq(stack, "replay", place)
        await tail.quiet()
        assert tail.records == []
        first = await dlq(stack, "replay", place, answer=b"y\n")
        second = await dlq(stack, "replay", place, "--yes")
        await publish_events(producer, [next_play])
        await tail.until(lambda t: len(t.on(LISTENS.name)) == 3 and len(t.on(SESSIONS.name)) == 2)
        await tail.quiet()

    assert (unsure.status, first.status, second.status) == (1, 0, 0)
    assert first.out.splitlines()[-1] == second.out.splitlines()[-1] == b"replayed=1 skipped=0"
    again = tail.on(LISTENS.name)[:2]
    assert [(r.key, r.value, list(r.headers)) for r in again] == [(user.encode(), refused.encode(), own)] * 2
    snapshots = [SessionSnapshot.decode(record.value) for record in tail.on(SESSIONS.name)]
    assert [(s.revision, s.trigger.event_id) for s in snapshots] == [(1, refused.event_id), (2, next_play.event_id)]
    assert [(e.track_id, e.listens) for e in snapshots[-1].entries] == [("refused", 1), ("next", 1)]
    assert tail.on(DEAD) == []


async def test_a_track_that_was_published_anew_is_not_overwritten_by_its_dead_letter(stack: StackAddresses) -> None:
    track_id = f"track {uuid.uuid4()}"
    key = track_id.encode()
    old, new = Track(track_id=track_id, title="old"), Track(track_id=track_id, title="new")
    async with producing(stack) as producer, reading(stack, TRACKS.name, only=about(track_id)) as tail:
        sent = await producer.send_and_wait(TRACKS.name, old.encode(), key=key)
        headers = why(TRACKS.name, original_partition=sent.partition, original_offset=sent.offset)
        (place,) = await put(stack, TRACKS.dead_letters, [(key, old.encode(), headers)])
        first = await dlq(stack, "replay", place, "--yes")
        await publish(producer, TRACKS.name, [(key, new.encode())])
        second = await dlq(stack, "replay", place, "--yes")
        await tail.until(lambda t: len(t.records) == 3)
        await tail.quiet()

    assert first.out.splitlines()[-1] == b"replayed=1 skipped=0"
    assert second.out.splitlines()[-1] == b"replayed=0 skipped=1"
    assert "superseded" in second.said
    assert [Track.decode(record.value).title for record in tail.records] == ["old", "old", "new"]


async def test_a_replay_stopped_by_ctrl_c_goes_on_after_the_place_that_it_names(stack: StackAddresses) -> None:
    user = f"listener {uuid.uuid4()}"
    events = [play(user, f"t{number}", number) for number in range(200)]
    (before, *_) = await put(
        stack, DEAD, [(user.encode(), b"", []), *((user.encode(), e.encode(), why(LISTENS.name)) for e in events)]
    )
    chosen = ("--topic", LISTENS.name, "--reason", "handler_error", "--yes")

    async with reading(stack, LISTENS.name, only=about(user)) as tail:
        pipe = asyncio.subprocess.PIPE
        command = dlq_command(stack, "replay", *chosen, "--after", before, "--rate", "50")
        process = await asyncio.create_subprocess_exec(*command, stdout=pipe, stderr=pipe)
        await tail.until(lambda t: len(t.records) >= 10)
        process.send_signal(signal.SIGINT)
        async with asyncio.timeout(60):
            _, said = await process.communicate()
        named = re.search(r"(\d+) were replayed; go on with --after '(.*)'", said.decode())
        assert named is not None, said
        await tail.quiet()
        assert len(tail.records) == int(named[1]) < 200
        second = await dlq(stack, "replay", *chosen, "--after", named[2], "--rate", "10000")
        await tail.until(lambda t: len(t.records) == len(events))
        await tail.quiet()

    assert process.returncode == 130
    assert second.status == 0
    assert [ListenEvent.decode(record.value) for record in tail.records] == events


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        (("list", "--topic", "musicrec.outcomes.v1"), "musicrec.listens.v1"),
        (("list", "--reason", "because"), "'malformed'"),
        (("list", "--since", "yesterday"), "2h"),
        (("show", "musicrec.listens.v1.dlq[0]@999999999"), "no dead letter lies there"),
        (("replay", "musicrec.outcomes.v1[0]@0", "--yes"), "no dead letters are kept of it"),
        (("replay", "--after", "musicrec.listens.v1[0]@0"), "a place of a dead-letter topic"),
        (("replay", "--rate", "0"), "rate"),
    ],
)
async def test_a_wrong_argument_is_refused_with_what_would_be_right(
    arguments: tuple[str, ...], named: str, stack: StackAddresses
) -> None:
    ended = await dlq(stack, *arguments)

    assert ended.status == 2
    assert named in " ".join(ended.said.split())
    assert "Traceback" not in ended.said
