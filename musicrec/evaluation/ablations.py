"""What each part of the ranking is worth: one pass over a log per part that is left out."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import islice
from pathlib import Path
from typing import Any, Final

from musicrec.contracts import SessionSnapshot
from musicrec.evaluation.baselines.baseline import Baselines
from musicrec.evaluation.contest import OURS, Contest
from musicrec.evaluation.listening_log import has_feedback, read_log
from musicrec.evaluation.metrics import Group, HitCounter
from musicrec.evaluation.prequential import PrequentialPass
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.session_encoder import SessionEncoder

Changes = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Ablation:
    """One part left out, or one dial turned.

    Attributes:
        name: in the table.
        changes: fields of `RankingSettings` that differ.
        has_encoder: whether the session encoder speaks, where one is given.
        is_of_feedback: whether it changes nothing where a log has no likes, saves and the like.
    """

    name: str
    changes: Changes = field(default_factory=dict)
    has_encoder: bool = True
    is_of_feedback: bool = False


EVERYTHING: Final = Ablation("everything")
NO_RANKER: Final = Ablation("the ranker: rank fusion alone", {"ranked_candidates": 0})
ABLATIONS: Final[Sequence[Ablation]] = (
    EVERYTHING,
    Ablation("session-kNN", {"weight_session_knn": 0.0}),
    Ablation("sequential rules", {"weight_sequential_rules": 0.0}),
    Ablation("the listener's habit", {"weight_listener_habit": 0.0}),
    Ablation("the listener's memory", {"weight_listener_memory": 0.0}),
    Ablation("same artist", {"weight_same_artist": 0.0}),
    Ablation("session encoder", has_encoder=False),
    Ablation("popular and new", {"weight_popular": 0.0, "weight_new": 0.0}),
    NO_RANKER,
    Ablation("half of the lessons", {"ranker_lesson_every": 2 * RankingSettings().ranker_lesson_every}),
    Ablation("what followed the current track", {"knows_successions": False}),
    Ablation("what kept the session company", {"knows_company": False}),
    Ablation("likeness to what was skipped", {"knows_skip_likeness": False}),
    Ablation("the skip forecast", {"skip_aversion": 0.0}),
    Ablation("the skip forecast, three times as strong instead", {"skip_aversion": 3.0}),
    Ablation(
        "all that is known of skips",
        {
            "skip_aversion": 0.0,
            "knows_skip_likeness": False,
            "ranker_skip_weight": 1.0,
            "late_skip_strength": 1.0,
            "early_skip_strength": 1.0,
            "exclude_skipped": False,
        },
    ),
    Ablation("the rule that a skipped track does not come again in its session", {"exclude_skipped": False}),
    Ablation("what likes, saves, shares and purchases weigh", {"feedback_strength": 0.0}, is_of_feedback=True),
    Ablation("the factor on repeats in the session", {"repeat_factor": 1.0}),
    Ablation("the freedom of artists: at most three tracks of one", {"artist_cap": 3}),
    Ablation("sameness: diversity 0.3 instead", {"diversity": 0.3}),
    Ablation("fame: popularity dial at 0.3 instead", {"popularity_dial": 0.3}),
    Ablation("habit: discovery dial at 0.5 instead", {"discovery": 0.5}),
)
"""Each names what is left out."""


def ablations_of(log: Path) -> list[Ablation]:
    """Return those that can change anything on this log.

    Raises:
        BadInput: as `read_log`.
    """
    with_feedback = has_feedback(log)
    return [each for each in ABLATIONS if with_feedback or not each.is_of_feedback]


class Course(Contest):
    """A contest that also keeps hit rate and reciprocal rank per stretch of cases."""

    def __init__(self, recommender: Recommender, baselines: Baselines, stretch: int) -> None:
        """Make one whose points stand `stretch` cases apart."""
        super().__init__(recommender, baselines)
        self._stretch = stretch
        self._before = {name: (0, 0.0) for name in self.scores}
        self.points: dict[str, list[tuple[float, float]]] = {name: [] for name in self.scores}
        """Per model, hit rate and reciprocal rank of each whole stretch."""

    def ask(
        self, snapshot: SessionSnapshot, newest_first: Sequence[str], target: str, groups: Collection[Group]
    ) -> None:
        """See `Contest`."""
        super().ask(snapshot, newest_first, target, groups)
        if self.scores[OURS].all.cases % self._stretch == 0:
            for name, board in self.scores.items():
                self._mark(name, board.all)

    def _mark(self, name: str, counted: HitCounter) -> None:
        hits, ranks = self._before[name]
        self.points[name].append(
            ((counted.hits - hits) / self._stretch, (counted.reciprocal_ranks - ranks) / self._stretch)
        )
        self._before[name] = counted.hits, counted.reciprocal_ranks


@dataclass(frozen=True, slots=True)
class AblationResult:
    """What one pass came to.

    Attributes:
        name: of the ablation.
        figures: as `evaluate stream` has them, of each model.
        points: hit rate and reciprocal rank of each stretch of cases, per model.
    """

    name: str
    figures: Mapping[str, Any]
    points: Mapping[str, Sequence[tuple[float, float]]]


def measured(
    ablation: Ablation,
    log: Path,
    *,
    limit: int | None,
    unscored: int,
    encoders: Iterable[SessionEncoder],
    baselines: Baselines,
    stretch: int,
) -> AblationResult:
    """Run one pass.

    Args:
        ablation: what is left out.
        log: a listening log.
        limit: events of it that are read; all if None.
        unscored: first events that are learned alone.
        encoders: trained ones.
        baselines: what stands beside.
        stretch: cases per point of the course.
    """
    settings = replace(RankingSettings(), **ablation.changes)  # type: ignore[arg-type]
    recommender = Recommender(settings, encoders=tuple(encoders) if ablation.has_encoder else ())
    course = Course(recommender, baselines, stretch)
    one_pass = PrequentialPass(course)
    events = read_log(log, limit)
    one_pass.warm_up(islice(events, unscored))
    one_pass.score(events)
    return AblationResult(ablation.name, course.figures()["models"], course.points)  # type: ignore[arg-type]
