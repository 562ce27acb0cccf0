"""Events come out by time, whatever the order in and however little memory."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from musicrec.importers import ImportReport, Listen, in_time_order
from musicrec.importers import event_order as module

NOON_MS = 1_600_000_000_000

listens = st.builds(
    Listen,
    user_id=st.sampled_from(["ann", "bob", "a\tb\n"]),
    ended_at_ms=st.integers(NOON_MS, NOON_MS + 5),
    ms_played=st.integers(0, 3),
    track_id=st.text(min_size=1, max_size=3).filter(lambda text: text.isprintable()),
    artist_id=st.none() | st.just("x"),
    duration_ms=st.none() | st.integers(1, 9),
    skipped=st.booleans(),
    # Those of one start are one listen, whatever their ends.
    known_by_start=st.just(False),
    title=st.just(""),
    artist_name=st.just(""),
    album=st.just(""),
)


@given(st.lists(listens, max_size=30), st.integers(1, 10))
def test_sorting_in_runs_gives_what_sorting_in_memory_gives(rows: list[Listen], run_length: int) -> None:
    assert list(in_time_order(rows, run_length=run_length)) == list(in_time_order(rows, run_length=1_000))


@given(st.lists(listens, max_size=30))
def test_events_sorted_by_time_and_id_are_in_the_order_of_their_rows(rows: list[Listen]) -> None:
    events = list(in_time_order(rows))

    for user in ("ann", "bob"):
        own = [event for event in events if event.user_id == user]
        assert own == sorted(own, key=lambda event: (event.occurred_at_ms, event.event_id))
        in_order = sorted((row for row in rows if row.user_id == user), key=lambda row: row.ended_at_ms)
        first_of_each = dict.fromkeys((row.ended_at_ms, row.track_id, row.ms_played) for row in in_order)
        assert [(event.occurred_at_ms, event.track_id, event.ms_played) for event in own] == list(first_of_each)


@given(st.lists(listens, max_size=30))
def test_ids_are_unique_and_the_same_every_time(rows: list[Listen]) -> None:
    ids = [event.event_id for event in in_time_order(rows)]

    assert len(set(ids)) == len(ids)
    assert ids == [event.event_id for event in in_time_order(rows)]


def test_a_listen_that_stands_there_twice_is_counted() -> None:
    report = ImportReport(rows=3, listens=3)
    row = Listen("ann", NOON_MS, 1_000, "a")

    events = list(in_time_order([row, row._replace(track_id="b"), row], report=report))

    assert [event.track_id for event in events] == ["a", "b"]
    assert (report.repeated, report.events) == (1, 2)


def test_many_runs_are_merged_in_rounds_and_leave_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MERGED_AT_ONCE", 3)
    rows = [Listen("ann", NOON_MS + (7 * number) % 50, 1_000, f"t{number}") for number in range(50)]

    events = list(in_time_order(rows, run_length=4, folder=tmp_path))

    assert [event.occurred_at_ms for event in events] == [NOON_MS + number for number in range(50)]
    assert not list(tmp_path.iterdir())
