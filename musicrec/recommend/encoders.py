"""Several session encoders, of which the right one speaks about each session."""

from collections.abc import Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

from musicrec.recommend.audio_neighbours import AudioIndex
from musicrec.recommend.catalogue import Catalogue
from musicrec.recommend.encoded_tracks import EncodedSession, EncodedTracks
from musicrec.recommend.session_encoder import SessionEncoder, SessionPlays

FORMER_UNASKED: Final = 10_000
"""Lists and lessons in a row; a partition that lags by hours, among others that do not, brings one more often."""


class Encoders:
    """Several encoders, of which the one speaks that has seen the most, but nothing as new as the question.

    An encoder that is put in place of another speaks about what came after its training.  About older questions, those
    of a worker that catches up or of late events, it would say what it knows by heart; so the former one goes on
    speaking about these, as long as they come: after `FORMER_UNASKED` questions without one of them what lay behind is
    worked off, and its memory, as large as that of the new one, is given back.  A former one that was trained until the
    same time or later would never speak, and goes at once: so does what is taken back.
    """

    def __init__(
        self, encoders: Sequence[SessionEncoder], catalogue: Catalogue, audio: AudioIndex | None = None
    ) -> None:
        """Take encoders.

        Args:
            encoders: in any order.
            catalogue: whose tracks are listed.
            audio: what tracks sound like, where that is known.
        """
        newest_first = sorted(encoders, key=lambda encoder: -encoder.trained_until_ms)
        self._catalogue = catalogue
        self._audio = audio
        self._encoders = [EncodedTracks(encoder, catalogue, audio) for encoder in newest_first]
        self._asked: SessionPlays | None = None
        self._former: EncodedTracks | None = None
        self._unasked = 0
        self._speaks: EncodedTracks | None = None
        self.session: EncodedSession | None = None
        """What was said about the session that was asked for last; None where nobody spoke."""

    @property
    def version(self) -> str | None:
        """Of the encoder whose turn it was with the last question; None where it was nobody's."""
        return self._speaks.encoder.version if self._speaks is not None else None

    @property
    def is_empty(self) -> bool:
        """Whether there is none."""
        return not self._encoders

    def prepared(self, encoder: SessionEncoder) -> EncodedTracks:
        """Return what `use` takes, all tracks looked up.

        That can take a second: another thread may do it, while this one answers and the catalogue grows.
        """
        encoded = EncodedTracks(encoder, self._catalogue, self._audio)
        encoded.follow()
        return encoded

    def use(self, encoded: EncodedTracks | None) -> None:
        """Put one encoder, or none, in place of what speaks now: with the next question, whole."""
        before = self._encoders[0] if self._encoders else None
        self._former, self._unasked = None, 0
        if encoded is not None and before is not None:
            was_trained_earlier = before.encoder.trained_until_ms < encoded.encoder.trained_until_ms
            self._former = before if was_trained_earlier else None
        self._encoders = [each for each in (encoded, self._former) if each is not None]
        self._speaks = self.session = None

    def forget(self) -> None:
        """Look all tracks up anew: the catalogue is another one."""
        for each in self._encoders:
            each.forget()

    def ask(self, session: SessionPlays, now_ms: int, k: int, repeat_logit: float) -> EncodedSession | None:
        """Let the right encoder speak about a session, if there is one: of what it was trained on none speaks.

        Whoever learns from what was said (`Ranker`) would otherwise trust an encoder for what it knows by heart.
        """
        self._speaks = next((each for each in self._encoders if each.encoder.trained_until_ms < now_ms), None)
        self._drop_former()
        self.session = None
        if self._speaks is not None and len(session.tracks):
            self._asked = session
            self.session = self._speaks.ask(session, k, repeat_logit)
        return self.session

    def ask_nobody(self) -> None:
        """Leave the next list to the other sources."""
        self._speaks = self.session = None

    def logits(self, tracks: NDArray[np.int64]) -> tuple[NDArray[np.float32], NDArray[np.bool_]] | None:
        """Return `EncodedTracks.logits` of the session asked for last; None where nobody spoke."""
        if self._speaks is None or self.session is None or self._asked is None:
            return None
        return self._speaks.logits(self.session, tracks, self._asked.tracks)

    def vectors(self, tracks: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return `EncodedTracks.vectors` of whose turn it was with the last question; no column where nobody's."""
        return np.zeros((len(tracks), 0), np.float32) if self._speaks is None else self._speaks.vectors(tracks)

    def _drop_former(self) -> None:
        """Drop the former encoder once it has not been asked for long."""
        self._unasked = 0 if self._speaks is self._former else self._unasked + 1
        if self._former is not None and self._unasked >= FORMER_UNASKED:
            self._encoders.remove(self._former)
            self._former = None
