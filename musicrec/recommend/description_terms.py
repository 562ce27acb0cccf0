"""What the catalogue says of a track, as terms: its tags, album and label as wholes, the words of title and album.

A term is a kind and a text without differences of case, width and spacing; the same word as a tag and in a title is two
terms.  Who made the track is no term: that is the same-artist source's, which knows who is played most.

A term counts once, however often it is said, as Salton and Buckley recommend for short descriptions in chosen words.

Source: Salton, Buckley, "Term-weighting approaches in automatic text retrieval", Information Processing & Management 24
(5), 1988, section 5.
"""

import unicodedata
from collections.abc import Iterator
from enum import IntEnum
from hashlib import blake2b
from typing import Final, NamedTuple

from musicrec.contracts import Track

MOST_TERMS: Final = 32
"""Of a track, as `terms_of` names them; longer descriptions are lists of everything, and tell little apart."""


class TermKind(IntEnum):
    """Which part of the description a term is from."""

    ALBUM = 0
    TAG = 1
    LABEL = 2
    WORD = 3

    @property
    def weight(self) -> float:
        """Factor on the term's weight in its track; of judgement, as no public log has descriptions to choose by."""
        return _WEIGHTS[self]


_WEIGHTS: Final = {
    TermKind.ALBUM: 1.0,
    TermKind.TAG: 1.0,
    # Says who sells it more than what it is like.
    TermKind.LABEL: 0.5,
    # Titles share a rare word by chance more often than tracks share a rare tag.
    TermKind.WORD: 0.5,
}


class Term(NamedTuple):
    """One thing that a description says."""

    kind: TermKind
    text: str

    @property
    def digest(self) -> int:
        """64 bits for the term, signed: what is kept of it costs the same, however long the text is."""
        text = f"{int(self.kind)}{self.text}".encode()
        return int.from_bytes(blake2b(text, digest_size=8).digest(), "little", signed=True)


def terms_of(track: Track) -> tuple[Term, ...]:
    """Return what the catalogue says of a track, each term once, at most `MOST_TERMS`: album, label, tags, words.

    >>> terms_of(Track(track_id="t", title="Don't  PANIC", tags=("Indie Rock",)))[1]
    Term(kind=<TermKind.WORD: 3>, text='dont')
    """
    return tuple(dict.fromkeys(_terms(track)))[:MOST_TERMS]


def _terms(track: Track) -> Iterator[Term]:
    album = folded(track.album)
    wholes = ((TermKind.ALBUM, album), (TermKind.LABEL, folded(track.label or "")))
    tags = ((TermKind.TAG, folded(tag)) for tag in track.tags)
    words = ((TermKind.WORD, word) for text in (folded(track.title), album) for word in words_of(text))
    for said in (wholes, tags, words):
        for kind, text in said:
            if text:
                yield Term(kind, text)


def folded(text: str) -> str:
    """Return a text without differences of case, width and spacing.

    >>> folded("  Straße  Ⅳ ") == folded("STRASSE IV")
    True
    """
    if text.isascii():
        return " ".join(text.lower().split())
    # Twice: folding takes composed characters apart.
    text = unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold())
    return " ".join(text.split())


class _Separators(dict[int, int | None]):
    """For `str.translate`: a space for all that is no letter, mark or digit; an apostrophe goes without one.

    Marks are parts of words: what regular expressions take for a word cuts those of most Indian scripts to pieces.
    """

    def __missing__(self, code: int) -> int:
        return code if unicodedata.category(chr(code))[0] in "LMN" else ord(" ")


_SEPARATORS: Final = _Separators({ord("'"): None, ord("’"): None})
for _code in range(128):  # most texts are of these, and they are looked up once
    _SEPARATORS.setdefault(_code, _SEPARATORS[_code])


def words_of(text: str) -> list[str]:
    """Return the words of a folded text; scripts that write none apart give their stretches between other signs.

    >>> words_of("ain't no mountain (high-enough)")
    ['aint', 'no', 'mountain', 'high', 'enough']
    """
    return text.translate(_SEPARATORS).split()
