"""The docstrings below an enumeration's members, which Python itself does not keep."""

import ast
import inspect
import textwrap
from enum import Enum


def member_docs(enum: type[Enum]) -> dict[str, str]:
    """Return the text below each member, by the member's value.

    >>> from musicrec.contracts import EventType
    >>> member_docs(EventType)["skip"]
    'A listen that the listener ended with the skip button.'
    """
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(enum))).body
    assert isinstance(definition, ast.ClassDef)  # getsource of a class gives its definition
    docs: dict[str, str] = {}
    member = None
    for node in definition.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]):
                member = name
            case ast.Expr(value=ast.Constant(value=str(text))) if member is not None:
                docs[enum[member].value] = " ".join(text.split())
                member = None
            case _:
                member = None
    return docs
