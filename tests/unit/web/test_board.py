"""The live page's board: what it shows of the records it is given."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from page_records import NOW_MS, dead_letter, dialled, outcome, recommendation, snapshot

from musicrec.contracts import (
    Degradation,
    EventType,
    ListenOutcome,
    Mode,
    Recommendation,
    Track,
)
from musicrec.errors import DeadLetterReason
from streams.web.board import LATEST_ANSWERS, LATEST_EVENTS, Board
from streams.web.dead_letters import NEWEST
from streams.web.hit_rate import RECENT, HitRate
from streams.web.known_tracks import MAX_TITLE_CHARS, KnownTracks
from streams.web.stage import PLACES, SILENT_MS


def test_a_new_board_shows_nothing_and_no_figure_that_is_not_known() -> None:
    view = Board().view(NOW_MS)
    assert view["sessions"] == view["latest"] == view["answers"] == []
    assert view["figures"]["latency_p50_ms"] is None
    assert view["figures"]["hit_rate"]["rate"] is None
    assert view["dead_letters"]["total"] == 0


def test_a_session_is_shown_newest_track_first_with_its_titles() -> None:
    board = Board()
    board.add_track(Track(track_id="t1", title="Amber Tide", artist_name="Slow Harbour"))
    board.add_session(snapshot("ada", "t1", "t2"), NOW_MS)
    (card,) = board.view(NOW_MS)["sessions"]
    assert [line["title"] for line in card["tracks"]] == ["t2", "Amber Tide"]
    assert card["tracks"][1]["artist"] == "Slow Harbour"
    assert card["tracks_in_session"] == 2


def test_a_title_that_comes_later_than_the_play_is_shown_from_then_on() -> None:
    board = Board()
    board.add_session(snapshot("ada", "t1"), NOW_MS)
    board.add_track(Track(track_id="t1", title="Amber Tide"))
    assert board.view(NOW_MS)["sessions"][0]["tracks"][0]["title"] == "Amber Tide"


def test_a_removed_track_is_shown_by_its_id() -> None:
    board = Board()
    board.add_track(Track(track_id="t1", title="Amber Tide"))
    board.names.forget("t1")
    board.add_session(snapshot("ada", "t1"), NOW_MS)
    assert board.view(NOW_MS)["sessions"][0]["tracks"][0]["title"] == "t1"


def test_a_list_is_shown_with_reasons_and_sources() -> None:
    board = Board()
    board.add_session(snapshot("ada", "t1"), NOW_MS)
    board.add_recommendation(recommendation("ada", "t2", "t3"), NOW_MS)
    shown = board.view(NOW_MS)["sessions"][0]["list"]
    assert shown is not None
    assert shown["items"][0] == {
        "title": "t2",
        "artist": "",
        "reason": "sessions_like_this_one",
        "sources": [("session_knn", 2), ("popular", 7)],
    }
    assert (shown["length"], shown["latency_ms"], shown["is_current"]) == (2, 7.0, True)


def test_a_list_that_comes_before_its_session_waits_for_it_on_the_card() -> None:
    board = Board()
    board.add_recommendation(recommendation("ada", "t2"), NOW_MS)
    board.add_session(snapshot("ada", "t1"), NOW_MS)
    (card,) = board.view(NOW_MS)["sessions"]
    assert card["list"] is not None
    assert card["tracks"]


def test_a_list_for_an_earlier_event_is_marked_as_not_current() -> None:
    board = Board()
    board.add_recommendation(recommendation("ada", "t2", revision=1), NOW_MS)
    board.add_session(snapshot("ada", "t1", revision=2), NOW_MS)
    shown = board.view(NOW_MS)["sessions"][0]["list"]
    assert shown is not None
    assert not shown["is_current"]


def test_an_empty_list_says_why() -> None:
    board = Board()
    board.add_recommendation(recommendation("ada", degraded=(Degradation.EMPTY_CATALOGUE,)), NOW_MS)
    shown = board.view(NOW_MS)["sessions"][0]["list"]
    assert shown is not None
    assert (shown["length"], shown["degraded"]) == (0, ["empty_catalogue"])


def test_the_answer_to_a_request_stands_apart_from_the_session() -> None:
    board = Board()
    board.add_session(snapshot("ada", "t1"), NOW_MS)
    board.add_recommendation(
        recommendation("ada", "t9", mode=Mode.POPULAR, request_id="r", session_revision=None), NOW_MS
    )
    view = board.view(NOW_MS)
    assert view["sessions"][0]["list"] is None
    assert view["answers"][0]["list"]["items"][0]["title"] == "t9"


def test_a_track_shows_its_place_in_the_list_before_it() -> None:
    board = Board()
    board.add_session(snapshot("ada", "t1", "t2"), NOW_MS)
    board.add_outcome(outcome(rank=3, track_id="t2", played_at_ms=NOW_MS + 1))
    board.add_outcome(outcome("other listen", rank=9, track_id="t1", played_at_ms=NOW_MS - 50_000))
    newest, before = board.view(NOW_MS)["sessions"][0]["tracks"]
    assert (newest["list_rank"], newest["had_list"]) == (3, True)
    assert (before["list_rank"], before["had_list"]) == (None, False)


def test_an_event_about_an_artist_names_the_artist() -> None:
    board = Board()
    board.add_session(snapshot("ada", "t1", type=EventType.BLOCK_ARTIST, track_id=None, artist_id="a7"), NOW_MS)
    latest = board.view(NOW_MS)["latest"][0]
    assert (latest["type"], latest["title"], latest["artist"]) == ("block_artist", "", "a7")


def with_dial(shown: Recommendation, discovery: float, new: tuple[int, ...]) -> Recommendation:
    return shown.model_copy(update={"making": dialled(discovery, new)})


def test_a_listener_who_turned_the_dial_shows_where_it_stands_and_the_new_tracks_of_the_list() -> None:
    board = Board()
    turned = snapshot("ada", "t1", type=EventType.SET_DISCOVERY, track_id=None, outcome=None)
    board.add_session(turned.model_copy(update={"discovery": 0.5}), NOW_MS)
    view = board.view(NOW_MS)
    assert view["sessions"][0]["discovery"] == 0.5
    assert (view["latest"][0]["type"], view["latest"][0]["discovery"]) == ("set_discovery", 0.5)
    board.add_recommendation(with_dial(recommendation("ada", *"abcd"), 0.5, (1, 2, 4)), NOW_MS)
    shown = board.view(NOW_MS)["sessions"][0]["list"]
    assert shown is not None
    assert (shown["discovery"], shown["new_share"]) == (0.5, 0.75)


def test_who_never_set_the_dial_shows_the_one_that_is_set_for_them_or_none() -> None:
    board = Board()
    board.add_session(snapshot("ada", "t1"), NOW_MS)
    board.add_recommendation(recommendation("ada", "a"), NOW_MS)
    (card,) = board.view(NOW_MS)["sessions"]
    assert card["list"] is not None
    assert card["discovery"] is card["list"]["new_share"] is None
    assert board.view(NOW_MS)["latest"][0]["discovery"] is None
    board.add_recommendation(with_dial(recommendation("ada", *"abcd"), -0.25, ()), NOW_MS)
    (card,) = board.view(NOW_MS)["sessions"]
    assert card["list"] is not None
    assert (card["discovery"], card["list"]["new_share"]) == (-0.25, 0.0)


def test_a_listener_keeps_their_place_while_others_come() -> None:
    board = Board()
    for i in range(PLACES):
        board.add_session(snapshot(f"u{i}", "t"), NOW_MS + i)
    board.add_session(snapshot("u3", "t"), NOW_MS + 100)
    board.add_session(snapshot("newcomer", "t"), NOW_MS + SILENT_MS - 1)
    assert [card["user"] for card in board.view(NOW_MS)["sessions"]] == [f"u{i}" for i in range(PLACES)]


def test_a_newcomer_takes_the_place_of_the_one_silent_longest() -> None:
    board = Board()
    for i in range(PLACES):
        board.add_session(snapshot(f"u{i}", "t"), NOW_MS + i)
    board.add_session(snapshot("u0", "t"), NOW_MS + 100)
    board.add_session(snapshot("newcomer", "t"), NOW_MS + 1 + SILENT_MS)
    users = [card["user"] for card in board.view(NOW_MS)["sessions"]]
    assert users[:2] == ["u0", "newcomer"]
    assert "u1" not in users


@pytest.mark.row(42)
@given(st.lists(st.tuples(st.integers(0, 40), st.integers(0, 100_000)), max_size=200))
def test_whatever_comes_the_board_stays_bounded_and_shows_nobody_twice(steps: list[tuple[int, int]]) -> None:
    board = Board()
    now_ms = NOW_MS
    for user, after_ms in steps:
        now_ms += after_ms
        board.add_session(snapshot(f"u{user}", "t"), now_ms)
        board.add_recommendation(recommendation(f"u{user}", "t"), now_ms)
        board.add_recommendation(recommendation(f"u{user}", "t", mode=Mode.NEW), now_ms)
    view = board.view(now_ms)
    users = [card["user"] for card in view["sessions"]]
    assert len(set(users)) == len(users) == min(PLACES, len({user for user, _ in steps}))
    assert len(view["latest"]) <= LATEST_EVENTS
    assert len(view["answers"]) <= LATEST_ANSWERS
    assert view["figures"]["events"] == len(steps)


def test_hit_rate_counts_listens_that_had_a_list_and_hits_up_to_20() -> None:
    rate = HitRate()
    for event, rank in (("a", 1), ("b", 20), ("c", 21), ("d", None)):
        rate.add(outcome(event, rank=rank))
    rate.add(outcome("e", list_id=None, list_length=0))
    assert (rate.view()["listens"], rate.view()["rate"]) == (4, 2 / 4)


def test_hit_rate_lately_forgets_what_is_older() -> None:
    rate = HitRate()
    for i in range(RECENT):
        rate.add(outcome(f"miss {i}"))
    for i in range(RECENT // 2):
        rate.add(outcome(f"hit {i}", rank=1))
    view = rate.view()
    assert view["rate"] == pytest.approx((RECENT // 2) / (RECENT + RECENT // 2), abs=1e-4)
    assert (view["recent_listens"], view["recent_rate"]) == (RECENT, 0.5)


def test_an_outcome_that_comes_before_the_session_of_its_play_is_shown_with_it() -> None:
    board = Board()
    board.add_outcome(outcome(user_id="bob", rank=1, track_id="t2"))
    board.add_outcome(outcome(user_id="ada", rank=4, track_id="t1"))
    board.add_session(snapshot("ada", "t1", "t2"), NOW_MS)
    ranks = {line["title"]: line["list_rank"] for line in board.view(NOW_MS)["sessions"][0]["tracks"]}
    assert ranks == {"t1": 4, "t2": None}


def test_an_outcome_that_comes_again_counts_once() -> None:
    rate = HitRate()
    for _ in range(3):
        rate.add(outcome("a", rank=1))
    assert rate.view()["listens"] == 1


def test_skips_of_hits_and_of_misses_are_told_apart() -> None:
    rate = HitRate()
    rate.add(outcome("a", rank=1))
    rate.add(outcome("b", rank=2, outcome=ListenOutcome.SKIPPED_EARLY))
    rate.add(outcome("c", outcome=ListenOutcome.SKIPPED_LATE))
    assert (rate.view()["hits_skipped"], rate.view()["misses_skipped"]) == (0.5, 1.0)


def test_dead_letters_are_counted_by_reason_and_the_newest_say_where_and_why() -> None:
    board = Board()
    for offset in range(NEWEST + 3):
        board.add_dead_letter("musicrec.listens.v1", dead_letter(offset), NOW_MS)
    board.add_dead_letter("musicrec.listens.v1", dead_letter(99, DeadLetterReason.TOO_LATE), NOW_MS)
    board.add_unreadable_dead_letter("musicrec.tracks.v1", "musicrec.tracks.v1.dlq[0]@1", NOW_MS)
    panel = board.view(NOW_MS)["dead_letters"]
    assert panel["total"] == NEWEST + 5
    assert panel["counts"][0] == {"topic": "musicrec.listens.v1", "reason": "invalid", "count": NEWEST + 3}
    assert panel["newest"][1]["place"] == "musicrec.listens.v1[3]@99"
    assert len(panel["newest"]) == NEWEST


def test_titles_are_kept_up_to_a_bound_and_shortened() -> None:
    names = KnownTracks(max_tracks=2)
    for number in range(3):
        names.learn(Track(track_id=f"t{number}", title="x" * 1_000))
    assert names.tracks == 2
    assert names.name("t0") == ("t0", "")
    assert len(names.name("t2")[0]) == MAX_TITLE_CHARS
