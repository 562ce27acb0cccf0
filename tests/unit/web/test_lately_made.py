"""What the lists of the last minutes were made by."""

from page_records import NOW_MS, recommendation

from musicrec.contracts import Degradation
from streams.web.lately_made import MINUTES, MOST_MAKERS, LatelyMade


def test_makers_are_counted_most_lists_first() -> None:
    made = LatelyMade()
    for number in range(3):
        made.add(recommendation("ada", "t", model_version="new", variant="calm" if number else None), NOW_MS)
    made.add(recommendation("ada", "t", model_version="new", variant="calm"), NOW_MS + 20_000)
    view = made.view(NOW_MS + 20_000)
    assert [(each["model_version"], each["variant"], each["lists"]) for each in view["makers"]] == [
        ("new", "calm", 3),
        ("new", "default", 1),
    ]
    assert view["lists"] == 4


def test_what_lists_had_to_do_without_is_counted_by_code() -> None:
    made = LatelyMade()
    made.add(recommendation(degraded=(Degradation.EMPTY_CATALOGUE, Degradation.NO_HISTORY)), NOW_MS)
    made.add(recommendation("ada", "t", degraded=(Degradation.NO_HISTORY,)), NOW_MS)
    assert made.view(NOW_MS)["lacking"] == [
        {"code": "no_history", "lists": 2},
        {"code": "empty_catalogue", "lists": 1},
    ]


def test_after_some_minutes_a_list_no_longer_counts() -> None:
    made = LatelyMade()
    made.add(recommendation("ada", "t"), NOW_MS)
    assert made.view(NOW_MS + (MINUTES - 1) * 60_000)["lists"] == 1
    assert made.view(NOW_MS + (MINUTES + 1) * 60_000)["lists"] == 0


def test_versions_without_end_take_no_memory_without_end() -> None:
    made = LatelyMade()
    for number in range(3 * MOST_MAKERS):
        made.add(recommendation("ada", "t", model_version=f"m{number}"), NOW_MS)
    assert made.view(NOW_MS)["lists"] == MOST_MAKERS
