"""What a replay publishes, counts, and says when it is stopped."""

import asyncio
from collections.abc import Iterator
from typing import Any

import pytest
from aiokafka.errors import KafkaTimeoutError
from hypothesis import given
from hypothesis import strategies as st

from musicrec.contracts import ListenEvent
from musicrec.contracts.record import MAX_ID_CHARS
from musicrec.errors import BadInput, Unavailable
from musicrec.importers import Listen, in_time_order
from musicrec.replay import MAX_IN_FLIGHT, Pace, replay, shift_to_now_ms, shifted
from musicrec.topics import LISTENS

NOON_MS = 1_600_000_000_000


def events(count: int, step_ms: int = 1_000) -> list[ListenEvent]:
    return list(in_time_order(Listen("ann", NOON_MS + n * step_ms, 1_000, f"t{n}") for n in range(count)))


class Shelf:
    """A broker in memory: acknowledges at the next turn of the loop, until message number `fails_at`."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.messages: list[tuple[str, bytes, bytes]] = []
        self.unacknowledged = 0
        self.most_unacknowledged = 0
        self.fails_at = fails_at

    async def send(self, topic: str, value: bytes, key: bytes) -> asyncio.Future[Any]:
        loop = asyncio.get_running_loop()
        delivery: asyncio.Future[Any] = loop.create_future()
        self.messages.append((topic, value, key))
        self.unacknowledged += 1
        self.most_unacknowledged = max(self.most_unacknowledged, self.unacknowledged)
        loop.call_soon(self._acknowledge, delivery, len(self.messages) - 1)
        return delivery

    def _acknowledge(self, delivery: asyncio.Future[Any], number: int) -> None:
        self.unacknowledged -= 1
        if number == self.fails_at:
            delivery.set_exception(KafkaTimeoutError())
        else:
            delivery.set_result(None)


async def test_every_event_is_published_once_in_order_and_keyed_by_its_listener() -> None:
    shelf, wanted = Shelf(), events(50)

    report = await replay(wanted, shelf)

    assert shelf.messages == [(LISTENS.name, event.encode(), b"ann") for event in wanted]
    assert (report.delivered, report.stopped) == (50, False)


async def test_what_is_on_its_way_is_bounded() -> None:
    shelf = Shelf()

    report = await replay(events(MAX_IN_FLIGHT + 1_000), shelf)

    assert report.delivered == MAX_IN_FLIGHT + 1_000
    assert shelf.most_unacknowledged == MAX_IN_FLIGHT


async def test_progress_counts_up_to_the_last_event_and_its_time() -> None:
    told: list[tuple[int, int]] = []

    await replay(events(30), Shelf(), on_progress=lambda delivered, last_ms: told.append((delivered, last_ms)))

    assert told[-1] == (30, NOON_MS + 29_000)
    assert told == sorted(told)


async def test_a_failed_delivery_ends_the_replay_and_counts_only_what_came_before() -> None:
    with pytest.raises(Unavailable, match="after 7 events"):
        await replay(events(30), Shelf(fails_at=7))


async def test_a_stopped_replay_counts_what_was_sent_and_sends_no_more() -> None:
    stop, shelf = asyncio.Event(), Shelf()

    def source() -> Iterator[ListenEvent]:
        for number, event in enumerate(events(30)):
            if number == 10:
                stop.set()
            yield event

    report = await replay(source(), shelf, stop=stop)

    assert (report.delivered, report.stopped, len(shelf.messages)) == (10, True, 10)


async def test_a_stop_ends_a_long_wait_for_the_next_event() -> None:
    stop, shelf = asyncio.Event(), Shelf()
    asyncio.get_running_loop().call_later(0.01, stop.set)

    async with asyncio.timeout(30):
        report = await replay(events(2, step_ms=86_400_000), shelf, speed=1.0, stop=stop)

    assert report.delivered == 1


def test_speed_divides_event_time_and_a_rate_ignores_it() -> None:
    fast, steady, flat_out = Pace.of(10.0, None), Pace.of(None, 4.0), Pace.of(None, None)

    assert [fast.due_s(n, NOON_MS + n * 5_000) for n in range(3)] == [0.0, 0.5, 1.0]
    assert [steady.due_s(n, NOON_MS + n * 5_000) for n in range(3)] == [0.0, 0.25, 0.5]
    assert [flat_out.due_s(n, NOON_MS + n * 5_000) for n in range(3)] == [0.0, 0.0, 0.0]


@pytest.mark.parametrize(("speed", "rate"), [(1.0, 1.0), (0.0, None), (-1.0, None), (None, 0.0), (float("nan"), None)])
def test_a_pace_that_makes_no_sense_is_refused(speed: float | None, rate: float | None) -> None:
    with pytest.raises(BadInput, match=r"speed|rate"):
        Pace.of(speed, rate)


@pytest.mark.row(37)
@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=10).map(sorted),
    st.none() | st.floats(0.01, 1_000, allow_nan=False),
)
def test_a_shifted_log_is_never_ahead_of_the_clock_when_it_is_published(
    times_ms: list[int], speed: float | None
) -> None:
    now_ms, pace = 10**12, Pace.of(speed, None)
    shift_ms = shift_to_now_ms(times_ms[0], times_ms[-1], now_ms, speed)

    for number, time_ms in enumerate(times_ms):
        published_ms = now_ms + pace.due_s(number, time_ms) * 1_000
        assert time_ms + shift_ms <= published_ms + 1


def test_a_shift_moves_all_times_by_one_constant_and_gives_new_ids_in_the_same_order() -> None:
    before = events(5)
    after = list(shifted(before, 3_600_000))

    assert [event.occurred_at_ms - 3_600_000 for event in after] == [event.occurred_at_ms for event in before]
    assert not {event.event_id for event in after} & {event.event_id for event in before}
    assert sorted(event.event_id for event in after) == [
        after[before.index(event)].event_id for event in sorted(before, key=lambda event: event.event_id)
    ]
    assert after == list(shifted(before, 3_600_000))


def test_a_shifted_id_of_the_longest_kind_is_still_an_id() -> None:
    (event,) = events(1)
    (long,) = shifted([event.model_copy(update={"event_id": "e" * MAX_ID_CHARS})], 1)

    assert len(long.event_id) <= MAX_ID_CHARS
