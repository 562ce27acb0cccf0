"""A deployment with other numbers of partitions than the table's: everything works, and nothing counts on twelve."""

import json
from pathlib import Path

import pytest
from conftest import skip_or_fail, start_worker, until_ready
from probe import producing
from services import command

from musicrec.client import AsyncClient, play
from musicrec.errors import MusicrecError
from musicrec.kafka_access import count_partitions
from musicrec.local import EmbeddedStack
from musicrec.topics import DEAD_LETTERS, LISTENS, MODELS, RECOMMENDATIONS, TRACKS
from streams.web.broker_survey import BrokerSurvey

pytestmark = [pytest.mark.kafka, pytest.mark.timeout(300)]

SLOW_S = 60.0
AGENTS = ("session", "ranking", "outcome")


async def test_topics_may_have_as_many_partitions_as_a_deployment_chooses(tmp_path: Path) -> None:
    servers = EmbeddedStack(tmp_path / "stack")
    try:
        stack = await servers.start()
    except MusicrecError as error:
        skip_or_fail(f"no embedded stack: {error}")
    workers = []
    try:
        status, said = await command(stack, tmp_path, "topics", "--user-partitions", "30", "--track-partitions", "2")
        assert (status, "topics created" in said) == (0, True)
        status, said = await command(stack, tmp_path, "topics", "plan", "--exit-code")
        assert status == 0, said
        counts = [await count_partitions(stack.kafka, t.name) for t in (LISTENS, *DEAD_LETTERS[:1], TRACKS, MODELS)]
        assert counts == [30, 30, 2, 1]
        workers = [start_worker(stack, tmp_path, agent) for agent in AGENTS]
        for worker in workers:
            await until_ready(worker)
        users = [f"listener {number}" for number in range(60)]
        async with AsyncClient(stack.kafka) as musicrec, musicrec.outcomes() as outcomes:
            for user in users:
                made = await musicrec.list_after(play(user, "t", ms_played=200_000), deadline_s=SLOW_S)
                assert made.user_id == user
            assert {(await anext(outcomes)).user_id for _ in users} == set(users)
        async with producing(stack) as producer:
            sent = await producer.send_and_wait(LISTENS.name, b"{", key=b"junk", partition=29)
        place = f"{LISTENS.name}[29]@{sent.offset}"
        async with BrokerSurvey(stack.kafka) as survey:
            while (figures := await survey.take()).lags()["session"] != 0:
                pass
        assert {place.partition for place in figures.lag_of("session") or ()} == set(range(30))
        (reader,) = figures.members["session"]
        assert set(reader.partitions[LISTENS.name]) == set(range(30))
        status, said = await command(stack, tmp_path, "dlq", "list", "--json")
        assert (status, json.loads(said)["original"]) == (0, place)
        status, said = await command(stack, tmp_path, "dlq", "show", place)
        assert (status, "malformed" in said) == (0, True)
        status, said = await command(stack, tmp_path, "explain", users[-1])
        assert (status, said.startswith(f"read at {RECOMMENDATIONS.name}[")) == (0, True)
    finally:
        for worker in workers:
            await worker.stop()
        await servers.stop()
