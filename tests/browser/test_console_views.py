"""The views behind the first one, in a real browser, on a real broker: flow, listener, refused messages, models."""

import re
import uuid
from collections.abc import AsyncIterator
from urllib.parse import quote

import pytest
from browsing import DEADLINE_S, Browsing, Publisher, browsing_with, chromium_path, publishing
from page_records import NOW_MS, dead_letter, outcome, recommendation, snapshot
from page_server import serving
from playwright.async_api import Page, expect
from probe import play, producing
from pydantic import SecretStr

from musicrec.contracts import (
    CatalogueRule,
    DeadLetter,
    ModelAnnouncement,
    RankingSetting,
    RankingVariant,
    Track,
    TrackEmbedding,
)
from musicrec.contracts.rule import RuleEffect
from musicrec.errors import DeadLetterReason
from musicrec.local import StackAddresses
from musicrec.topics import MODELS, RULES

pytestmark = [pytest.mark.kafka, pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
NARROW_PX = 360
TOKEN = "a token of sixteen characters or more"

expect.set_options(timeout=DEADLINE_S * 1000)


@pytest.fixture
async def browser() -> AsyncIterator[Browsing]:
    async with browsing_with(chromium_path()) as browser:
        yield browser


@pytest.fixture
async def url(browser: Browsing, stack: StackAddresses) -> AsyncIterator[str]:
    async with serving(stack, operator_token=SecretStr(TOKEN)) as address:
        yield address


@pytest.fixture
async def publish(stack: StackAddresses) -> AsyncIterator[Publisher]:
    async with publishing(stack) as publisher:
        yield publisher


def somebody() -> str:
    return f"listener {uuid.uuid4()}"


async def width_of(page: Page) -> int:
    return int(await page.evaluate("document.documentElement.scrollWidth"))


async def test_each_view_has_an_address_and_the_way_back_works(browser: Browsing, url: str) -> None:
    async with browser.open(url) as page:
        for name in ("Flow", "Listener", "Refused", "Models"):
            await page.get_by_role("link", name=name).click()
            await expect(page.locator(f"#view-{name.lower()}")).to_be_visible()
            await expect(page.locator("#view-now")).to_be_hidden()
            await expect(page.locator("nav a[aria-current]")).to_contain_text(name)
        await page.go_back()
        await expect(page.locator("#view-refused")).to_be_visible()
        await page.goto(f"{url}#nowhere/%ff")
        await expect(page.locator("#view-now")).to_be_visible()
    assert not browser.complaints


@pytest.mark.parametrize("width", [NARROW_PX, 1280])
async def test_the_flow_shows_every_agent_between_its_topics(
    browser: Browsing, url: str, publish: Publisher, width: int
) -> None:
    async with browser.open(f"{url}#flow", width=width) as page:
        lane = page.locator('.lane[data-agent="embedder"]')
        await expect(lane.locator(".in .topic")).to_have_text(["tracks.v1"])
        await expect(lane.locator(".out .topic")).to_have_text(["track-embeddings.v1"])
        # Which of the ways to make sessions and lists has run on this broker is up to the tests before.
        makers = page.locator('.lane[data-agent$="ranking"]')
        await expect(makers.locator(".in .topic", has_text="requests.v1")).not_to_have_count(0)
        for name in ("recommendations.v1", "shadow-recommendations.v1"):
            written = makers.locator(".out .topic", has_text=re.compile(f"^{re.escape(name)}$"))
            await expect(written).to_have_count(await makers.count())
        for agent in ("session", "ranking", "outcome", "embedder"):
            await expect(page.locator(f'.lane[data-agent*="{agent}"]')).not_to_have_count(0)
        rate = page.locator('.lane[data-agent="outcome"] .in .rate')
        await expect(rate).to_have_text("0/s")
        await publish(*(snapshot(somebody(), "t") for _ in range(30)))
        await expect(rate).not_to_have_text("0/s")
        assert await width_of(page) <= width
    assert not browser.complaints


async def test_a_journey_goes_from_the_event_to_what_was_played_after_its_list(
    browser: Browsing, url: str, publish: Publisher
) -> None:
    user, track, after = somebody(), f"t-{uuid.uuid4()}", f"a-{uuid.uuid4()}"
    event = play(user, track, 1)
    session = snapshot(user, track, event_id=event.event_id)
    made = recommendation(user, after, trigger=session.trigger, variant="calm")
    await publish(Track(track_id=track, title="Copper Tide"), Track(track_id=after, title="Amber River"), event)
    async with browser.open(f"{url}#now") as page:
        await publish(session, made)
        await page.locator(".card .name", has_text=user).click()
        row = page.locator(".journey .row")
        await expect(row.locator(".of-event .title")).to_have_text("played Copper Tide")
        await expect(row.locator(".of-session")).to_contain_text("1 track after event 1")
        await expect(row.locator(".of-list")).to_contain_text("Amber River")
        await expect(row.locator(".of-after")).to_contain_text("nothing yet")
        await publish(outcome("next", user_id=user, track_id=after, list_id=made.list_id, rank=1))
        await expect(row.locator(".of-after")).to_contain_text("no. 1 of the list, played to the end")
        await row.get_by_role("button", name="1 tracks").click()
        await expect(row.locator(".of-list")).to_contain_text("variant calm")
        await expect(row.locator(".of-list .chip")).to_have_text("sessions like this")
        await publish(play(user, track, 2))
        await expect(page.locator(".journey .row")).to_have_count(2)
        await expect(page.locator(".of-list .chip")).to_be_visible()
    assert not browser.complaints


@pytest.mark.row(45)
@pytest.mark.parametrize("width", [NARROW_PX, 1280])
async def test_a_listener_of_any_name_can_be_asked_for_and_runs_nothing(
    browser: Browsing, url: str, publish: Publisher, width: int
) -> None:
    user = f"{HOSTILE}/%2f?#{'ü' * 40} {uuid.uuid4()}"
    event = play(user, HOSTILE, 1)
    await publish(Track(track_id=HOSTILE, title=HOSTILE * 3, artist_name=HOSTILE), event)
    session = snapshot(user, HOSTILE, event_id=event.event_id)
    await publish(session, recommendation(user, HOSTILE, trigger=session.trigger))
    async with browser.open(f"{url}#listener", width=width) as page:
        await page.locator("#listener-id").fill(user)
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator(".journey .of-event")).to_contain_text(HOSTILE)
        await expect(page.locator(".journey .of-list")).to_contain_text(HOSTILE)
        assert page.url.endswith(f"#listener/{quote(user, safe='!*()')}")
        await page.reload()
        await expect(page.locator(".journey .of-event")).to_contain_text(HOSTILE)
        assert await page.locator("img").count() == 0
        assert await width_of(page) <= width
    assert not browser.complaints


async def test_nobody_s_journey_says_that_there_is_nothing(browser: Browsing, url: str) -> None:
    async with browser.open(f"{url}#listener/{quote(somebody())}") as page:
        await expect(page.locator("#journey-note")).to_contain_text("nothing of this listener")


def refused_from_listens(offset: int, partition: int, reason: DeadLetterReason) -> DeadLetter:
    return dead_letter(offset, reason).model_copy(update={"original_partition": partition})


@pytest.mark.parametrize("width", [NARROW_PX, 1280])
async def test_a_refused_message_is_looked_at_and_published_again_with_the_token(
    browser: Browsing, url: str, stack: StackAddresses, width: int
) -> None:
    user, value = somebody(), play(somebody(), HOSTILE, 1).encode()
    async with producing(stack) as producer:
        letter = refused_from_listens(41, 0, DeadLetterReason.HANDLER_ERROR)
        sent = await producer.send_and_wait(
            "musicrec.listens.v1.dlq", value, key=user.encode(), headers=letter.headers()
        )
    place = f"musicrec.listens.v1.dlq[{sent.partition}]@{sent.offset}"
    async with browser.open(f"{url}#refused", width=width) as page:
        line = page.locator(f'.letter[data-place="{place}"]')
        await expect(line).to_contain_text("a play event needs it")
        await line.get_by_role("button", name="handler error").click()
        await expect(line.locator(".value-bytes")).to_have_text(value.decode())
        await expect(line.locator(".facts")).to_contain_text("taken once a release runs")
        assert await width_of(page) <= width
        await line.get_by_role("button", name="replay").click()
        await expect(page.locator("#replay")).to_contain_text("Publish this letter again on musicrec.listens.v1?")
        await page.get_by_label("operator token").fill("not the token at all")
        await page.keyboard.press("Enter")
        await expect(page.locator("#replay")).to_contain_text("that is not the operator token")
        await page.get_by_label("operator token").fill(TOKEN)
        await page.get_by_role("button", name="Publish again").click()
        await expect(page.locator("#replay")).to_contain_text("1 of 1 published again; done")
        assert await page.locator("img").count() == 0
        assert await width_of(page) <= width
        await line.get_by_role("link", name=user).click()
        await expect(page.locator(".journey .row", has_text="refused: handler error")).to_have_count(1)
        await expect(page.locator(".journey .row", has_text="none came of it")).to_have_count(1)
    assert all("401" in complaint for complaint in browser.complaints)


async def test_letters_that_come_are_seen_without_asking_again(browser: Browsing, url: str, publish: Publisher) -> None:
    async with browser.open(f"{url}#refused") as page:
        await expect(page.locator("#letters-note")).to_contain_text("here")
        offset = uuid.uuid4().int % 10**9
        await publish.dead_letter(dead_letter(offset))
        await expect(page.locator("#letters")).to_contain_text(f"musicrec.listens.v1[3]@{offset}")


async def test_without_a_token_the_page_shows_the_command_instead_of_a_button(
    browser: Browsing, stack: StackAddresses, publish: Publisher
) -> None:
    await publish.dead_letter(dead_letter(7))
    async with serving(stack) as address, browser.open(f"{address}#refused") as page:
        await page.locator(".letter .more").first.click()
        await expect(page.locator(".whole code")).to_contain_text("musicrec dlq replay 'musicrec.")
        await expect(page.locator("#replay-off")).to_contain_text("MUSICREC_WEB__OPERATOR_TOKEN")
        assert await page.get_by_role("button", name="replay").count() == 0
    assert not browser.complaints


@pytest.mark.parametrize("width", [NARROW_PX, 1280])
async def test_models_variants_rules_and_vectors_are_told_with_what_lists_were_made_by(
    browser: Browsing, url: str, publish: Publisher, width: int
) -> None:
    name = uuid.uuid4().hex[:8]
    variant = ModelAnnouncement(
        name=f"variant/calm-{name}",
        variant=RankingVariant(settings=(RankingSetting(name="repeat_factor", value=0.25),), shadow=True),
        announced_at_ms=NOW_MS,
    )
    rule = CatalogueRule(
        name=f"dispute {name}",
        effect=RuleEffect.DENY,
        tracks=("x",),
        markets=("DE",),
        reason=HOSTILE,
        published_at_ms=NOW_MS,
    )
    vector = TrackEmbedding(
        track_id=f"t-{name}",
        model_version=f"light-{name}",
        dimension=4,
        vector_f16="ADwAAAAAAAA=",
        embedded_at_ms=NOW_MS,
    )
    async with browser.open(f"{url}#models", width=width) as page:
        await publish(variant, rule, vector, Track(track_id=vector.track_id, audio_uri="file:///a.flac"))
        made = recommendation(somebody(), "t", model_version=f"rank-{name}", index_version=f"light-{name}/3")
        await publish(made)
        await expect(page.locator("#made tr", has_text=f"rank-{name}")).to_contain_text(f"light-{name}/3")
        announced = page.locator("#standing tr")
        await expect(announced.filter(has_text=f"calm-{name}")).to_contain_text("shadow")
        await expect(announced.filter(has_text=f"calm-{name}")).to_contain_text("repeat_factor=0.25")
        await expect(announced.filter(has_text=f"dispute {name}")).to_contain_text(HOSTILE)
        await expect(page.locator("#index tr", has_text=f"light-{name}")).to_contain_text("in use")
        assert await page.locator("img").count() == 0
        assert await width_of(page) <= width
        # Others share the broker.
        await publish.withdraw(MODELS, variant.name)
        await publish.withdraw(RULES, rule.name)
        await expect(announced.filter(has_text=name)).to_have_count(0)
    assert not browser.complaints
