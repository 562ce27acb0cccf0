"""The rules that operators publish: every list of the worker obeys them from the next one on."""

import logging
from collections.abc import Sequence
from typing import Final

from aiokafka import ConsumerRecord

from musicrec.contracts import CatalogueRule, RuleEffect
from musicrec.errors import BadInput
from musicrec.printable import printable
from musicrec.published_rules import rule_in
from musicrec.recommend import Recommender
from musicrec.topics import RULES
from streams.counters import Counters

log = logging.getLogger(__name__)

MOST_NAMED: Final = 10
"""More changes at once are a start, or a file of rules: their number says enough."""


class AnnouncedRules:
    """Keeps a recommender's rules as published; a record that cannot be read is passed over, and what stood stays."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._rules: dict[str, CatalogueRule] = {}
        self._recommender: Recommender | None = None
        self._count()

    def use(self, recommender: Recommender) -> None:
        """Rule the lists of this recommender, and its variants', from now on."""
        self._recommender = recommender
        for rule in self._rules.values():
            recommender.put_rule(rule)

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take in records of the topic, in order."""
        changes = []
        for record in records:
            try:
                name, rule = rule_in(record.key, record.value)
            except BadInput as error:
                self._counters.unreadable.labels(RULES.name).inc()
                log.warning("%s@%d passed over: %s", RULES.name, record.offset, error)
                continue
            changes.append(f"{name!r} {'withdrawn' if rule is None else rule.effect.value}")
            self._change(name, rule)
        self._count()
        if changes:
            named = ", ".join(changes) if len(changes) <= MOST_NAMED else f"{len(changes):,} changes"
            log.info("rules: %s; now %s", printable(named), self.described())

    def described(self) -> str:
        """Return how many there are, in words."""
        return ", ".join(f"{count:,} {effect.value}" for effect, count in self._counts().items())

    def _change(self, name: str, rule: CatalogueRule | None) -> None:
        self._rules.pop(name, None)
        if rule is not None:
            self._rules[name] = rule
        if self._recommender is None:
            return
        if rule is not None:
            self._recommender.put_rule(rule)
        else:
            self._recommender.withdraw_rule(name)

    def _count(self) -> None:
        for effect, count in self._counts().items():
            self._counters.rules.labels(effect.value).set(count)

    def _counts(self) -> dict[RuleEffect, int]:
        return {effect: sum(rule.effect is effect for rule in self._rules.values()) for effect in RuleEffect}
