"""Embeddings and the dead letters of tracks: a vector for each track that has audio, a reason for the rest."""

from collections.abc import Mapping

from aiokafka import ConsumerRecord

from musicrec.contracts import TrackEmbedding
from storm.checks.events import place
from storm.findings import Findings, Invariant


class Tracks:
    """Announced tracks with audio, and what became of them."""

    def __init__(self, audible: Mapping[str, str | None], removed: Mapping[str, int], findings: Findings) -> None:
        """Begin.

        Args:
            audible: reason why a track's audio has to be refused, or None, by track.
            removed: tracks that were removed.
            findings: where violations go.
        """
        self._audible = audible
        self._removed = removed
        self._findings = findings
        self._embedded: dict[str, bool] = {}
        self._refused: dict[str, str] = {}

    def take_embedding(self, record: ConsumerRecord) -> None:
        """Take one record of the embeddings topic."""
        track_id = record.key.decode()
        self._embedded[track_id] = record.value is not None
        if record.value is not None and TrackEmbedding.decode(record.value).track_id != track_id:
            self._findings.add(Invariant.ISOLATION, f"{track_id} has the vector of another", place(record))

    def take_letter(self, record: ConsumerRecord) -> None:
        """Take one dead letter."""
        self._refused[record.key.decode()] = dict(record.headers)["dlq-reason"].decode()

    def finish(self) -> None:
        """Look for what is missing or wrong."""
        for track_id, reason in self._audible.items():
            if (refused := self._refused.get(track_id)) != reason:
                self._findings.add(Invariant.LETTERS, f"{track_id} was refused as {refused}, not as {reason}")
            if reason is None and track_id not in self._removed and not self._embedded.get(track_id):
                self._findings.add(Invariant.NOTHING_LOST, f"{track_id} has no vector")
        for track_id in self._removed:
            if self._embedded.get(track_id):
                self._findings.add(Invariant.NOTHING_LOST, f"{track_id} was removed and has a vector")
