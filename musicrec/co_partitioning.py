"""Topics that share a key share a number of partitions: what is about one listener is on one partition of each.

A deployment chooses how many when its topics are created: as many as it will ever have workers of a kind.  The table
has the number where nobody chooses.  It cannot be changed in place: a listener would be on two partitions of one topic.
"""

from collections.abc import Iterable, Mapping

from aiokafka.partitioner import murmur2

from musicrec.errors import Incompatible
from musicrec.topics import Topic

CHOSEN_KEYS = ("user_id", "track_id")
"""Whose topics may have any number; the others, which are read by one reader as a whole, have one partition."""


def place_of(key: bytes) -> int:
    """Return of what each publisher takes the remainder for a key's partition: not negative, as in Java's producer.

    >>> place_of(b"ada") % 12
    5
    """
    return int(murmur2(key)) & 0x7FFF_FFFF


def partitions_by_key(
    topics: Iterable[Topic], found: Mapping[str, int], chosen: Mapping[str, int] | None = None
) -> dict[str, int]:
    """Return how many partitions the topics of each key have to have.

    Args:
        topics: the table.
        found: by topic how many the broker's has, of those that are there.
        chosen: by key how many were asked for; else it is what the first topic of the table that is there has.
    """
    numbers: dict[str, int] = dict(chosen or {})
    for topic in topics:
        if topic.key in CHOSEN_KEYS and topic.name in found:
            numbers.setdefault(topic.key, found[topic.name])
    for topic in topics:
        numbers.setdefault(topic.key, topic.partitions)
    return numbers


def check_partitions(topics: Iterable[Topic], found: Mapping[str, int]) -> None:
    """Compare the topics of each key.

    Args:
        topics: those that are used together.
        found: by topic how many partitions the broker's has.

    Raises:
        Incompatible: one differs from the others of its key.
    """
    topics = list(topics)
    numbers = partitions_by_key(topics, found)
    for topic in topics:
        count, needed = found.get(topic.name, 0), numbers[topic.key]
        if count != needed:
            other = next((each.name for each in topics if each.key == topic.key and each is not topic), "")
            beside = f", as {other} has" if topic.key in CHOSEN_KEYS else ""
            raise Incompatible(
                f"{topic.name} has {count} partitions and needs {needed}{beside}: a keyed topic cannot be changed in "
                f"place, because one {topic.key} would be on two partitions; create it anew"
            )
