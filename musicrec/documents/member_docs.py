"""The docstrings below an enumeration's members."""

from enum import Enum

from musicrec.documents.docs_below import docs_below


def member_docs(enum: type[Enum]) -> dict[str, str]:
    """Return the text below each member, by the member's value.

    >>> from musicrec.contracts import EventType
    >>> member_docs(EventType)["skip"]
    'A listen that the listener ended with the skip button.'
    """
    members = enum.__members__
    return {members[name].value: " ".join(text.split()) for name, text in docs_below(enum).items() if name in members}
