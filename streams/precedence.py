"""When a worker that works through a topic a second time may go on: after the one whose messages somebody waits for.

Two groups read one topic, and what they make of a message goes to one key of another topic, where the last word counts.
    1. A message has its turn once the first group has committed it: what that group makes of it is published, and
       the second group's word comes after it.  The first group comes back to what it has not committed, only.
    2. And while the first group is not behind: messages that nobody has worked on go first.
    While the second group is handing partitions around, its members finish what they hold: then rule 1 alone stands.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from streams.messages import Incoming

Offsets = Mapping[int, int]
"""By number of the partition."""


@dataclass(frozen=True, slots=True)
class Standing:
    """Where two groups stand on one topic, as the broker told lately."""

    first_group: str
    """Name of the group that comes first."""
    beginnings: Offsets
    """Of the first message that the topic has."""
    ends: Offsets
    """Of the next message to be published."""
    first: Offsets
    """Committed by the first group."""
    second: Offsets
    """Committed by the second group."""

    @property
    def backlog(self) -> int:
        """Messages that the first group has not finished."""
        return _lag(self.ends, self.beginnings, self.first)

    def remaining(self, goal: Offsets) -> int:
        """Return how many messages before `goal` the second group has not finished."""
        return _lag(goal, self.beginnings, self.second)

    def waits_for(self, batch: Sequence[Incoming], most_backlog: int, *, hurried: bool = False) -> str | None:
        """Return what a batch of the second group waits for, a sentence; None where it may go.

        Args:
            batch: its messages.
            most_backlog: so many unfinished messages of the first group are no backlog: it is at work on them.
            hurried: whether the second group hands partitions around.
        """
        if not any(self.first.values()):
            return f"the group {self.first_group} has committed nothing yet"
        if self.backlog > most_backlog and not hurried:
            return f"the group {self.first_group} is {self.backlog} messages behind"
        for message in batch:
            if message.offset >= self.first.get(message.partition, 0):
                return f"the group {self.first_group} has still to finish {message.place}"
        return None


def _lag(ends: Offsets, beginnings: Offsets, committed: Offsets) -> int:
    return sum(max(0, end - max(committed.get(number, 0), beginnings.get(number, 0))) for number, end in ends.items())
