"""Dead letters from outside: what stands in their topics, why, and back onto the topic that they came from."""

from musicrec.dead_letters.letter import UNREADABLE, Letter, Place, letter_of
from musicrec.dead_letters.remedies import REMEDIES
from musicrec.dead_letters.selection import Selection, dead_letter_topics, since_ms

__all__ = [
    "REMEDIES",
    "UNREADABLE",
    "Letter",
    "Place",
    "Selection",
    "dead_letter_topics",
    "letter_of",
    "since_ms",
]
