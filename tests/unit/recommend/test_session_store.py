"""Rows of sessions in a ring."""

from musicrec.recommend.session_store import SessionStore


def store_with(rows: int = 4, row_length: int = 3) -> SessionStore:
    store = SessionStore(rows, row_length, rows_per_track=8)
    store.grow(100)
    return store


def test_a_track_heard_again_moves_to_the_end_of_its_row() -> None:
    store = store_with()
    serial = store.open_row(store.new_session(), 1)
    for track in (7, 8, 7):
        serial = store.listen(serial, track, 1.0, 0)
    assert store.contents(serial) == [8, 7]
    assert store.rows_of.newest_first(7) == [serial]


def test_a_long_session_goes_on_in_a_row_of_the_same_session() -> None:
    store = store_with(row_length=3)
    first = serial = store.open_row(store.new_session(), 1)
    for track in (1, 2, 3, 4):
        serial = store.listen(serial, track, 1.0, 0)
    assert serial != first
    assert (store.contents(first), store.contents(serial)) == ([1, 2, 3], [4])
    assert store.session[first % 4] == store.session[serial % 4]


def test_the_ring_keeps_the_newest_rows() -> None:
    store = store_with(rows=4)
    serials = [store.listen(store.open_row(store.new_session(), 1), track, 1.0, 0) for track in range(6)]
    assert [store.is_kept(serial) for serial in serials] == [False, False, True, True, True, True]


def test_feedback_changes_what_a_listen_counts() -> None:
    store = store_with()
    serial = store.listen(store.open_row(store.new_session(), 1), 5, 1.0, 0)
    store.set_strength(serial, 5, 2.5)
    assert store.strengths[serial % 4, 0] == 2.5
