"""Rules that operators publish, compiled to what a list can check per candidate; `CatalogueRule` says what they mean.

Rules name tracks, artists and labels; all that the same rules name is one group, and group 0 is what no rule names.
For a market and a stretch of time in which no rule begins or ends, a byte per group says whether it is denied, another
whether it is admitted, and a byte per territory whether its tracks may be played there.  A candidate costs a few loads,
and nothing is kept per market and track.

Pure: time comes in with each question.
"""

from bisect import bisect_right
from collections.abc import Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import CatalogueRule, RuleEffect
from musicrec.recommend.catalogue import Catalogue
from musicrec.recommend.rule_groups import NO_RULES, UNNAMED, Groups, NamedGroups
from musicrec.recommend.rules_at import RulesAt

MOST_CACHED: Final = 512
"""Pairs of a market and a stretch of time: more than there are markets, and a few kilobytes each."""
SPARE_GROUPS: Final = 1_024
"""Groups that nothing belongs to any more, beyond one per named id, before all are numbered anew."""


class CatalogueRules:
    """The rules, by name, and which of them are about what."""

    def __init__(self, catalogue: Catalogue) -> None:
        """Begin without rules, over the tracks of a catalogue."""
        self._catalogue = catalogue
        self._rules: dict[str, CatalogueRule] = {}
        self._groups: Groups = {NO_RULES: UNNAMED}
        self._named = (
            NamedGroups(catalogue.index_of, lambda: catalogue.track_ids),
            NamedGroups(catalogue.artist_index_of, lambda: catalogue.artist_ids),
            NamedGroups(catalogue.label_index_of, lambda: catalogue.label_ids),
        )
        self._moments: list[int] | None = None
        """When rules begin and end, in order; None where that is to be worked out."""
        self._cached: dict[tuple[str | None, int, int], RulesAt | None] = {}

    def __len__(self) -> int:
        """Return how many rules there are, in force or not."""
        return len(self._rules)

    def put(self, rule: CatalogueRule) -> None:
        """Have a rule, in the place of the one of that name."""
        self._change(rule.name, rule)

    def withdraw(self, name: str) -> None:
        """Have no rule of that name any more."""
        self._change(name, None)

    def count(self, effect: RuleEffect) -> int:
        """Return how many rules have an effect, in force or not."""
        return sum(rule.effect is effect for rule in self._rules.values())

    def at(self, market: str | None, now_ms: int) -> RulesAt | None:
        """Return what rules and the tracks' own markets say; None where they keep nothing out.

        Args:
            market: where the listener is; None where nobody knows.
            now_ms: time of the list, epoch milliseconds.
        """
        territories = len(self._catalogue.territories)
        if not self._rules and territories == 1:
            return None
        for named in self._named:
            named.resolve(self._groups)
        if self._moments is None:
            ends = {moment for rule in self._rules.values() for moment in (rule.from_ms, rule.until_ms)}
            self._moments = sorted(moment for moment in ends if moment is not None)
        key = (market, bisect_right(self._moments, now_ms), territories)
        if key not in self._cached:
            if len(self._cached) >= MOST_CACHED:
                self._cached.clear()
            self._cached[key] = self._compiled(market, now_ms)
        return self._cached[key]

    def _change(self, name: str, rule: CatalogueRule | None) -> None:
        former = self._rules.pop(name, None)
        for named, no_more, now in zip(self._named, _ids_of(former), _ids_of(rule), strict=True):
            named.change(name, set(no_more) - set(now), set(now) - set(no_more), self._groups)
        if rule is not None:
            self._rules[name] = rule
        self._moments = None
        self._cached.clear()
        if len(self._groups) > sum(map(len, self._named)) + SPARE_GROUPS:
            self._groups = {NO_RULES: UNNAMED}
            for named in self._named:
                named.renumber(self._groups)

    def _compiled(self, market: str | None, now_ms: int) -> RulesAt | None:
        in_force = [rule for rule in self._rules.values() if _is_in_force(rule, now_ms)]
        deny = [rule for rule in in_force if rule.effect is RuleEffect.DENY and _applies(rule, market)]
        allow = [rule for rule in in_force if rule.effect is RuleEffect.ALLOW and _applies(rule, market)]
        fits = [markets is None or market in markets for markets in self._catalogue.territories]
        if not all(any(_ids_of(rule)) for rule in deny):  # one names markets alone
            fits = [False] * len(fits)
        denied = self._groups_with(rule.name for rule in deny)
        admitted = [self._groups_with(names) for names in _allow_lists(allow, market)]
        if not (denied.any() or admitted or not all(fits)):
            return None
        table = np.array(admitted, np.bool_).reshape(-1, len(self._groups))
        return RulesAt(self._catalogue, self._named, denied, table, np.array(fits, np.bool_))

    def _groups_with(self, names: Iterable[str]) -> NDArray[np.bool_]:
        wanted = frozenset(names)
        return np.array([not wanted.isdisjoint(group) for group in self._groups], np.bool_)


def _ids_of(rule: CatalogueRule | None) -> tuple[tuple[str, ...], ...]:
    """Return the tracks, artists and labels that a rule names."""
    return ((), (), ()) if rule is None else (rule.tracks, rule.artists, rule.labels)


def _is_in_force(rule: CatalogueRule, now_ms: int) -> bool:
    begun = rule.from_ms is None or rule.from_ms <= now_ms
    return begun and (rule.until_ms is None or now_ms < rule.until_ms)


def _applies(rule: CatalogueRule, market: str | None) -> bool:
    """Whether a rule is about listeners there; those of an unknown market may be anywhere."""
    return not rule.markets or market is None or market in rule.markets


def _allow_lists(allow: Sequence[CatalogueRule], market: str | None) -> list[frozenset[str]]:
    """Return the names of the rules of which one has to match a track, for each market where the listener may be."""
    everywhere = frozenset(rule.name for rule in allow if not rule.markets)
    if market is not None or everywhere:
        # Somebody of unknown market may be where nobody names: there rules for everywhere alone admit, and what they
        # admit, they admit in every market.
        names = everywhere if market is None else frozenset(rule.name for rule in allow)
        return [names] if names else []
    by_market: dict[str, set[str]] = {}
    for rule in allow:
        for named in rule.markets:
            by_market.setdefault(named, set()).add(rule.name)
    return list(dict.fromkeys(map(frozenset, by_market.values())))
