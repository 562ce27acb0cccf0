"""Which letters a selection has, and that the offsets it reads leave none of them out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.contracts import DeadLetter
from musicrec.dead_letters import Letter, Place, Selection, dead_letter_topics, letter_of, since_ms
from musicrec.dead_letters.selection import order
from musicrec.errors import BadInput, DeadLetterReason
from musicrec.topics import DEAD_LETTERS, Topic

NOW_MS = 1_760_000_000_000
TOPICS = DEAD_LETTERS[:2]
HANDLER_ERROR, MALFORMED = DeadLetterReason.HANDLER_ERROR, DeadLetterReason.MALFORMED


def letter(
    place: Place, came_from: int = 0, reason: DeadLetterReason | None = MALFORMED, at_ms: int = NOW_MS
) -> Letter:
    why = None
    if reason is not None:
        why = DeadLetter(
            original_topic=place.topic.removesuffix(".dlq"),
            original_partition=place.partition,
            original_offset=came_from,
            original_timestamp=0,
            reason=reason,
            error_message="",
            app="session",
            app_version="1",
        )
    headers = [] if why is None else why.headers()
    return letter_of(place, at_ms=at_ms, key=b"k", value=b"v", headers=headers)


places = st.builds(
    lambda topic, p, o: Place(topic.name, p, o), st.sampled_from(TOPICS), st.integers(0, 2), st.integers(0, 4)
)
sources = st.builds(lambda place: place._replace(topic=place.topic.removesuffix(".dlq")), places)
selections = st.builds(
    Selection,
    topics=st.sampled_from([DEAD_LETTERS, TOPICS[:1], TOPICS[1:]]),
    reasons=st.frozensets(st.sampled_from([HANDLER_ERROR, MALFORMED])),
    since_ms=st.sampled_from([0, NOW_MS, NOW_MS + 1]),
    places=st.frozensets(places | sources, max_size=3),
    after=st.none() | places,
)


@given(selections, places, st.integers(0, 4), st.sampled_from([None, HANDLER_ERROR, MALFORMED]))
def test_no_letter_of_a_selection_lies_outside_the_offsets_that_it_reads(
    selection: Selection, place: Place, came_from: int, reason: DeadLetterReason | None
) -> None:
    topic = next(topic for topic in TOPICS if topic.name == place.topic)
    found = letter(place, came_from, reason)

    if selection.has(found):
        assert place.offset in selection.offsets_in(topic, place.partition)


def test_a_letter_named_by_its_place_is_read_alone() -> None:
    selection = Selection(places=frozenset([Place(TOPICS[0].name, 1, 7)]))

    read = {
        (topic.name, partition): offsets
        for topic in DEAD_LETTERS
        for partition in range(topic.partitions)
        if (offsets := selection.offsets_in(topic, partition))
    }
    assert read == {(TOPICS[0].name, 1): range(7, 8)}


def test_a_letter_is_found_by_the_place_that_it_came_from() -> None:
    selection = Selection(places=frozenset([Place("musicrec.listens.v1", 1, 99)]))

    assert selection.has(letter(Place(TOPICS[0].name, 1, 7), came_from=99))
    assert not selection.has(letter(Place(TOPICS[0].name, 1, 99), came_from=7))


def test_reason_time_and_topic_all_have_to_hold() -> None:
    selection = Selection(topics=TOPICS[:1], reasons=frozenset([MALFORMED]), since_ms=NOW_MS)
    place = Place(TOPICS[0].name, 0, 0)

    assert selection.has(letter(place))
    assert not selection.has(letter(place, reason=HANDLER_ERROR))
    assert not selection.has(letter(place, reason=None))
    assert not selection.has(letter(place, at_ms=NOW_MS - 1))
    assert not selection.has(letter(place._replace(topic=TOPICS[1].name)))


@given(st.lists(places, unique=True, max_size=12), st.integers(0, 12))
def test_what_comes_after_a_place_is_the_rest(all_places: list[Place], count: int) -> None:
    in_order = sorted(all_places, key=order)
    done, rest = in_order[:count], in_order[count:]
    selection = Selection(after=done[-1] if done else None)

    assert [place for place in in_order if selection.has(letter(place))] == rest


@pytest.mark.parametrize("names", [["musicrec.listens.v1"], ["musicrec.listens.v1.dlq"]])
def test_a_dead_letter_topic_goes_by_both_names(names: list[str]) -> None:
    assert dead_letter_topics(names) == (TOPICS[0],)


def test_a_topic_without_dead_letters_is_refused_with_those_that_have_them() -> None:
    with pytest.raises(BadInput, match=r"'musicrec.outcomes.v1' has no dead letters; musicrec.listens.v1, .* have"):
        dead_letter_topics(["musicrec.listens.v1", "musicrec.outcomes.v1"])


def test_no_topic_named_means_all_of_them() -> None:
    chosen: tuple[Topic, ...] = dead_letter_topics([])

    assert chosen == DEAD_LETTERS


@pytest.mark.parametrize(
    ("text", "expected_ms"),
    [
        ("90s", NOW_MS - 90_000),
        ("30m", NOW_MS - 30 * 60_000),
        ("2h", NOW_MS - 2 * 3_600_000),
        ("14d", NOW_MS - 14 * 86_400_000),
        ("999999999d", 0),
        ("2025-10-09", 1_759_968_000_000),
        ("2025-10-09T02:00:00+02:00", 1_759_968_000_000),
        ("2025-10-09T00:00:00.250Z", 1_759_968_000_250),
        ("0001-01-01T00:00:00+23:59", 0),
    ],
)
def test_since_is_a_duration_a_date_or_a_time(text: str, expected_ms: int) -> None:
    assert since_ms(text, NOW_MS) == expected_ms


@pytest.mark.parametrize("text", ["", "2", "h", "-2h", "1.5h", "yesterday", "2025-13-01", "2025-10-09T00:00:00", "٣h"])
def test_another_since_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match=r"2026-01-31T12:00:00Z is needed|a time needs its zone, like .*Z"):
        since_ms(text, NOW_MS)
