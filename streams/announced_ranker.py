"""The trained ranker as a kind of announced model: what the ranking's networks go on learning from.

An announcement is obeyed once.  The networks then go on learning, and what they began with is a part of what snapshots
hold: a restart goes on with what was learned since, and does not begin again.  Announced anew, the same ranker is begun
with anew, by every worker.

Plays from before the announcement teach the networks that were there before it, and no others: a replica that learns
them late, because it restarts or lags, comes to the same as those that were there.  What differs between replicas is
the second in which one has loaded the ranker and another has not.

A withdrawal leaves the networks as they are: what was learned cannot be taken out of them again, and a beginner in
their place would rank worse.  Who wants others announces others.  A worker that begins with nothing begins with the
ranker that the setting names, as without an announcement.
"""

import logging
from collections.abc import Callable
from pathlib import Path

from musicrec.model_announcements import RANKER
from musicrec.ranker_files import TrainedRanker, read_ranker
from musicrec.recommend import RankingSettings
from musicrec.recommend.beginning import Beginning
from streams.announced_model import Wanted
from streams.metrics import TRAINED_RANKER

log = logging.getLogger(__name__)


class RankerKind:
    """Trained rankers, for one worker's settings."""

    name = RANKER
    metric = TRAINED_RANKER

    def __init__(self, settings: RankingSettings, beginning: Callable[[], Beginning]) -> None:
        """Make it.

        Args:
            settings: of the ranking that the ranker has to fit.
            beginning: gives what the worker's networks began with.
        """
        self._settings = settings
        self._beginning = beginning

    def load(self, folder: Path, wanted: Wanted) -> TrainedRanker:
        """Return the ranker of a folder, tried out; see `ModelKind`."""
        ranker = read_ranker(folder, wanted.files.manifest_sha256, announced_at_ms=wanted.announced_at_ms)
        ranker.try_out(self._settings)
        return ranker

    def is_in_use(self, wanted: Wanted) -> bool:
        """Return whether the networks have begun with it for this very announcement."""
        began = self._beginning()
        return (began.manifest_sha256, began.announced_at_ms) == (wanted.files.manifest_sha256, wanted.announced_at_ms)

    def otherwise(self) -> TrainedRanker | None:
        """Return None: the networks stay as they are."""
        return None

    def note(self, ranker: TrainedRanker | None, wanted: Wanted | None) -> str:
        """Return what the networks have begun with."""
        if ranker is None:
            return self._beginning().version or "none"
        log.info("ranker %s: %d lessons; learning goes on from there", ranker.version, ranker.manifest.lessons)
        return ranker.version
