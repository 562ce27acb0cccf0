"""Ids that look like keys, patterns, markup or nothing at all: each is one listener, and none is another one's."""

import uuid

import pytest
from conftest import Worker
from probe import about, play, producing, publish_events, reading

from musicrec.contracts import Recommendation, SessionSnapshot
from musicrec.local import StackAddresses

pytestmark = pytest.mark.kafka

SESSIONS, LISTS = "musicrec.sessions.v1", "musicrec.recommendations.v1"
ODD = (
    *("{id}", "{id}:", ":{id}", "{id}:state", "{{{id}}}", "{id}*", "{id}?", "{id}[a-z]", "{id} ", " {id}", "{id}\n"),
    *("{id}\r\nDEL musicrec", "{id}\0", "\0{id}", "{id}\u202e", "{id}\u200b", "\ufeff{id}", "{id}\x1b[2J", "../{id}"),
    *("musicrec:session:{id}", "cluster:0:{id}", "É{id}", "E\u0301{id}", "{id}" + "\N{GRINNING FACE}" * 200),
)


@pytest.mark.row(19)
async def test_each_odd_id_has_a_session_and_lists_of_its_own(stack: StackAddresses, worker: Worker) -> None:
    run = uuid.uuid4().hex[:8]
    users = [odd.format(id=run) for odd in ODD]
    events = [play(user, f"{number}", step) for step in range(3) for number, user in enumerate(users)]
    async with (
        reading(stack, SESSIONS, LISTS, only=about(*users)) as tail,
        producing(stack) as producer,
        worker("session"),
        worker("ranking"),
    ):
        await publish_events(producer, events)
        await tail.until(lambda t: len(t.on(SESSIONS)) == len(events))
        await tail.until(lambda t: {r.key for r in t.on(LISTS)} == {user.encode() for user in users})
    snapshots = [SessionSnapshot.decode(r.value) for r in tail.on(SESSIONS)]
    newest = {snapshot.user_id: snapshot for snapshot in snapshots}
    heard = {user: [(e.track_id, e.listens) for e in snapshot.entries] for user, snapshot in newest.items()}
    assert heard == {user: [(f"{number}", 3)] for number, user in enumerate(users)}
    lists = [Recommendation.decode(r.value) for r in tail.on(LISTS)]
    assert len({made.list_id for made in lists}) == len({(made.user_id, made.list_id) for made in lists})
