"""Rules as a worker follows them: what it obeys, what it counts, and what it passes over."""

import json

import pytest
from aiokafka import ConsumerRecord

from musicrec.contracts import CatalogueRule, RecommendationRequest, RuleEffect, Track
from musicrec.recommend import Recommender
from musicrec.topics import RULES
from streams.announced_rules import AnnouncedRules
from streams.counters import Counters

NOW_MS = 1_760_000_000_000


def record(name: str, value: bytes | None) -> ConsumerRecord:
    return ConsumerRecord(RULES.name, 0, 0, NOW_MS, 0, name.encode(), value, None, -1, len(value or b""), [])


def rule(name: str, track: str, effect: RuleEffect = RuleEffect.DENY) -> ConsumerRecord:
    return record(name, CatalogueRule(name=name, effect=effect, tracks=(track,), published_at_ms=NOW_MS).encode())


def listed(recommender: Recommender) -> set[str]:
    request = RecommendationRequest(request_id="r", user_id="ann", requested_at_ms=NOW_MS)
    return {item.track_id for item in recommender.answer(request, None, NOW_MS).items}


def knowing(*tracks: str) -> Recommender:
    recommender = Recommender()
    for each in tracks:
        recommender.add_track(Track(track_id=each))
    return recommender


def rules_shown(counters: Counters) -> dict[str, float | None]:
    return {
        effect.value: counters.registry.get_sample_value("musicrec_rules", {"effect": effect.value})
        for effect in RuleEffect
    }


def test_rules_are_obeyed_replaced_and_withdrawn_by_their_names() -> None:
    rules, recommender = AnnouncedRules(Counters("ranking")), knowing("a", "b", "c")
    rules.use(recommender)
    rules.take([rule("x", "a"), rule("y", "b")])
    assert listed(recommender) == {"c"}
    rules.take([rule("x", "c")])
    assert listed(recommender) == {"a"}
    rules.take([record("x", None), record("never", None)])
    assert listed(recommender) == {"a", "c"}


def test_rules_that_came_before_the_state_hold_in_it_and_in_the_one_after() -> None:
    rules = AnnouncedRules(Counters("ranking"))
    rules.take([rule("x", "a"), rule("y", "b"), record("y", None)])
    for recommender in (knowing("a", "b"), knowing("a", "b")):
        rules.use(recommender)
        assert listed(recommender) == {"b"}
    rules.take([rule("y", "b")])
    assert listed(recommender) == set()


def test_rules_are_counted_by_their_effect() -> None:
    counters = Counters("ranking")
    rules = AnnouncedRules(counters)
    assert rules_shown(counters) == {"deny": 0, "allow": 0}
    rules.take([rule("x", "a"), rule("y", "b"), rule("z", "c", RuleEffect.ALLOW), rule("x", "c", RuleEffect.ALLOW)])
    assert rules_shown(counters) == {"deny": 1, "allow": 2}


@pytest.mark.parametrize(
    "value",
    [b"{", b"[]", b'{"name":"x"}', rule("another", "b").value, json.dumps({"name": "x", "schema_version": 2}).encode()],
)
def test_what_cannot_be_read_is_counted_and_passed_over_and_the_rule_of_that_name_stays(
    value: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    counters, recommender = Counters("ranking"), knowing("a", "b", "c")
    rules = AnnouncedRules(counters)
    rules.use(recommender)
    rules.take([rule("x", "a"), record("x", value), rule("y", "b")])
    assert listed(recommender) == {"c"}
    assert counters.totals()["unreadable"] == 1
    assert f"{RULES.name}@0 passed over: " in caplog.text
