"""The live page in a real browser, on a real broker."""

import asyncio
import uuid
from collections.abc import AsyncIterator
from urllib.parse import urlsplit

import pytest
from browsing import DEADLINE_S, Browsing, Publisher, browsing_with, chromium_path, publishing
from page_records import dead_letter, dialled, recommendation, snapshot
from page_server import serving
from playwright.async_api import Locator, Page, expect

from musicrec.contracts import (
    Degradation,
    EventType,
    ListenOutcome,
    Outcome,
    Recommendation,
    SessionSnapshot,
    Track,
)
from musicrec.local import StackAddresses
from streams.web.server import BOARD_EVERY_S

pytestmark = [pytest.mark.kafka, pytest.mark.browser]

HOSTILE = "<img src=x onerror=alert(1)><script>alert(2)</script>"
NARROW_PX = 360

expect.set_options(timeout=DEADLINE_S * 1000)


@pytest.fixture
async def browser() -> AsyncIterator[Browsing]:
    # Looked for first: without a browser no broker need be started.
    async with browsing_with(chromium_path()) as browser:
        yield browser


@pytest.fixture
async def url(browser: Browsing, stack: StackAddresses) -> AsyncIterator[str]:
    async with serving(stack) as address:
        yield address


@pytest.fixture
async def publish(stack: StackAddresses) -> AsyncIterator[Publisher]:
    async with publishing(stack) as publisher:
        yield publisher


def somebody() -> str:
    return f"listener {uuid.uuid4()}"


def card_of(page: Page, user: str) -> Locator:
    return page.locator(f'.card[data-user="{user}"]')


async def test_before_anything_happens_the_page_says_what_it_waits_for(browser: Browsing, url: str) -> None:
    async with browser.open(url) as page:
        await expect(page.locator("#state")).to_have_text("live")
        await expect(page.locator("#nothing")).to_contain_text("Nothing has happened yet")
        await expect(page.locator("#refused-none")).to_be_visible()


async def test_a_play_appears_with_the_list_it_led_to_and_its_reasons(
    browser: Browsing, url: str, publish: Publisher
) -> None:
    user, track, following = somebody(), f"t-{uuid.uuid4()}", f"n-{uuid.uuid4()}"
    async with browser.open(url) as page:
        await expect(page.locator("#state")).to_have_text("live")
        await publish(Track(track_id=track, title="Copper Tide", artist_name="Slow Harbour"), snapshot(user, track))
        card = card_of(page, user)
        await expect(card.locator(".now .title")).to_have_text("Copper Tide")
        await expect(card.locator(".now .by")).to_have_text("Slow Harbour")
        await publish(Track(track_id=following, title="Amber River"), recommendation(user, following))
        await expect(card.locator(".items .track")).to_have_text("Amber River")
        await expect(card.locator(".chip")).to_have_text("sessions like this")
        await expect(page.locator("#nothing")).to_be_hidden()
        await expect(page.locator("#latency")).to_contain_text("7 ms")
    assert not browser.complaints


async def test_a_tap_on_a_reason_shows_the_sources_and_another_hides_them(
    browser: Browsing, url: str, publish: Publisher
) -> None:
    user = somebody()
    async with browser.open(url) as page:
        await publish(snapshot(user, "t"), recommendation(user, "a"))
        chip = card_of(page, user).locator(".chip")
        await chip.click()
        await expect(card_of(page, user).locator(".sources")).to_have_text(
            "no. 2 by similar sessions, no. 7 by popular"
        )
        await expect(chip).to_be_focused()
        await publish(snapshot(user, "t", "u", revision=2))
        await expect(card_of(page, user).locator(".now .title")).to_have_text("u")
        await expect(card_of(page, user).locator(".sources")).to_be_visible()
        await chip.click()
        await expect(card_of(page, user).locator(".sources")).to_have_count(0)


async def test_the_place_in_the_list_before_is_told_and_counts_as_a_hit(
    browser: Browsing, url: str, publish: Publisher
) -> None:
    user = somebody()
    session = snapshot(user, "t")
    async with browser.open(url) as page:
        await publish(session)
        await publish(
            Outcome(
                user_id=user,
                event_id="e",
                track_id="t",
                outcome=session.entries[0].outcome,
                played_at_ms=session.entries[0].ended_at_ms,
                list_id="l",
                rank=4,
                list_length=20,
            )
        )
        await expect(card_of(page, user).locator(".marks")).to_contain_text("was no. 4 of its list")
        await expect(page.locator("#hit-rate")).to_have_text("100.0 %")


async def test_a_listener_s_dial_stands_on_the_card_with_the_share_of_new_tracks_and_moves_with_it(
    browser: Browsing, url: str, publish: Publisher
) -> None:
    user = somebody()

    def listed(revision: int, discovery: float, new: tuple[int, ...]) -> Recommendation:
        return recommendation(user, *"abcd", revision=revision, making=dialled(discovery, new))

    def turned(revision: int, discovery: float) -> SessionSnapshot:
        trigger = {"type": EventType.SET_DISCOVERY, "track_id": None, "outcome": None}
        made = snapshot(user, "t", revision=revision, **trigger)
        return made.model_copy(update={"discovery": discovery})

    async with browser.open(url) as page:
        await publish(snapshot(user, "t"), recommendation(user, "a"))
        dial = card_of(page, user).locator(".dial")
        await expect(card_of(page, user).locator(".items .track")).to_have_text("a")
        await expect(dial).to_have_count(0)
        await publish(turned(2, -1.0), listed(2, -1.0, ()))
        await expect(dial.locator(".value-of-dial")).to_have_text("−1.00")
        await expect(card_of(page, user).locator(".next .new-share")).to_have_text("0 % new to them")
        await expect(card_of(page, user).locator(".marks")).to_contain_text("dial to −1.00")
        await expect(page.locator("#latest li", has_text=user).first).to_contain_text("dial to")
        left = await dial.locator(".knob").bounding_box()
        await publish(turned(3, 1.0), listed(3, 1.0, (1, 2, 4)))
        await expect(dial.locator(".value-of-dial")).to_have_text("+1.00")
        await expect(card_of(page, user).locator(".next .new-share")).to_have_text("75 % new to them")
        right = await dial.locator(".knob").bounding_box()
    assert left is not None
    assert right is not None
    assert right["x"] > left["x"] + 40
    assert not browser.complaints


@pytest.mark.row(45)
async def test_text_from_outside_is_shown_as_text_and_runs_nothing(
    browser: Browsing, url: str, publish: Publisher
) -> None:
    user, track = f"{HOSTILE} {uuid.uuid4()}", f"{HOSTILE} {uuid.uuid4()}"
    letter = dead_letter(1).model_copy(update={"error_message": HOSTILE})
    async with browser.open(url) as page:
        await publish(
            Track(track_id=track, title=HOSTILE, artist_name=HOSTILE),
            snapshot(user, track),
            recommendation(user, track),
        )
        await publish.dead_letter(letter)
        await expect(page.locator(".now .title", has_text=HOSTILE)).to_have_text(HOSTILE)
        await expect(page.locator(".items .track", has_text=HOSTILE)).to_contain_text(HOSTILE)
        await expect(page.locator("#refused-newest")).to_contain_text(HOSTILE)
        assert await page.locator("img").count() == 0
        assert await page.locator("body script").count() == 0
    assert not browser.complaints


@pytest.mark.row(45)
async def test_the_policy_stops_a_script_even_where_markup_slipped_through(browser: Browsing, url: str) -> None:
    async with browser.open(url) as page:
        await page.evaluate("document.body.insertAdjacentHTML('beforeend', '<img src=x onerror=\"window.ran = 1\">')")
        await expect(page.locator("img")).to_have_count(1)
        await page.wait_for_timeout(300)
        assert await page.evaluate("window.ran") is None
    assert any("Content Security Policy" in complaint for complaint in browser.complaints)


async def test_everything_comes_from_the_page_s_own_server(browser: Browsing, url: str) -> None:
    async with browser.open(url) as page:
        await expect(page.locator("#state")).to_have_text("live")
    assert {urlsplit(address).netloc for address in browser.requested} == {urlsplit(url).netloc}


@pytest.mark.parametrize("width", [NARROW_PX, 768, 1280])
async def test_nothing_is_wider_than_the_screen_however_long_the_words(
    browser: Browsing, url: str, publish: Publisher, width: int
) -> None:
    user, track = "u" * 200 + uuid.uuid4().hex, "t" * 200 + uuid.uuid4().hex
    async with browser.open(url, width=width) as page:
        await publish(
            Track(track_id=track, title="Wörter" * 40, artist_name="A" * 300),
            snapshot(user, *(f"{track}{i}" for i in range(3)), track),
            recommendation(user, *[track] * 10),
        )
        await publish.dead_letter(dead_letter(1).model_copy(update={"error_message": "e" * 900}))
        await card_of(page, user).locator(".chip").first.click()
        await expect(page.locator("#refused-newest")).to_contain_text("eee")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


@pytest.mark.parametrize("width", [NARROW_PX, 1280])
async def test_variants_stand_beside_each_other_with_their_intervals(
    browser: Browsing, url: str, publish: Publisher, width: int
) -> None:
    variant = f"calm_{uuid.uuid4().hex[:8]}"
    played = snapshot("anybody", "t").entries[0]
    async with browser.open(url, width=width) as page:
        await publish(
            *(
                Outcome(
                    user_id=somebody(),
                    event_id=f"{variant}-{number}",
                    track_id="t",
                    outcome=ListenOutcome.SKIPPED_EARLY if number % 5 == 0 else ListenOutcome.COMPLETED,
                    played_at_ms=played.ended_at_ms,
                    list_id="l",
                    rank=2 if number % 2 else None,
                    list_length=20,
                    variant=variant,
                )
                for number in range(40)
            )
        )
        row = page.locator("#variants tr", has_text=variant)
        await expect(row.locator("td").nth(0)).to_have_text("40")
        await expect(row.locator("td").nth(1)).to_contain_text("50.0")
        await expect(row.locator("td").nth(1)).to_contain_text(" to ")
        await expect(row.locator("td").nth(3)).to_contain_text("20.0")
        assert await page.evaluate("document.documentElement.scrollWidth") <= width


async def test_an_empty_list_says_why(browser: Browsing, url: str, publish: Publisher) -> None:
    user = somebody()
    async with browser.open(url) as page:
        await publish(snapshot(user, "t"), recommendation(user, degraded=(Degradation.EMPTY_CATALOGUE,)))
        await expect(card_of(page, user).locator(".next")).to_contain_text("Nothing to offer")
        await expect(card_of(page, user).locator(".next")).to_contain_text("there is nothing to recommend yet")


async def test_a_refused_message_is_counted_by_its_reason(browser: Browsing, url: str, publish: Publisher) -> None:
    async with browser.open(url) as page:
        await publish.dead_letter(dead_letter(41))
        await expect(page.locator("#refused-counts")).to_contain_text("invalid")
        await expect(page.locator("#refused-newest")).to_contain_text("musicrec.listens.v1[3]@41")
        await expect(page.locator("#refused-newest")).to_contain_text("a play event needs it")


async def test_a_paused_page_stands_still_and_shows_the_newest_when_it_goes_on(
    browser: Browsing, url: str, publish: Publisher
) -> None:
    user = somebody()
    async with browser.open(url) as page:
        await publish(snapshot(user, "first"))
        title = card_of(page, user).locator(".now .title")
        await expect(title).to_have_text("first")
        await page.get_by_role("button", name="Pause").click()
        await publish(snapshot(user, "first", "second", revision=2))
        async with asyncio.timeout(DEADLINE_S):
            while "second" not in await (await page.request.get(f"{url}board.json")).text():
                await asyncio.sleep(0.05)
        await page.wait_for_timeout(2_000 * BOARD_EVERY_S)
        await expect(title).to_have_text("first")
        await page.get_by_role("button", name="Go on").click()
        await expect(title).to_have_text("second")


async def test_the_page_says_that_it_lost_the_server_and_comes_back_by_itself(
    browser: Browsing, stack: StackAddresses, publish: Publisher
) -> None:
    user = somebody()
    async with serving(stack) as first:
        port = urlsplit(first).port or 0
        opening = browser.open(first)
        page = await opening.__aenter__()
        await expect(page.locator("#state")).to_have_text("live")
    await expect(page.locator("#state")).to_contain_text("disconnected")
    await expect(page.locator("#notice")).to_be_visible()
    async with serving(stack, port):
        await expect(page.locator("#state")).to_have_text("live")
        await expect(page.locator("#notice")).to_be_hidden()
        await publish(snapshot(user, "t"))
        await expect(card_of(page, user)).to_be_visible()
        await opening.__aexit__(None, None, None)


async def test_the_page_follows_the_colour_scheme_of_the_system(browser: Browsing, url: str) -> None:
    brightness = []
    for dark in (False, True):
        async with browser.open(url, dark=dark) as page:
            colour = await page.evaluate("getComputedStyle(document.documentElement).backgroundColor")
            brightness.append(sum(int(part) for part in colour.removeprefix("rgb(").removesuffix(")").split(",")))
    assert brightness[0] > 3 * 200
    assert brightness[1] < 3 * 60
