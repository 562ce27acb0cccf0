"""Which rules name which tracks, artists or labels: all that the same rules name is one group.

So there are about as many groups as rules, whatever the catalogue holds.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.catalogue import UNKNOWN

UNNAMED: Final = 0
"""Group of what no rule names."""
NO_RULES: Final[frozenset[str]] = frozenset()

Groups = dict[frozenset[str], int]
"""Number of each group, by the names of its rules."""


class NamedGroups:
    """Which rules name what of one kind.

    Attributes:
        group_of: int32 by index, the group; whatever has an index beyond its end is in none.
    """

    def __init__(self, index_of: Callable[[str], int], ids: Callable[[], Sequence[str]]) -> None:
        """Begin with no rules.

        Args:
            index_of: index of an id, or UNKNOWN.
            ids: all ids by index.
        """
        self._index_of = index_of
        self._ids = ids
        self._rules_of: dict[str, frozenset[str]] = {}
        self._unseen: set[str] = set()
        """Named, and without an index so far."""
        self._seen = 0
        self.group_of: NDArray[np.int32] = np.zeros(0, np.int32)

    def __len__(self) -> int:
        return len(self._rules_of)

    def change(self, name: str, no_more: Iterable[str], now: Iterable[str], groups: Groups) -> None:
        """Have a rule name what is in `now`, and nothing of `no_more`."""
        for each in no_more:
            rules = self._rules_of.pop(each) - {name}
            if rules:
                self._rules_of[each] = rules
            self._put(each, rules, groups)
        for each in now:
            rules = self._rules_of.get(each, NO_RULES) | {name}
            self._rules_of[each] = rules
            self._put(each, rules, groups)

    def resolve(self, groups: Groups) -> None:
        """Take notice of what came into the catalogue since."""
        ids = self._ids()
        if len(ids) == self._seen:
            return
        if self._unseen:
            since = len(ids) - self._seen
            come = (
                list(self._unseen) if len(self._unseen) < since else [e for e in ids[self._seen :] if e in self._unseen]
            )
            for each in come:
                self._put(each, self._rules_of[each], groups)
        self._seen = len(ids)

    def renumber(self, groups: Groups) -> None:
        """Give everything its group anew, with numbers from `groups`."""
        self.group_of = np.zeros(0, np.int32)
        self._unseen.clear()
        for each, rules in self._rules_of.items():
            self._put(each, rules, groups)
        self._seen = len(self._ids())

    def _put(self, each: str, rules: frozenset[str], groups: Groups) -> None:
        # Numbered even where nothing has it so far: tables of groups have a place for it then.
        group = groups.setdefault(rules, len(groups))
        index = self._index_of(each)
        if index == UNKNOWN:
            (self._unseen.add if rules else self._unseen.discard)(each)
            return
        self._unseen.discard(each)
        if index >= len(self.group_of):
            grown = np.zeros(max(index + 1, 2 * len(self.group_of)), np.int32)
            grown[: len(self.group_of)] = self.group_of
            self.group_of = grown
        self.group_of[index] = group
