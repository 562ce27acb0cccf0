"""The docstrings below what a class body assigns, which Python itself does not keep."""

import ast
import inspect
import textwrap
from functools import cache


@cache
def docs_below(of: type) -> dict[str, str]:
    """Return the text below each name that the body of a class assigns to or annotates, from its source."""
    (definition,) = ast.parse(textwrap.dedent(inspect.getsource(of))).body
    assert isinstance(definition, ast.ClassDef)  # getsource of a class gives its definition
    docs: dict[str, str] = {}
    assigned = None
    for node in definition.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name)):
                assigned = name
            case ast.Expr(value=ast.Constant(value=str(text))) if assigned is not None:
                docs[assigned] = inspect.cleandoc(text)
                assigned = None
            case _:
                assigned = None
    return docs
