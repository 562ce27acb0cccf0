"""Alive, ready, or neither, and why: by literal times."""

from dataclasses import replace

import pytest

from streams.liveness import Limits, Liveness, ready_note, unready
from streams.vitals import Followed, Group, Partition, Phase, Vitals, Work

LIMITS = Limits(still_s=30.0, group_s=70.0, progress_s=120.0)
LISTENS = "musicrec.listens.v1"
WELL = Vitals(
    tick=0,
    phase=Phase.WORKING,
    group=Group("musicrec-session", member=True),
    work=(Work(LISTENS, finished=100),),
    partitions=(Partition(LISTENS, 3, position=50, unfinished=50, end=50),),
    kafka_error=None,
)


def watched(vitals: Vitals, seconds: int, *, ticking: bool = True, start_s: int = 1_000) -> tuple[int, str] | None:
    """Look at the same vitals once a second; return after how many seconds they were deadly, and why."""
    liveness = Liveness(LIMITS)
    for second in range(seconds + 1):
        reason = liveness.look(float(start_s + second), replace(vitals, tick=second if ticking else 7))
        if reason is not None:
            return second, reason
    return None


def test_worker_that_works_lives() -> None:
    assert watched(WELL, 1_000) is None
    assert unready(WELL) == []


@pytest.mark.row(5)
def test_event_loop_that_stands_still_is_dead_after_its_limit() -> None:
    assert watched(WELL, 1_000, ticking=False) == (31, "the event loop has stood still for 31 s")


def test_event_loop_that_stands_still_while_state_is_restored_is_dead_too() -> None:
    assert watched(Vitals(tick=0), 1_000, ticking=False) == (31, "the event loop has stood still for 31 s")


@pytest.mark.row(11, 17)
def test_time_in_which_the_whole_process_was_suspended_is_nobodys_fault() -> None:
    liveness = Liveness(LIMITS)
    stuck = replace(WELL, tick=7)
    for now_s in (0.0, 1.0, 2.0):
        assert liveness.look(now_s, stuck) is None
    # Ten minutes of SIGSTOP, of a closed lid: two seconds at most are counted of it.
    assert liveness.look(602.0, stuck) is None
    for now_s in range(603, 629):
        assert liveness.look(float(now_s), stuck) is None
    assert liveness.look(629.0, stuck) == "the event loop has stood still for 31 s"


def test_suspended_worker_has_not_been_rebalancing_meanwhile() -> None:
    liveness = Liveness(LIMITS)
    rebalancing = replace(WELL, group=Group("g", member=True, rebalancing=True))
    assert liveness.look(0.0, rebalancing) is None
    assert liveness.look(3_600.0, replace(rebalancing, tick=1)) is None


@pytest.mark.row(5)
def test_rebalance_that_never_ends_is_dead() -> None:
    stuck = replace(WELL, group=Group("musicrec-session", rebalancing=True), partitions=())
    reason = "the group musicrec-session is rebalancing and nothing was finished for 71 s"
    assert watched(stuck, 1_000) == (71, reason)


def test_rebalance_that_waits_for_slow_batches_lives() -> None:
    liveness = Liveness(LIMITS)
    for second in range(600):
        work = Work(LISTENS, finished=second // 100, waiting=5)
        group = Group("g", member=True, rebalancing=True)
        assert liveness.look(float(second), replace(WELL, tick=second, group=group, work=(work,))) is None


@pytest.mark.row(5)
def test_worker_that_goes_from_one_rebalance_into_the_next_with_nothing_finished_is_dead() -> None:
    liveness = Liveness(LIMITS)
    unread = (Partition(LISTENS, 3, position=50, unfinished=50, end=60),)
    reasons = []
    for second in range(122):
        rebalancing = second % 4 < 2
        group = Group("g", member=not rebalancing, rebalancing=rebalancing)
        vitals = replace(WELL, tick=second, group=group, partitions=() if rebalancing else unread)
        reasons.append(liveness.look(float(second), vitals))
    assert set(reasons[:121]) == {None}
    assert reasons[121] == (
        "messages are unread, or partitions are being handed around, and nothing was finished for 121 s"
    )


@pytest.mark.row(5)
def test_worker_outside_its_group_is_dead_while_kafka_answers() -> None:
    outside = replace(WELL, group=Group("musicrec-session"), partitions=())
    assert watched(outside, 1_000) == (71, "not a member of the group musicrec-session, though Kafka answers, for 71 s")
    assert watched(replace(outside, kafka_error="no answer within 5 s"), 10_000) is None


def test_clocks_of_the_group_begin_anew_when_kafka_answers_again() -> None:
    liveness = Liveness(LIMITS)
    outside = replace(WELL, group=Group("g"), partitions=())
    for second in range(200):
        vitals = replace(outside, tick=second, kafka_error="away" if 60 <= second < 130 else None)
        assert liveness.look(float(second), vitals) is None


@pytest.mark.parametrize("phase", [Phase.STARTING, Phase.STOPPING])
def test_worker_that_starts_or_stops_need_not_be_in_its_group(phase: Phase) -> None:
    assert watched(replace(WELL, phase=phase, group=Group("g")), 1_000) is None


def test_client_that_has_given_up_is_dead_at_once_whatever_else() -> None:
    gave_up = replace(WELL, group=Group("musicrec-session", member=True, error="not authorized"), kafka_error="away")
    assert watched(gave_up, 0) == (0, "the client of the group musicrec-session has given up: not authorized")


def test_messages_that_wait_while_nothing_is_finished_are_deadly() -> None:
    stuck = replace(WELL, work=(Work(LISTENS, finished=100, waiting=7),))
    assert watched(stuck, 1_000) == (121, f"7 messages of {LISTENS} wait and none was finished for 121 s")


def test_messages_that_wait_while_a_server_is_away_are_not() -> None:
    stuck = replace(WELL, work=(Work(LISTENS, finished=100, waiting=7),))
    assert watched(replace(stuck, kafka_error="no answer"), 10_000) is None
    assert watched(replace(stuck, redis_error="no answer"), 10_000) is None


def test_batch_that_is_finished_in_between_starts_the_clock_anew() -> None:
    liveness = Liveness(LIMITS)
    for second in range(1_000):
        work = Work(LISTENS, finished=second // 100, waiting=7)
        assert liveness.look(float(second), replace(WELL, tick=second, work=(work,))) is None


def test_loop_that_tries_again_because_a_server_refuses_lives_in_a_rebalance_too() -> None:
    for rebalancing in (False, True):
        liveness = Liveness(LIMITS)
        group = Group("g", member=True, rebalancing=rebalancing)
        unread = (Partition(LISTENS, 3, position=50, unfinished=50, end=60),)
        for second in range(10_000):
            work = (Work(LISTENS, finished=100, tries=second // 40, waiting=7),)
            vitals = replace(WELL, tick=second, group=group, work=work, partitions=unread)
            assert liveness.look(float(second), vitals) is None


def test_loop_that_hangs_in_a_new_try_is_dead() -> None:
    hangs = replace(WELL, work=(Work(LISTENS, finished=100, tries=3, waiting=7),))
    assert watched(hangs, 1_000) == (121, f"7 messages of {LISTENS} wait and none was finished for 121 s")


def test_one_topic_that_tries_again_does_not_excuse_another() -> None:
    liveness = Liveness(LIMITS)
    for second in range(122):
        work = (Work(LISTENS, tries=second, waiting=7), Work("other", waiting=1))
        reason = liveness.look(float(second), replace(WELL, tick=second, work=work))
    assert reason == "1 messages of other wait and none was finished for 121 s"


def test_partition_that_nobody_fetches_is_deadly_though_others_go_on() -> None:
    liveness = Liveness(LIMITS)
    for second in range(122):
        going_on = Partition(LISTENS, 2, position=second, unfinished=second, end=10_000)
        stuck = Partition(LISTENS, 3, position=50, unfinished=50, end=60)
        work = (Work(LISTENS, finished=second),)
        reason = liveness.look(float(second), replace(WELL, tick=second, work=work, partitions=(going_on, stuck)))
        if second < 121:
            assert reason is None
    assert reason == f"{LISTENS}[3] has 10 messages from offset 50 on and none was fetched for 121 s"


def test_partition_that_is_held_because_the_queue_is_full_lives_while_the_queue_moves() -> None:
    liveness = Liveness(LIMITS)
    for second in range(1_000):
        held = Partition(LISTENS, 3, position=2_000, unfinished=second, end=9_000, held=True)
        work = (Work(LISTENS, finished=second, waiting=2_000),)
        assert liveness.look(float(second), replace(WELL, tick=second, work=work, partitions=(held,))) is None


def test_offsets_at_the_end_that_carry_no_message_are_no_lag() -> None:
    behind_markers = (Partition(LISTENS, 3, position=60, unfinished=60, end=60),)
    assert watched(replace(WELL, partitions=behind_markers), 10_000) is None


def test_follower_whose_task_is_gone_is_deadly_at_once() -> None:
    ended = replace(WELL, following=(Followed("musicrec.sessions.v1", caught_up=True, lag=0, ended=True),))
    assert watched(ended, 0) == (0, "nothing follows musicrec.sessions.v1 any more: its task is gone")


def test_starting_worker_says_what_it_waits_for() -> None:
    following = (Followed("musicrec.tracks.v1"), Followed("musicrec.sessions.v1", lag=1_234))
    starting = Vitals(tick=0, waits_for="state", following=following, kafka_error=None)
    assert unready(starting) == [
        "starting: state",
        "musicrec.tracks.v1: not connected",
        "musicrec.sessions.v1: 1234 records behind",
    ]


def test_servers_that_do_not_answer_are_named() -> None:
    away = replace(WELL, kafka_error="no answer", redis_error="connection refused")
    assert unready(away) == ["Kafka: no answer", "Redis: connection refused"]


def test_worker_is_not_ready_outside_its_group_in_a_rebalance_or_at_its_end() -> None:
    assert unready(replace(WELL, group=Group("g"))) == ["not a member of the group g"]
    assert unready(replace(WELL, group=Group("g", member=True, rebalancing=True))) == ["the group g is rebalancing"]
    assert unready(replace(WELL, group=Group("g", member=True, missing=("t",)))) == [
        "Kafka names no partition of the topic t"
    ]
    assert unready(replace(WELL, phase=Phase.STOPPING)) == ["stopping"]


def test_member_without_partitions_is_ready_and_says_so() -> None:
    assert watched(replace(WELL, partitions=()), 10_000) is None
    assert unready(replace(WELL, partitions=())) == []
    assert ready_note(replace(WELL, partitions=())).startswith("ready; no partitions: the group has more workers")
    assert ready_note(WELL) == "ready; partitions: 1"


def test_lag_counts_what_is_fetched_and_not_finished() -> None:
    partition = Partition(LISTENS, 3, position=50, unfinished=20, end=60)
    assert (partition.unread, partition.lag) == (10, 40)


def test_batch_that_lets_others_go_first_lives_for_as_long_as_it_is_looked_at_and_says_for_whom() -> None:
    liveness = Liveness(LIMITS)
    for second in range(600):
        work = Work(LISTENS, tries=second, waiting=5, waits_for="the group musicrec-embedder is 24 messages behind")
        waiting = replace(WELL, tick=second, work=(work,))
        assert liveness.look(float(second), waiting) is None
    assert ready_note(waiting) == "ready; partitions: 1; waits: the group musicrec-embedder is 24 messages behind"
    assert watched(replace(waiting, work=(replace(work, tries=600),)), 1_000) is not None
