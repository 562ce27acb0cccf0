"""What a replay of dead letters publishes, skips, and says when it is stopped."""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import KafkaTimeoutError

from musicrec.contracts import DeadLetter
from musicrec.dead_letters import Letter, Place, letter_of
from musicrec.dead_letters.replaying import MAX_IN_FLIGHT, NOTHING, SUPERSEDED, LetterReplay, replay_letters
from musicrec.dead_letters.survey import NewestOffsets, Survey
from musicrec.errors import BadInput, DeadLetterReason, Unavailable
from musicrec.topics import LISTENS, TRACKS, Topic

Message = tuple[str, bytes | None, bytes | None, list[tuple[str, bytes | None]]]
FAST = 1e9
"""A rate at which nothing waits."""


def letter(offset: int, source: Topic = LISTENS, *, broken: bool = False, **fields: Any) -> Letter:
    why = DeadLetter(
        original_topic=source.name,
        original_partition=2,
        original_offset=100 + offset,
        original_timestamp=0,
        reason=DeadLetterReason.HANDLER_ERROR,
        error_message="",
        app="session",
        app_version="1",
    )
    own: list[tuple[str, bytes | None]] = [("ce_type", b"\xff"), ("empty", None)]
    values: dict[str, Any] = {"at_ms": 0, "key": b"\x00key", "value": b"\xff value %d" % offset}
    place = Place(source.dead_letters, 2, offset)
    return letter_of(place, headers=own if broken else [*own, *why.headers()], **(values | fields))


class Shelf:
    """A broker in memory: acknowledges at the next turn of the loop, until message number `fails_at`."""

    def __init__(self, fails_at: int | None = None) -> None:
        self.messages: list[Message] = []
        self.most_unacknowledged = self.unacknowledged = 0
        self.fails_at = fails_at

    async def send(
        self, topic: str, value: bytes | None, key: bytes | None, *, headers: list[tuple[str, bytes | None]]
    ) -> asyncio.Future[Any]:
        delivery: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self.messages.append((topic, value, key, headers))
        self.unacknowledged += 1
        self.most_unacknowledged = max(self.most_unacknowledged, self.unacknowledged)
        asyncio.get_running_loop().call_soon(self._acknowledge, delivery, len(self.messages) - 1)
        return delivery

    def _acknowledge(self, delivery: asyncio.Future[Any], number: int) -> None:
        self.unacknowledged -= 1
        if number == self.fails_at:
            delivery.set_exception(KafkaTimeoutError())
        else:
            delivery.set_result(None)


async def stream(letters: Iterable[Letter]) -> AsyncIterator[Letter]:
    for found in letters:
        yield found


async def replayed(letters: Iterable[Letter], shelf: Shelf, **options: Any) -> LetterReplay:
    state = LetterReplay()
    await replay_letters(stream(letters), shelf, state, **({"rate_per_s": FAST} | options))
    return state


async def test_key_value_and_own_headers_go_onto_the_topic_that_the_letter_lies_beside() -> None:
    shelf = Shelf()

    state = await replayed([letter(0), letter(1, TRACKS)], shelf)

    own = [("ce_type", b"\xff"), ("empty", None)]
    assert shelf.messages == [
        ("musicrec.listens.v1", b"\xff value 0", b"\x00key", own),
        ("musicrec.tracks.v1", b"\xff value 1", b"\x00key", own),
    ]
    assert (state.replayed, state.last, state.stopped) == (2, Place("musicrec.tracks.v1.dlq", 2, 1), False)


async def test_an_unreadable_letter_is_skipped_unless_it_was_named() -> None:
    shelf, named = Shelf(), Shelf()

    state = await replayed([letter(0, broken=True), letter(1)], shelf)
    await replayed([letter(0, broken=True)], named, named=True)

    assert (state.replayed, state.skipped) == (1, {"unreadable": 1})
    assert [message[0] for message in named.messages] == ["musicrec.listens.v1"]


async def test_a_letter_without_key_and_value_is_skipped() -> None:
    shelf = Shelf()

    state = await replayed([letter(0, key=None, value=None), letter(1, key=None), letter(2, value=None)], shelf)

    assert (state.replayed, state.skipped) == (2, {NOTHING: 1})


async def test_a_track_with_a_newer_record_on_the_topic_is_not_overwritten() -> None:
    shelf = Shelf()
    partition = TopicPartition(TRACKS.name, 2)
    newest: NewestOffsets = {(partition, b"a"): 101, (partition, b"b"): 102}

    state = await replayed([letter(1, TRACKS, key=key) for key in (b"a", b"b", b"c")], shelf, newest=newest)

    assert [key for _, _, key, _ in shelf.messages] == [b"a", b"c"]
    assert state.skipped == {SUPERSEDED: 1}


def test_a_survey_knows_from_where_on_compacted_topics_are_to_be_looked_through() -> None:
    survey = Survey()
    for found in (letter(9, TRACKS), letter(3, TRACKS), letter(5, TRACKS, key=b"b"), letter(1), letter(2, broken=True)):
        survey.add(found)

    assert survey.counts == {
        ("musicrec.tracks.v1.dlq", "handler_error"): 3,
        ("musicrec.listens.v1.dlq", "handler_error"): 1,
        ("musicrec.listens.v1.dlq", "unreadable"): 1,
    }
    assert survey.compacted == {TopicPartition(TRACKS.name, 2): {b"\x00key": 103, b"b": 105}}


async def test_no_more_than_the_limit_is_published_and_the_next_run_begins_after_it() -> None:
    shelf = Shelf()

    state = await replayed([letter(n) for n in range(9)], shelf, limit=4)

    assert (len(shelf.messages), state.replayed) == (4, 4)
    assert str(state.last) == "musicrec.listens.v1.dlq[2]@3"


async def test_what_is_on_its_way_is_bounded() -> None:
    shelf = Shelf()

    await replayed([letter(n) for n in range(3 * MAX_IN_FLIGHT)], shelf)

    assert shelf.most_unacknowledged == MAX_IN_FLIGHT


async def test_a_stopped_replay_waits_for_what_is_on_its_way_and_says_where_it_is() -> None:
    shelf, stop = Shelf(), asyncio.Event()

    async def letters() -> AsyncIterator[Letter]:
        for number in range(9):
            if number == 5:
                stop.set()
            yield letter(number)

    state = LetterReplay()
    await replay_letters(letters(), shelf, state, rate_per_s=FAST, stop=stop)

    assert (state.replayed, state.stopped, shelf.unacknowledged) == (5, True, 0)
    assert str(state.last) == "musicrec.listens.v1.dlq[2]@4"


async def test_a_refused_delivery_ends_the_replay_and_only_what_came_before_counts() -> None:
    state = LetterReplay()

    with pytest.raises(Unavailable, match="KafkaTimeoutError"):
        await replay_letters(stream(letter(n) for n in range(9)), Shelf(fails_at=3), state, rate_per_s=FAST)

    assert (state.replayed, str(state.last)) == (3, "musicrec.listens.v1.dlq[2]@2")


@pytest.mark.parametrize("rate", [0, -1, float("nan"), float("inf")])
async def test_a_rate_is_a_positive_number(rate: float) -> None:
    with pytest.raises(BadInput, match="rate"):
        await replayed([letter(0)], Shelf(), rate_per_s=rate)
