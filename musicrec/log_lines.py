"""The log of a process on stderr: lines for people, or one JSON object each for a collector."""

import logging
import sys
from typing import Final

from pythonjsonlogger.json import JsonFormatter

from musicrec.settings import LogSettings

TEXT: Final = "%(asctime)s %(levelname)s %(name)s %(message)s"


def log_to_stderr(settings: LogSettings, service: str, instance: str | None = None) -> None:
    """Have everything that is logged from here on go to stderr, unless the program has said already where it goes.

    Args:
        settings: format and level.
        service: what the process is, in JSON lines.
        instance: which of its kind; left out where it has no name.
    """
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(_formatter(settings, service, instance))
    logging.basicConfig(level=settings.level, handlers=[handler])


def _formatter(settings: LogSettings, service: str, instance: str | None) -> logging.Formatter:
    if settings.format == "text":
        return logging.Formatter(TEXT)
    process = {"service": f"musicrec-{service}"} | ({"instance": instance} if instance else {})
    return JsonFormatter(
        "%(levelname)s %(name)s %(message)s",
        rename_fields={"levelname": "level", "name": "logger", "exc_info": "error"},
        static_fields=process,
        timestamp=True,
        json_ensure_ascii=False,
    )
