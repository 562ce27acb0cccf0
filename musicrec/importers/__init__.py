"""Listening histories of other formats, turned into listen events.

    files ▸ rows (`Listen | Unreadable | LeftOut`) ▸ `readable` ▸ `in_time_order` ▸ `ListenEvent`

Each format is a generator of rows; nothing is dropped without being counted and named.
"""

from musicrec.importers.event_order import in_time_order
from musicrec.importers.rows import ImportReport, LeftOut, Listen, Row, Unreadable, readable

__all__ = ["ImportReport", "LeftOut", "Listen", "Row", "Unreadable", "in_time_order", "readable"]
