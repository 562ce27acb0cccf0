"""Changes of an input word by word: most of what comes out is still nearly valid, which changed bytes seldom are."""

import re
from collections.abc import Sequence
from random import Random

WORDS = re.compile(rb'"(?:[^"\\]|\\.)*"|[-+.\w:]+|\s+|.', re.DOTALL)
"""Strings, numbers and names, spaces, and every other byte by itself."""


def mutated(data: bytes, odd: Sequence[bytes], random: Random, max_bytes: int) -> bytes:
    """Return `data` with up to three changes: mostly a value in place of another, now and then one of the form.

    Args:
        data: the input.
        odd: values to try in any place.
        random: seeded, so that the same input comes again.
        max_bytes: cut to this.
    """
    found = WORDS.findall(data)
    for _ in range(random.randint(1, 3)):
        values = [at for at, word in enumerate(found) if len(word) > 1 or word.isdigit()]
        if not values:
            return random.choice(odd)[:max_bytes]
        if random.random() < 0.8:
            at = random.choice(values)
            alike = [found[other] for other in values if (found[other][:1] == b'"') == (found[at][:1] == b'"')]
            found[at] = random.choice(alike) if random.random() < 0.6 else random.choice(odd)
        else:
            _reform(found, random)
    return b"".join(found)[:max_bytes]


def _reform(found: list[bytes], random: Random) -> None:
    """Remove, double or exchange words of any kind."""
    at, other = random.randrange(len(found)), random.randrange(len(found))
    match random.randrange(3):
        case 0:
            del found[at]
        case 1:
            found.insert(at, found[other])
        case _:
            found[at], found[other] = found[other], found[at]
