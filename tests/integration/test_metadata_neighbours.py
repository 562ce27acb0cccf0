"""Descriptions on the real topic: announced, what a list is made by, described anew, kept by a new worker."""

import asyncio
import uuid

import pytest
from conftest import Worker
from history import answers
from probe import about, play, producing, publish, publish_events, reading

from musicrec.contracts import ReasonCode, Recommendation, Track
from musicrec.local import StackAddresses
from musicrec.topics import RECOMMENDATIONS, TRACKS

pytestmark = pytest.mark.kafka

DEADLINE_S = 30.0
"""The worker knows of a track within a second; a loaded machine gets more time."""


async def test_a_track_is_listed_for_its_description_to_who_hears_one_described_alike(
    stack: StackAddresses, worker: Worker
) -> None:
    run = uuid.uuid4().hex[:8]
    gamelan, polka = (f"gamelan {run}",), (f"polka {run}",)
    heard, alike, other = (f"{run} {name}" for name in ("heard", "alike", "other"))
    described = [
        Track(track_id=heard, title="One", tags=gamelan),
        Track(track_id=alike, title="Two", tags=gamelan),
        Track(track_id=other, title="Three", tags=polka),
    ]
    user, plays = f"{run} listener", 0

    async with (
        reading(stack, RECOMMENDATIONS.name, only=about(user)) as tail,
        producing(stack) as producer,
        worker("session"),
    ):

        async def announce(tracks: list[Track]) -> None:
            await publish(producer, TRACKS.name, [(each.track_id.encode(), each.encode()) for each in tracks])

        async def described_alike() -> set[str]:
            """Let the listener hear the first track; return what is listed for its description."""
            nonlocal plays
            plays += 1
            event = play(user, heard, plays)
            await publish_events(producer, [event])
            await tail.until(lambda t: event.event_id in answers(t.records))
            made = Recommendation.decode(tail.records[-1].value)
            assert made.making is not None
            assert "metadata_neighbours" in made.making.sources
            return {item.track_id for item in made.items if item.reason is ReasonCode.SIMILAR_DESCRIPTION}

        async def until_described_alike(tracks: set[str]) -> None:
            async with asyncio.timeout(DEADLINE_S):
                while await described_alike() != tracks:
                    pass

        async with worker("ranking"):
            await announce(described)
            await until_described_alike({alike})
        async with worker("ranking"):
            assert await described_alike() == {alike}
            await announce(
                [
                    each.model_copy(update={"tags": tags})
                    for each, tags in zip(described[1:], (polka, gamelan), strict=True)
                ]
            )
            await until_described_alike({other})
            await publish(producer, TRACKS.name, [(other.encode(), None)])
            await until_described_alike(set())
