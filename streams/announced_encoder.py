"""The session encoder as a kind of announced model; what is withdrawn makes way for the one that the setting names."""

import logging
from pathlib import Path

from musicrec.model_announcements import SESSION_ENCODER
from musicrec.recommend.session_encoder import SessionEncoder
from musicrec.sequence.encoder_loading import load_encoder
from streams.announced_model import Wanted
from streams.metrics import MODEL

log = logging.getLogger(__name__)


class EncoderKind:
    """Session encoders: one that has the manifest of the one in use is the one in use."""

    name = SESSION_ENCODER
    metric = MODEL

    def __init__(self, named: Path | None) -> None:
        """Make it.

        Args:
            named: folder of the encoder for as long as none is announced.
        """
        self._named = named
        self._manifest_in_use: str | None = None

    def load(self, folder: Path, wanted: Wanted) -> SessionEncoder:
        """Return the encoder of a folder; see `ModelKind`."""
        return load_encoder(folder, wanted.files.manifest_sha256)

    def is_in_use(self, wanted: Wanted) -> bool:
        """Return whether it is the encoder that makes the lists."""
        return wanted.files.manifest_sha256 == self._manifest_in_use

    def otherwise(self) -> SessionEncoder | None:
        """Return the encoder that the setting names."""
        return None if self._named is None else load_encoder(self._named)

    def note(self, encoder: SessionEncoder | None, wanted: Wanted | None) -> str:
        """Take note of what makes the lists now."""
        self._manifest_in_use = wanted.files.manifest_sha256 if wanted is not None else None
        if encoder is None:
            return "none"
        log.info("session encoder %s: %d tracks", encoder.version, len(encoder.track_ids))
        return encoder.version
