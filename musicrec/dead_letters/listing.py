"""The newest letters of a selection, and how many of which kind there are."""

import heapq
from dataclasses import dataclass, field

from musicrec.dead_letters.letter import Letter
from musicrec.dead_letters.reader import TopicReader
from musicrec.dead_letters.selection import Selection, order
from musicrec.dead_letters.survey import Survey
from musicrec.settings import KafkaSettings


@dataclass(slots=True)
class Listing:
    """What was found."""

    survey: Survey = field(default_factory=Survey)
    newest: list[Letter] = field(default_factory=list)
    """Oldest first, as many as were asked for at most."""
    left_out: int = 0
    """Older messages of the dead-letter topics that were not looked at."""


async def read_listing(kafka: KafkaSettings, selection: Selection, limit: int, *, most: int | None = None) -> Listing:
    """Read the letters of a selection that stand now.

    Args:
        kafka: the broker.
        selection: which.
        limit: keep so many of the newest.
        most: look at no more than the newest so many messages of each partition; at all where it is None.

    Raises:
        Unavailable: the broker does not answer, or lacks a topic.
    """
    listing, newest = Listing(), list[tuple[tuple[int, ...], Letter]]()
    async with TopicReader(kafka) as reader:
        spans = await reader.spans(selection)
        looked_at = spans if most is None else [span._replace(start=max(span.start, span.end - most)) for span in spans]
        listing.left_out = sum(span.length for span in spans) - sum(span.length for span in looked_at)
        async for letter in reader.letters(looked_at, selection):
            listing.survey.add(letter)
            heapq.heappush(newest, ((letter.at_ms, *order(letter.place)), letter))
            if len(newest) > limit:
                heapq.heappop(newest)
    listing.newest = [letter for _, letter in sorted(newest)]
    return listing
