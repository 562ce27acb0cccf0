"""Which partitions of `musicrec.sessions.v1` a ranking worker learns from.

Learning from everybody ends where one worker has no time left for anything else, however many there are.  With
`MUSICREC_RANKING__LEARN_FROM_ONE_IN` a worker learns from
    1. each so many-th partition, the same for every worker.  Listeners are hashed to partitions, so that is a random
       share of them, and the rest is not even fetched;
    2. the partitions whose listeners it answers, as its consumer group has them assigned.  Most of what is played next
       the listener has played before, and a worker that had not learned it would not find it; beside making their
       lists, learning from them costs little.
A worker that is assigned another partition reads it from where it left it, or from its beginning; until it has caught
up, the lists of those listeners know their running session and less of what was before.
"""

import logging
from collections.abc import Callable, Set
from typing import Final

from musicrec.errors import Incompatible
from musicrec.topics import SESSIONS

log = logging.getLogger(__name__)

SETTING: Final = "MUSICREC_RANKING__LEARN_FROM_ONE_IN"

Answered = Callable[[], Set[int] | None]
"""Returns the partitions whose listeners are answered, None while that is not known."""


class LearnedPartitions:
    """The choice of partitions; see `TopicFollower`."""

    def __init__(self, one_in: int, partitions: int, answered: Answered) -> None:
        """Make the choice of one worker.

        Args:
            one_in: a share of one partition in so many is learned from; 1 for all of them.
            partitions: how many the topic has.
            answered: asked again and again.

        Raises:
            Incompatible: there are fewer partitions than that.
        """
        if one_in > partitions:
            raise Incompatible(
                f"{SETTING} is {one_in}, and {SESSIONS.name} has {partitions} partitions, of which a share is made: "
                f"set it to {partitions} at most, or make the topics with more (`musicrec topics --user-partitions`)"
            )
        self.share = frozenset(range(0, partitions, one_in))
        self._one_in = one_in
        self._answered = answered
        self._own: Set[int] = frozenset()
        log.info("learning from %d of %d partitions of %s", len(self.share), partitions, SESSIONS.name)

    def go_on_with(self, before: Set[int]) -> None:
        """Learn from partitions that a snapshot was learned from, until it is known whose listeners are answered."""
        self._own = before
        if before and (lacking := self.share - before):
            log.info("the snapshot holds nothing of %d partitions: all there is of them is learned", len(lacking))

    def choose(self, topic: str, numbers: Set[int]) -> Set[int]:
        """Return those of a topic's partitions that are learned from: of other topics all."""
        if topic != SESSIONS.name or self._one_in == 1:
            return numbers
        own = self._answered()
        if own is not None and own != self._own:
            self._own = frozenset(own)
            more = len(self._own - self.share)
            log.info("learning from %d more partitions of %s: their listeners are answered here", more, topic)
        return numbers & (self.share | self._own)
