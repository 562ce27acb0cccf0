"""Test, then train: every play of a log is first guessed from the session before it, then learned.

A case is a play whose session already holds another track; its target is the track played, different from the one
before.  The list is made from the snapshot before the play, by the code that runs live.

Source: Vinagre, Jorge, Gama, "Evaluation of recommender systems in streaming environments", 2015 (prequential).
"""

from collections.abc import Callable, Collection, Iterable, Sequence
from typing import Protocol

from musicrec.contracts import EventType, ListenEvent, ListenOutcome, SessionSnapshot, Track
from musicrec.evaluation.baselines.baseline import Baselines
from musicrec.evaluation.contest import Contest
from musicrec.evaluation.metrics import Group
from musicrec.evaluation.shared_learning import SharedLearning
from musicrec.recommend import Recommender
from musicrec.session import Duplicate, ListenerState, Position, apply
from musicrec.settings import SessionSettings

MAX_BEFORE = 40
"""Tracks of a session that the baselines are shown."""


class Learners(Protocol):
    """Models that are asked for each case and taught each play, side by side."""

    def ask(
        self, snapshot: SessionSnapshot, newest_first: Sequence[str], target: str, groups: Collection[Group]
    ) -> None:
        """Score one case.

        Args:
            snapshot: the session before the play.
            newest_first: its plays; the first is the current track.
            target: what was played.
            groups: groups of cases that this one belongs to.
        """

    def teach(self, snapshot: SessionSnapshot, play: str | None, before: str | None) -> None:
        """Learn `snapshot`, whose newest play, if it is one, is `play`, right after `before`."""


class PrequentialPass:
    """One pass of some models over a log; warm-up first, scored events after."""

    def __init__(self, learners: Learners, rules: SessionSettings | None = None) -> None:
        """Prepare a pass; the usual rules of sessions where none are given."""
        self._learners = learners
        self._rules = rules or SessionSettings()
        self._states: dict[str, ListenerState] = {}
        self._snapshots: dict[str, SessionSnapshot] = {}
        self._played: dict[str, set[str]] = {}
        self._offset = 0

    def warm_up(self, events: Iterable[ListenEvent], progress: Callable[[], None] = lambda: None) -> None:
        """Learn events without scoring them."""
        for event in events:
            self._step(event, is_scored=False)
            progress()

    def score(self, events: Iterable[ListenEvent], progress: Callable[[], None] = lambda: None) -> None:
        """Guess each play, then learn it."""
        for event in events:
            self._step(event, is_scored=True)
            progress()

    def _step(self, event: ListenEvent, *, is_scored: bool) -> None:
        self._offset += 1
        # A log has no late events; its own order stands in for the offsets of a topic.
        position = Position("log", 0, self._offset, event.occurred_at_ms)
        applied = apply(self._states.get(event.user_id, ListenerState()), event, position, self._rules)
        if isinstance(applied, Duplicate):
            return
        snapshot = applied.snapshot
        if is_scored and is_case(snapshot):
            self._ask(snapshot)
        self._states[event.user_id] = applied.state
        self._snapshots[event.user_id] = snapshot
        if event.type.is_listen and event.track_id is not None:
            self._learners.teach(snapshot, event.track_id, snapshot.previous_track_id)
            self._played.setdefault(event.user_id, set()).add(event.track_id)
        else:
            self._learners.teach(snapshot, None, None)

    def _ask(self, snapshot: SessionSnapshot) -> None:
        target, before = str(snapshot.trigger.track_id), self._snapshots[snapshot.user_id]
        newest_first = [entry.track_id for entry in reversed(before.entries[-MAX_BEFORE:])]
        self._learners.ask(before, newest_first, target, self._groups(snapshot, before))

    def _groups(self, snapshot: SessionSnapshot, before: SessionSnapshot) -> list[Group]:
        target = snapshot.trigger.track_id
        groups = [Group.REPEAT if target in self._played.get(snapshot.user_id, ()) else Group.NEW]
        if len(before.entries) == 1:
            groups.append(Group.EARLY)
        outcome = snapshot.trigger.outcome
        if outcome is ListenOutcome.COMPLETED:
            groups.append(Group.COMPLETED)
        elif outcome is not None and outcome.is_skip:
            groups.append(Group.SKIPPED)
        return groups


class PrequentialRun:
    """A pass of the recommender and the baselines."""

    def __init__(
        self,
        recommender: Recommender | SharedLearning,
        rules: SessionSettings | None = None,
        baselines: Baselines | None = None,
        *,
        firsts: Sequence[int] = (),
    ) -> None:
        """Prepare a pass; the usual rules of sessions and the usual baselines where none are given."""
        self.contest = Contest(recommender, baselines, firsts=firsts)
        log_pass = PrequentialPass(self.contest, rules)
        self.warm_up, self.score = log_pass.warm_up, log_pass.score

    def figures(self) -> dict[str, object]:
        """Return the figures by their published keys."""
        return self.contest.figures()


def announce_all(recommender: Recommender, events: Iterable[ListenEvent]) -> None:
    """Put every track of a log into the catalogue, with the artist that is named first; nothing is played yet."""
    artist_of: dict[str, str | None] = {}
    for event in events:
        if event.track_id is not None and artist_of.get(event.track_id) is None:
            artist_of[event.track_id] = event.artist_id
    # By id and not by first play: what comes first in the log is not known beforehand.
    for track_id in sorted(artist_of):
        recommender.add_track(Track(track_id=track_id, artist_id=artist_of[track_id]))


def is_case(snapshot: SessionSnapshot) -> bool:
    """Whether the play that made the snapshot followed another track in its session."""
    before = snapshot.previous_track_id
    return snapshot.trigger.type is EventType.PLAY and before is not None and before != snapshot.trigger.track_id
