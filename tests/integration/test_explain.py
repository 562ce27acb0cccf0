"""`musicrec explain` as a process, on lists that stand on a real Kafka."""

import asyncio
import json
import sys
import uuid

import pytest
from probe import producing, publish

from musicrec.contracts import (
    ExcludedCandidates,
    Making,
    Mode,
    ReasonCode,
    Recommendation,
    RecommendedItem,
    SourceRank,
    Timings,
)
from musicrec.ids import derived_id
from musicrec.local import StackAddresses
from musicrec.topics import RECOMMENDATIONS

pytestmark = pytest.mark.kafka


async def explained(stack: StackAddresses, *arguments: str) -> tuple[int, str, str]:
    command = [sys.executable, "-m", "musicrec.cli.main", "explain", *arguments]
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        *command, "--kafka", stack.kafka.bootstrap_servers, stdout=pipe, stderr=pipe
    )
    async with asyncio.timeout(30):
        out, err = await process.communicate()
    return process.returncode or 0, out.decode(), err.decode()


def made(user: str, number: int) -> Recommendation:
    return Recommendation(
        list_id=derived_id("l", user, number),
        user_id=user,
        mode=Mode.PERSONAL,
        items=(
            RecommendedItem(
                track_id=f"track-{number}",
                score=1.0,
                sources=(SourceRank(source="popular", rank=3),),
                reason=ReasonCode.POPULAR_NOW,
            ),
        ),
        request_id=f"request-{number}",
        model_version="rank-1",
        index_version="none",
        generated_at_ms=1_700_000_000_000,
        timings=Timings(ranking_ms=0.3),
        making=Making(
            sources=("popular",),
            weights=(0.01,),
            proposed=(100,),
            rank_constant=10.0,
            repeat_factor=0.5,
            candidates=100,
            excluded=ExcludedCandidates(blocked=1),
            ranked=0,
            fusion_ranks=(3,),
            ranker_ranks=(3,),
        ),
    )


async def test_the_newest_list_of_a_listener_any_list_by_its_id_and_what_is_not_there(stack: StackAddresses) -> None:
    user = f"listener {uuid.uuid4()}"
    lists = [made(user, number) for number in range(3)]
    async with producing(stack) as producer:
        await publish(producer, RECOMMENDATIONS.name, [(user.encode(), each.encode()) for each in lists])
        await publish(producer, RECOMMENDATIONS.name, [(user.encode(), b"{")])
    newest, oldest, nobody, in_vain = await asyncio.gather(
        explained(stack, user),
        explained(stack, lists[0].list_id, "--json"),
        explained(stack, f"nobody {uuid.uuid4()}"),
        explained(stack, lists[0].list_id, "--user", "--lists", "1"),
    )
    assert newest[0] == 0, newest[2]
    assert newest[1].startswith(f"list      {lists[2].list_id} for {user}: 1 track, mode personal\n")
    assert "fusion 3 > ranker 3 > list 1  (up 2)" in newest[1]
    assert f"read at {RECOMMENDATIONS.name}[" in newest[2]
    found = json.loads(oldest[1].splitlines()[-1])
    assert (found["list_id"], found["items"][0]["fusion_rank"], found["left_out"]) == (lists[0].list_id, 3, 2)
    assert [status for status, _, _ in (nobody, in_vain)] == [2, 2]
    assert "no list for this listener" in nobody[2]
    assert "Kafka keeps lists for 1 day" in nobody[2]
