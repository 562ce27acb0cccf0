"""Variants in real workers: listeners keep to theirs, lists and outcomes name them, shadows show nothing."""

import asyncio
import time
import uuid
from collections.abc import Mapping
from pathlib import Path

import pytest
from aiohttp import ClientSession
from aiokafka import ConsumerRecord
from conftest import Worker
from probe import play, producing, publish_events, reading
from services import command

from musicrec.contracts import (
    ListenEvent,
    ModelAnnouncement,
    Outcome,
    RankingSetting,
    RankingVariant,
    Recommendation,
    ShadowRecommendation,
)
from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from musicrec.model_announcements import announcements, put_announcement
from musicrec.recommend.variants import place_of
from musicrec.topics import OUTCOMES, RECOMMENDATIONS, SHADOW_RECOMMENDATIONS

pytestmark = pytest.mark.kafka

LISTS, SHADOWS = RECOMMENDATIONS.name, SHADOW_RECOMMENDATIONS.name
LISTENERS, PLAYS = 20, 4
DEADLINE_S = 60.0


async def announce(stack: StackAddresses, name: str, **fields: object) -> None:
    at_ms = time.time_ns() // 1_000_000
    announced = ModelAnnouncement(name=f"variant/{name}", variant=RankingVariant(**fields), announced_at_ms=at_ms)  # type: ignore[arg-type]
    await put_announcement(stack.kafka, announced.name, announced)


def said(worker: ChildProcess, words: str) -> bool:
    return words in worker.log_file.read_text(errors="replace")


async def until_said(worker: ChildProcess, words: str) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not said(worker, words):
            await asyncio.sleep(0.05)


async def until_counted(worker: ChildProcess, counts: Mapping[str, int]) -> None:
    """Wait for samples of /metrics to be that high: a batch is counted once saved, a moment after it is delivered.

    They may be higher: on a broker that other tests share, their listeners are counted too.
    """
    address = worker.log_file.read_text().partition("http://")[2].split("/")[0]
    async with asyncio.timeout(DEADLINE_S), ClientSession() as client:
        while True:
            async with client.get(f"http://{address}/metrics") as response:
                shown = (await response.text()).splitlines()
            values = dict(line.rsplit(" ", 1) for line in shown if not line.startswith("#"))
            if all(float(values.get(name, 0)) >= count for name, count in counts.items()):
                return
            print({name: value for name, value in values.items() if "_variant_" in name and "bucket" not in name})
            await asyncio.sleep(0.2)


async def test_listeners_have_the_lists_of_their_variant_and_outcomes_name_it(
    announcing: StackAddresses, worker: Worker
) -> None:
    run = uuid.uuid4().hex[:8]
    users = [f"{run} {number}" for number in range(LISTENERS)]
    calm = {user for user in users if 0.25 <= place_of(user, run) < 0.75}

    def is_ours(record: ConsumerRecord) -> bool:
        return (record.key or b"").decode().startswith(run)

    def plays(number: int) -> list[ListenEvent]:
        return [play(user, f"{run} track {number}", number) for user in users]

    def came(topic: str, count: int) -> bool:
        return len(tail.on(topic)) == count

    settings = (RankingSetting(name="weight_popular", value=1.0),)
    await announce(announcing, "calm", share=0.5, start=0.25, experiment=run, settings=settings)
    async with (
        reading(announcing, LISTS, SHADOWS, OUTCOMES.name, only=is_ours) as tail,
        producing(announcing) as producer,
        worker("session"),
        worker("ranking") as ranking,
        worker("outcome") as outcome,
    ):
        assert said(ranking, "variant calm: 50.0% of the listeners, weight_popular=1")
        await announce(announcing, "night", shadow=True)
        await until_said(ranking, "variant night: makes lists that nobody is shown")
        await announce(announcing, "wrong", shadow=True, settings=(RankingSetting(name="max_tracks", value=9.0),))
        await until_said(ranking, "variant wrong is refused: max_tracks: shapes what is learned")
        for number in range(PLAYS):
            await publish_events(producer, plays(number))
            total = (number + 1) * LISTENERS
            await tail.until(lambda _, n=total: all(came(t, n) for t in (LISTS, SHADOWS, OUTCOMES.name)))  # type: ignore[misc]
        # The first listen of each has no list before it.
        await until_counted(
            outcome,
            {
                'musicrec_variant_listens_total{variant="calm"}': len(calm) * (PLAYS - 1),
                'musicrec_variant_listens_total{variant="default"}': (LISTENERS - len(calm)) * (PLAYS - 1),
            },
        )
        await until_counted(
            ranking,
            {
                'musicrec_variant_listens_total{variant="night"}': LISTENERS * (PLAYS - 1),
                'musicrec_variant_ranking_seconds_count{variant="night"}': LISTENERS * PLAYS,
            },
        )
        await put_announcement(announcing.kafka, "variant/calm", None)
        await until_said(ranking, "variant calm is withdrawn")
        await publish_events(producer, plays(PLAYS))
        await tail.until(lambda _: came(LISTS, (PLAYS + 1) * LISTENERS))
    lists = [Recommendation.decode(record.value) for record in tail.on(LISTS)]
    newest = lists[PLAYS * LISTENERS :]
    assert {(each.user_id, each.variant) for each in lists[: PLAYS * LISTENERS]} == {
        (user, "calm" if user in calm else None) for user in users
    }
    assert {each.variant for each in newest} == {None}
    shadows = [ShadowRecommendation.decode(record.value) for record in tail.on(SHADOWS)]
    assert {each.variant for each in shadows} == {"night"}
    assert not {each.list_id for each in shadows} & {each.list_id for each in lists}
    outcomes = [Outcome.decode(record.value) for record in tail.on(OUTCOMES.name)]
    assert {(each.user_id, each.variant) for each in outcomes if each.list_id} >= {(user, "calm") for user in calm}
    assert sum(each.variant == "calm" for each in outcomes[: PLAYS * LISTENERS]) == len(calm) * (PLAYS - 1)


async def test_the_command_announces_and_withdraws_and_says_what_may_differ(
    announcing: StackAddresses, tmp_path: Path
) -> None:
    async def model(*arguments: str) -> tuple[int, str]:
        return await command(announcing, tmp_path, "model", *arguments)

    assert await model("variant", "calm", "--share", "0.1", "--set", "weight_session_encoder=0.5") == (
        0,
        "announced variant/calm: 10.0% of the listeners, by 'default', weight_session_encoder=0.5\n",
    )
    status, text = await model("variant", "night", "--shadow", "--set", "max_sessions=9")
    assert (status, "shapes what is learned, which all variants share; a variant may differ in" in text) == (2, True)
    assert list(await announcements(announcing.kafka)) == ["variant/calm"]
    assert (await model("variant", "calm", "--withdraw"))[0] == 0
    assert await announcements(announcing.kafka) == {}
