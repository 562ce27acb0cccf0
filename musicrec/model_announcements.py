"""Announcements of models on `musicrec.models.v1`: one read, all that stand, and a new one put there."""

from typing import Final

from musicrec.access import MODEL_COMMAND
from musicrec.contracts import ModelAnnouncement
from musicrec.settings import KafkaSettings
from musicrec.standing_records import named_record, put_standing, standing

SESSION_ENCODER: Final = "session_encoder"
"""Name of what `musicrec train sequence` makes."""
RANKER: Final = "ranker"
"""Name of what `musicrec train ranker` makes."""


def announcement_in(key: bytes | None, value: bytes | None) -> tuple[str, ModelAnnouncement | None]:
    """Return a model's name and what a record says of it; see `named_record`."""
    return named_record(ModelAnnouncement, key, value)


async def announcements(kafka: KafkaSettings) -> dict[str, ModelAnnouncement]:
    """Return what is announced now, by name; see `standing`."""
    return await standing(kafka, MODEL_COMMAND, ModelAnnouncement)


async def put_announcement(kafka: KafkaSettings, name: str, announced: ModelAnnouncement | None) -> None:
    """Announce a model, or withdraw it with None; see `put_standing`."""
    await put_standing(kafka, MODEL_COMMAND, {name: announced})
