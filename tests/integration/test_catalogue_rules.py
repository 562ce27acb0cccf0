"""Rules on the real stack: put, obeyed by the next list, kept by a new worker, withdrawn; and their command."""

import asyncio
import json
import time
import uuid
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from conftest import Worker
from history import answers
from probe import about, play, producing, publish, publish_events, reading
from services import command

from musicrec.contracts import Recommendation, Track
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.published_rules import published_rules, withdraw_rule
from musicrec.topics import RECOMMENDATIONS, RULES, TRACKS

pytestmark = pytest.mark.kafka

LISTS = RECOMMENDATIONS.name
DEADLINE_S = 30.0
OBEYED_WITHIN_S = 10.0
"""A second where nothing else runs; the tests share their processors."""


@pytest.fixture
async def ruling(stack: StackAddresses) -> AsyncIterator[StackAddresses]:
    """The stack, on which a test may publish rules: none is left to others."""
    yield stack
    for name in [*await published_rules(stack.kafka), "unreadable"]:
        await withdraw_rule(stack.kafka, name)


async def until_said(worker: ChildProcess, words: str, deadline_s: float = DEADLINE_S) -> None:
    async with asyncio.timeout(deadline_s):
        while words not in worker.log_file.read_text(errors="replace"):
            await asyncio.sleep(0.02)


async def test_what_a_rule_denies_is_in_no_list_until_it_is_withdrawn_also_after_a_restart(
    ruling: StackAddresses, worker: Worker, tmp_path: Path
) -> None:
    run = uuid.uuid4().hex[:8]
    ids = [f"{run} {number}" for number in range(6)]
    loud = set(ids[3:])
    catalogue = [Track(track_id=each, label=f"loud {run}" if each in loud else None) for each in ids]
    catalogue[1] = catalogue[1].model_copy(update={"markets": ("DE",)})
    users = [f"{run} listener {number}" for number in range(4)]
    plays = 0

    async with (
        reading(ruling, LISTS, only=about(*users)) as tail,
        producing(ruling) as producer,
        worker("session"),
    ):

        async def listed(market: str) -> set[str]:
            """Let the last listener hear the first track; return what of ours is listed next."""
            nonlocal plays
            plays += 1
            event = play(users[-1], ids[0], 1_000 + plays, market=market)
            await publish_events(producer, [event])
            await tail.until(lambda t: event.event_id in answers(t.records))
            made = Recommendation.decode(tail.records[-1].value)
            assert made.trigger is not None
            assert made.trigger.event_id == event.event_id
            return {item.track_id for item in made.items} & set(ids)

        async def until_listed(market: str, wanted: set[str]) -> None:
            """Wait for the catalogue and the plays to be learned."""
            async with asyncio.timeout(DEADLINE_S):
                while await listed(market) != wanted:
                    pass

        await publish(producer, RULES.name, [(b"unreadable", b"{")])
        async with worker("ranking") as ranking:
            assert "passed over: not JSON" in ranking.log_file.read_text()
            await publish(producer, TRACKS.name, [(each.track_id.encode(), each.encode()) for each in catalogue])
            heard = [play(user, each, number) for user in users[:3] for number, each in enumerate(ids)]
            await publish_events(producer, heard)
            await tail.until(lambda t: len(answers(t.records)) == len(heard))
            await until_listed("DE", {*ids[1:]})
            assert await listed("US") == {*ids[2:]}
            status, said = await command(
                ruling, tmp_path, "rules", "put", "--name", run, "--deny", "--label", f"loud {run}", "--market", "DE"
            )
            assert (status, said) == (0, f"put {run}: deny label 'loud {run}', in DE\n")
            put_s = time.monotonic()
            await until_said(ranking, f"rules: '{run}' deny; now 1 deny, 0 allow", OBEYED_WITHIN_S)
            print(f"obeyed {time.monotonic() - put_s:.2f} s after the command")
            assert await listed("DE") == {*ids[1:3]}
            assert await listed("US") == {*ids[2:]}
        async with worker("ranking") as restarted:
            assert await listed("DE") == {*ids[1:3]}
            assert (await command(ruling, tmp_path, "rules", "withdraw", run))[0] == 0
            await until_said(restarted, f"rules: '{run}' withdrawn; now 0 deny, 0 allow")
            assert await listed("DE") == {*ids[1:]}


async def test_the_command_puts_lists_and_withdraws_and_its_lists_can_be_put_again(
    ruling: StackAddresses, tmp_path: Path
) -> None:
    run = uuid.uuid4().hex[:8]
    one = ("--artist", f"a {run}", "--track", "1", "--track", "2", "--track", "3", "--track", "4")

    async def rules(*arguments: str) -> tuple[int, str]:
        return await command(ruling, tmp_path, "rules", *arguments)

    assert await rules("put", "--name", run, "--deny", *one, "--until", "2026-01-31", "--reason", "in court") == (
        0,
        f"put {run}: deny tracks '1', '2', '3' and 1 more and artist 'a {run}', everywhere, "
        "until 2026-01-31T00:00:00.000Z, because: in court\n",
    )
    status, said = await rules("list")
    assert (status, said.startswith(f"{run}: deny tracks '1', '2', '3'"), said.count("\n")) == (0, True, 1)
    status, as_json = await rules("list", "--json")
    assert json.loads(as_json)["reason"] == "in court"
    (tmp_path / "rules.jsonl").write_text(as_json.replace(run, f"{run}-again"))
    assert (await rules("put", str(tmp_path / "rules.jsonl")))[0] == 0
    assert sorted(await published_rules(ruling.kafka)) == [run, f"{run}-again"]
    for name in (run, f"{run}-again"):
        assert (await rules("withdraw", name))[0] == 0
    assert await rules("list") == (0, "no rule stands\n")
    assert await rules("withdraw", run) == (2, f"musicrec: {run}: no such rule; there are: none\n")
    status, said = await rules("put", "--name", run, "--deny", "--market", "de")
    assert (status, said.count("\n"), f"rules put --name {run}: markets.0: " in said) == (2, 1, True)
