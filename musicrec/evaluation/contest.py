"""The recommender and the baselines, asked the same questions and taught the same plays."""

import time
from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import SessionSnapshot
from musicrec.evaluation.baselines import FOR_STREAMS, USUAL
from musicrec.evaluation.baselines.baseline import Baselines, PlayByPlay
from musicrec.evaluation.confidence import intervals
from musicrec.evaluation.metrics import LIST_LENGTH, Group, HitCounter, Scoreboard, conservative_rank
from musicrec.evaluation.play_memory import Play, PlayMemory, Question, Ranking
from musicrec.evaluation.shared_learning import SharedLearning
from musicrec.recommend import RankedList, Recommender

LONGEST_QUESTION = 40
"""Tracks of a session that models which learn play by play are shown."""

OURS = "musicrec"
"""The recommender's name beside the baselines'."""


class Contest:
    """Runs all models side by side.

    Attributes:
        ours: our recommender, or those of several workers.
        scores: a scoreboard per model name.
    """

    def __init__(
        self,
        recommender: Recommender | SharedLearning,
        baselines: Baselines | None = None,
        *,
        firsts: Sequence[int] = (),
    ) -> None:
        """Make a contest.

        Args:
            recommender: ours, or those of several workers.
            baselines: what stands beside it; the usual ones if not given.
            firsts: numbers of first cases that are counted apart.
        """
        self.ours = SharedLearning([recommender]) if isinstance(recommender, Recommender) else recommender
        self._baselines = {name: FOR_STREAMS[name] for name in USUAL} if baselines is None else dict(baselines)
        self._play_by_play = [model for model in self._baselines.values() if isinstance(model, PlayByPlay)]
        self._memory = PlayMemory()
        self.scores = {
            name: Scoreboard(firsts={most: HitCounter() for most in firsts}) for name in (OURS, *self._baselines)
        }
        self._listed_of: dict[str, int] = {}
        self._track_of: dict[str, int] = {}
        self._session_of: dict[str, int] = {}
        self._listener_of: dict[str, int] = {}
        self._artist_of: dict[str, int] = {}
        self._newest: dict[str, SessionSnapshot] = {}
        self._asked: dict[str, int] = {}

    def ask(
        self, snapshot: SessionSnapshot, newest_first: Sequence[str], target: str, groups: Collection[Group]
    ) -> None:
        """Score one case on every model.

        Args:
            snapshot: the session before the play.
            newest_first: its plays, for the baselines; the first is the current track.
            target: what was played.
            groups: groups of cases that this one belongs to; whether anybody had played the target is seen here.
        """
        unit = self._asked.setdefault(snapshot.user_id, len(self._asked))
        recommender = self.ours.answering(snapshot.user_id)
        catalogue = recommender.knowledge.catalogue
        started_s = time.perf_counter()
        ranked = recommender.rank(snapshot, LIST_LENGTH)
        board = self.scores[OURS]
        board.times_s.append(time.perf_counter() - started_s)
        # By id: each worker has numbers of its own.
        listed_ids = map(catalogue.track_id, ranked.candidates[ranked.places[ranked.places >= 0]].tolist())
        board.listed.update(self._listed_of.setdefault(track_id, len(self._listed_of)) for track_id in listed_ids)
        shown = [self._track_of.get(item.track_id, -1) for item in ranked.items]
        self._describe(board, np.array([track for track in shown if track >= 0], np.int64))
        sought = catalogue.index_of(target)
        if target not in self._track_of:  # though a catalogue may have announced it
            groups = [*groups, Group.UNHEARD]
        board.count(rank_in(ranked, sought), groups, unit=unit)
        question = Question(
            listener=self._listener_of.get(snapshot.user_id, -1),
            session=self._session_number(snapshot.session_id),
            tracks=[track for track in map(self._track_of.get, newest_first) if track is not None],
            now_ms=snapshot.trigger.occurred_at_ms,
        )
        sought = self._track_of.get(target, -1)
        for name, baseline in self._baselines.items():
            board = self.scores[name]
            started_s = time.perf_counter()
            listed, scores = self._allowed(baseline.rank(self._memory, question), question.tracks)
            board.times_s.append(time.perf_counter() - started_s)
            board.listed.update(listed[:LIST_LENGTH].tolist())
            self._describe(board, listed[:LIST_LENGTH])
            board.count(conservative_rank(sought, listed, scores), groups, unit=unit)

    def teach(self, snapshot: SessionSnapshot, play: str | None, before: str | None) -> None:
        """Let every model learn `snapshot`, whose newest play, if it is one, is `play`, right after `before`."""
        self.ours.learn(snapshot)
        if play is None:
            return
        previous = None if before is None else self._number(before)
        artist = snapshot.trigger.artist_id
        learned = Play(
            listener=self._listener_of.setdefault(snapshot.user_id, len(self._listener_of)),
            session=self._session_number(snapshot.session_id),
            track=self._number(play),
            before=previous,
            ended_at_ms=snapshot.trigger.occurred_at_ms,
            artist=-1 if artist is None else self._artist_of.setdefault(artist, len(self._artist_of)),
            outcome=snapshot.trigger.outcome,
        )
        for model in self._play_by_play:
            model.learn(self._memory, self._question_before(snapshot, learned), learned)
        self._memory.learn(learned)
        if self._play_by_play:
            self._newest[snapshot.user_id] = snapshot

    @property
    def recommender(self) -> Recommender:
        """Ours; of several workers the first."""
        return self.ours.workers[0]

    def figures(self) -> dict[str, object]:
        """Return the figures of every model by their published keys."""
        known = self.ours.known_tracks
        models = {name: board.figures(known) for name, board in self.scores.items()}
        for name in self._baselines:
            models[name]["musicrec_above"] = intervals(self.scores[OURS].units, self.scores[name].units)
        return {"models": models}

    def _question_before(self, snapshot: SessionSnapshot, play: Play) -> Question:
        """Return what would have been asked right before the play that made the snapshot."""
        before = self._newest.get(snapshot.user_id)
        if before is None or before.session_id != snapshot.session_id:
            return Question(play.listener, play.session, [], play.ended_at_ms)
        tracks = [self._track_of[entry.track_id] for entry in reversed(before.entries[-LONGEST_QUESTION:])]
        return Question(play.listener, play.session, tracks, before.trigger.occurred_at_ms)

    def _describe(self, board: Scoreboard, listed: NDArray[np.int64]) -> None:
        memory = self._memory
        board.lists.count(memory.counts[listed], memory.most_plays, memory.artist_of[listed])

    def _allowed(self, ranking: Ranking, tracks: Sequence[int]) -> Ranking:
        """Drop the current track where the recommender may not list it either."""
        listed, scores = ranking
        if not self.recommender.settings.exclude_current or not tracks:
            return ranking
        allowed = listed != tracks[0]
        return listed[allowed], scores[allowed]

    def _number(self, track_id: str) -> int:
        return self._track_of.setdefault(track_id, len(self._track_of))

    def _session_number(self, session_id: str | None) -> int:
        return self._session_of.setdefault(str(session_id), len(self._session_of))


def rank_in(ranked: RankedList, target: int) -> int:
    """Return the place of `target` in the list, from 1, ties against us; 0 where the list does not hold it."""
    if target < 0:
        return 0
    shown = np.flatnonzero(ranked.candidates[ranked.places] == target)
    shown = shown[ranked.places[shown] >= 0]
    if len(shown) == 0:
        return 0
    at = ranked.places[shown[0]]
    ties = np.count_nonzero(ranked.candidate_scores[at + 1 :] == ranked.candidate_scores[at])
    return int(shown[0]) + 1 + int(ties)
