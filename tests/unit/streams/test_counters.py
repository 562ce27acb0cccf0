"""What is counted of a batch."""

import pytest
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from musicrec.errors import BadInput, DeadLetterReason
from streams.counters import Counters
from streams.messages import Decision, Incoming, dead_letter
from streams.metrics import EventOutcome, ModelOutcome

NOW_MS = 1_760_000_000_000


def messages(count: int, topic: str = "t") -> list[Incoming]:
    return [Incoming(topic, 0, offset, NOW_MS + offset, b"k", b"v", []) for offset in range(count)]


def samples(counters: Counters, name: str) -> dict[tuple[str, ...], float]:
    """Return the samples of one metric by label values."""
    families = text_string_to_metric_families(generate_latest(counters.registry).decode())
    return {tuple(s.labels.values()): s.value for family in families for s in family.samples if s.name == name}


def test_outcomes_of_a_batch_add_up_to_its_messages() -> None:
    batch, counters = messages(10), Counters("agent")
    decision = Decision()
    decision.outcomes[EventOutcome.APPLIED] += 5
    decision.outcomes[EventOutcome.DUPLICATE] += 2
    decision.messages += [
        dead_letter(batch[0], BadInput("no", DeadLetterReason.MALFORMED), app="agent"),
        dead_letter(batch[1], BadInput("no", DeadLetterReason.TOO_LATE), app="agent"),
    ]

    counters.finished(batch, decision, NOW_MS)

    by_outcome = {outcome: n for (outcome, _), n in samples(counters, "musicrec_events_total").items()}
    assert by_outcome == {"applied": 5, "duplicate": 2, "dead_lettered": 2, "ignored": 1}
    assert samples(counters, "musicrec_dlq_total") == {("malformed", "t"): 1, ("too_late", "t"): 1}
    assert samples(counters, "musicrec_duplicates_total") == {("t",): 2}
    assert samples(counters, "musicrec_last_event_timestamp_seconds") == {("t",): (NOW_MS + 9) / 1000}


def test_reason_of_a_dead_letter_is_ours_whatever_the_message_says_itself() -> None:
    forged = messages(1)[0]._replace(headers=[("dlq-reason", b"user-4711")])
    counters = Counters("agent")

    counters.finished([forged], Decision([dead_letter(forged, BadInput("no"), app="agent")]), NOW_MS)

    assert samples(counters, "musicrec_dlq_total") == {("invalid", "t"): 1}


def test_time_from_event_to_list_is_of_each_event_that_is_answered() -> None:
    counters = Counters("ranking")

    counters.finished(messages(3), Decision(answers_published_ms=[NOW_MS - 20, NOW_MS - 300]), NOW_MS)

    assert samples(counters, "musicrec_event_to_recommendation_seconds_count") == {(): 2}
    assert samples(counters, "musicrec_event_to_recommendation_seconds_sum") == {(): 0.32}


@pytest.mark.row(17)
def test_clock_of_the_broker_that_is_ahead_makes_no_negative_time() -> None:
    counters = Counters("ranking")

    counters.finished(messages(1), Decision(answers_published_ms=[NOW_MS + 50]), NOW_MS)

    assert samples(counters, "musicrec_event_to_recommendation_seconds_sum") == {(): 0.0}


def test_processing_is_counted_per_message_and_two_processes_share_nothing() -> None:
    one, other = Counters("one"), Counters("other")

    one.took("t", 500, 0.1)

    assert samples(one, "musicrec_event_processing_seconds_count") == {("t",): 500}
    assert samples(other, "musicrec_event_processing_seconds_count") == {}
    assert one.totals() == {}
    one.retried("t")
    assert one.totals() == {"retries": 1}


def test_what_may_befall_a_topic_is_shown_as_zero_before_it_does() -> None:
    counters = Counters("agent")

    counters.expect("t")
    counters.expect_followed("u")

    letters = samples(counters, "musicrec_dlq_total")
    assert letters == {(reason.value, "t"): 0 for reason in DeadLetterReason}
    assert samples(counters, "musicrec_retries_total") == {("t",): 0}
    assert samples(counters, "musicrec_events_total") == {("stale", "t"): 0}
    assert samples(counters, "musicrec_unreadable_total") == {("u",): 0}
    assert samples(counters, "musicrec_model_loads_total") == {(outcome.value,): 0 for outcome in ModelOutcome}
    assert counters.totals() == {}


def test_a_call_to_redis_that_fails_is_measured_and_counted() -> None:
    counters = Counters("agent")

    with counters.redis_call("load"):
        pass
    with pytest.raises(TimeoutError), counters.redis_call("load"):
        raise TimeoutError

    assert samples(counters, "musicrec_redis_call_seconds_count") == {("load",): 2}
    assert samples(counters, "musicrec_redis_errors_total") == {("load",): 1}
