"""The load of the benchmarks is what it says."""

from collections import defaultdict
from itertools import islice, pairwise

from musicrec.bench.listen_load import BREAK_MS, IN_SESSION, LEAD_IN, LISTENERS, listen_load, sessions_load


def test_sessions_are_as_long_as_real_ones_and_soon_in_their_middle() -> None:
    plays: dict[str, list[int]] = defaultdict(list)
    places: list[int] = []
    for number, event in enumerate(islice(sessions_load("a"), 3 * LEAD_IN)):
        times = plays[event.user_id]
        times.append(event.occurred_at_ms)
        if number >= LEAD_IN:
            breaks = [at for at, (one, next_) in enumerate(pairwise(times), start=1) if next_ - one > BREAK_MS]
            places.append(len(times) - (breaks[-1] if breaks else 0))

    assert len(plays) == IN_SESSION
    assert 15 < sum(places) / len(places) < 21
    assert all(one < next_ for times in plays.values() for one, next_ in pairwise(times))
    following = [next_ - one for times in plays.values() for one, next_ in pairwise(times)]
    assert 18 < len(following) / sum(pause_ms > BREAK_MS for pause_ms in following) < 22


def test_without_a_length_a_session_has_no_end() -> None:
    events = list(islice(listen_load("a"), 20_000))
    last: dict[str, int] = {}
    for event in events:
        assert event.occurred_at_ms - last.get(event.user_id, event.occurred_at_ms) in (0, 200_000)
        last[event.user_id] = event.occurred_at_ms
    assert len(last) > LISTENERS * 0.8
    assert len({event.event_id for event in events}) == len(events)
