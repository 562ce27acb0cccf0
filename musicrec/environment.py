"""Which variables of the environment are ours: one that is close to ours and none of them is a typing error.

A misspelt variable would leave its setting at the default in silence: a worker on another cluster than it was told.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from difflib import get_close_matches
from typing import Final

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings

from musicrec.errors import Incompatible

PREFIX: Final = "MUSICREC_"
READ_ELSEWHERE: Final = ("MUSICREC_EMBEDDER_", "MUSICREC_TEST_", "MUSICREC_EVAL_")
"""Beginnings of variables that others read: the embedder checks its own, tests and evaluation need no check."""

SERVICE_LINK: Final = re.compile(r"_SERVICE_(HOST|PORT(_\w+)?)$|_PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?$")
"""What Kubernetes puts into every pod about a service called `musicrec-...`."""
SERVICE_ADDRESS: Final = re.compile(r"(tcp|udp|sctp)://")
"""Value of the one link, `<SERVICE>_PORT`, whose name could be a setting's."""


def check_variables(
    environment: Mapping[str, str], settings: type[BaseSettings], *, elsewhere: Collection[str]
) -> None:
    """Refuse a variable that has the prefix of `settings` and is none of its variables.

    Args:
        environment: as `os.environ`; names count in any case, as they do for pydantic.
        settings: class that reads it.
        elsewhere: beginnings of variables that others read.

    Raises:
        Incompatible: names the variable and the one that is meant.
    """
    prefix = str(settings.model_config.get("env_prefix", ""))
    known = [variable for variable, _, _ in fields_of(settings)]
    # A whole section may be given as one JSON object.
    sections = {variable.partition("__")[0] for variable in known}
    for name, value in environment.items():
        variable = name.upper()
        if not variable.startswith(prefix) or variable in known or variable in sections:
            continue
        if variable.startswith(tuple(elsewhere)) or _is_service_link(variable, value):
            continue
        raise Incompatible(
            f"{name}: there is no such setting{_meant(variable, known, prefix)}; `musicrec settings` lists all"
        )


def fields_of(settings: type[BaseSettings]) -> Iterator[tuple[str, tuple[str, ...], FieldInfo]]:
    """Yield variable, place in the settings object and field of each setting, in order of definition."""
    delimiter = str(settings.model_config.get("env_nested_delimiter") or "__")
    yield from _fields(settings, str(settings.model_config.get("env_prefix", "")), delimiter, ())


def _fields(
    model: type[BaseModel], prefix: str, delimiter: str, path: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], FieldInfo]]:
    for name, field in model.model_fields.items():
        variable, place = f"{prefix}{name.upper()}", (*path, name)
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            yield from _fields(field.annotation, f"{variable}{delimiter}", delimiter, place)
        else:
            yield variable, place, field


def _is_service_link(variable: str, value: str) -> bool:
    return SERVICE_LINK.search(variable) is not None or (
        variable.endswith("_PORT") and SERVICE_ADDRESS.match(value) is not None
    )


def _meant(variable: str, known: list[str], prefix: str) -> str:
    # Without the prefix, which would make any two variables look alike.
    nearest = get_close_matches(variable.removeprefix(prefix), [name.removeprefix(prefix) for name in known], n=1)
    return f", {prefix}{nearest[0]} is the nearest" if nearest else ""
