"""Several ways to rank in one worker: listeners shared out among them, or lists made beside the shown ones.

All know the same sessions, listeners and catalogue; each has its own settings, its own ranker and its own lessons.
Without a variant all of this is the one recommender, at its cost.

A variant can never cost a list: one that fails is dropped, its listeners get the default's list, and `on_failure` is
told.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final, TypeVar

from musicrec.contracts import RecommendationRequest, SessionSnapshot
from musicrec.errors import Incompatible
from musicrec.recommend.beginning import Beginning
from musicrec.recommend.ranked_list import RankedList
from musicrec.recommend.recommender import Recommender
from musicrec.recommend.settings import RankingSettings
from musicrec.recommend.state import Pieces, State, named

MAX_VARIANTS: Final = 8
"""Each costs a lesson per lesson and about as much memory as a second recommender without its knowledge."""

ROUNDING: Final = 1e-9
"""Shares are sums of decimal fractions."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class VariantPlan:
    """What a variant is.

    Attributes:
        name: of the variant.
        settings: RankingSettings in which it differs from the default, by field.
        uses_encoder: whether the session encoder is one of its sources.
        experiment: salt of the hash that shares listeners out.
        start: the variant answers listeners whose place, see `place_of`, lies here or above.
        share: and below `start + share`; 0 for one that only makes lists beside the shown ones.
        announced_at_ms: announced anew, one that had failed is tried again.
    """

    name: str
    settings: Mapping[str, float]
    uses_encoder: bool
    experiment: str
    start: float
    share: float
    announced_at_ms: int = 0

    @property
    def is_shadow(self) -> bool:
        """Whether its lists are made and not shown."""
        return self.share == 0.0

    def overlaps(self, other: "VariantPlan") -> bool:
        """Whether a listener could belong to both."""
        if self.is_shadow or other.is_shadow:
            return False
        ends, other_ends = self.start + self.share, other.start + other.share
        apart = ends <= other.start + ROUNDING or other_ends <= self.start + ROUNDING
        return self.experiment != other.experiment or not apart


def place_of(user_id: str, experiment: str) -> float:
    """Return where a listener stands, 0 to below 1: evenly spread, and for each experiment anew.

    >>> place_of("ann", "spring") == place_of("ann", "spring") != place_of("ann", "autumn")
    True
    """
    # Lengths first: no salt and listener can be taken for another pair.
    text = f"{len(experiment)}:{experiment}{user_id}".encode()
    return int.from_bytes(blake2b(text, digest_size=6).digest(), "big") / (1 << 48)


def free_start(share: float, taken: Iterable[tuple[float, float]], preferred: float) -> float | None:
    """Return where a share of listeners fits beside those that are taken, `(start, share)` each; None where nowhere.

    At `preferred`, if it fits there: a variant that grows keeps the listeners that it has.

    >>> free_start(0.2, [(0.0, 0.1), (0.2, 0.5)], 0.0), free_start(0.5, [(0.0, 0.6)], 0.0)
    (0.7, None)
    """
    stretches = sorted(taken)
    ends = (round(other + width, 9) for other, width in stretches)
    for start in (preferred, 0.0, *ends):
        last = start + share
        if last <= 1.0 + ROUNDING and all(
            last <= other + ROUNDING or other + width <= start + ROUNDING for other, width in stretches
        ):
            return start
    return None


class Variants:
    """A recommender, and others beside it that know what it knows."""

    def __init__(self, default: Recommender, on_failure: Callable[[str, Exception], None] = lambda *_: None) -> None:
        """Make one without variants.

        Args:
            default: answers everybody whom no variant answers.
            on_failure: told of a variant that failed and was dropped.
        """
        self.default = default
        self._on_failure = on_failure
        self._plans: dict[str, VariantPlan] = {}
        self._recommenders: dict[str, Recommender] = {}
        self._shadows: tuple[str, ...] = ()
        self._failed: dict[str, VariantPlan] = {}
        self._restored: State | None = None

    @property
    def names(self) -> Sequence[str]:
        """Of the variants, in the order in which they came."""
        return tuple(self._plans)

    def arrange(self, plans: Iterable[VariantPlan]) -> dict[str, Exception]:
        """Have these variants and no others; return those that cannot be, by name, with the reason.

        Which are refused depends on the plans and their order alone, so all workers refuse the same.  Where the
        settings of a variant stay, so does what its ranker has learned.
        """
        arranged: dict[str, tuple[VariantPlan, Recommender]] = {}
        refused: dict[str, Exception] = {}
        for plan in plans:
            try:
                arranged[plan.name] = (plan, self._recommender_for(plan, [other for other, _ in arranged.values()]))
            except Exception as error:  # Incompatible; or whatever a plan from outside leads to
                refused[plan.name] = error
        self._plans = {name: plan for name, (plan, _) in arranged.items()}
        self._recommenders = {name: recommender for name, (_, recommender) in arranged.items()}
        self._shadows = tuple(name for name, plan in self._plans.items() if plan.is_shadow)
        return refused

    def begin_with(self, networks: State, beginning: Beginning) -> None:
        """Have the default go on from networks that were taught elsewhere, and all variants of their shape with it.

        A variant that kept its own would be compared for what it had learned and not for its settings; one of another
        shape keeps them, and its lists do not name the ranker.  See `Recommender.begin_with`.
        """
        self.default.begin_with(networks, beginning)
        for name in self.names:
            if _has_shape_of(self._recommenders[name].settings, self.default.settings):
                self._try(name, lambda recommender: recommender.begin_with(networks, beginning))

    def learn(self, snapshot: SessionSnapshot) -> bool:
        """Take in a snapshot; see `Recommender.learn`."""
        if self._recommenders and not self.default.knowledge.was_learned(snapshot):
            for name in self.names:
                self._try(name, lambda recommender: recommender.teach(snapshot))
        return self.default.learn(snapshot)

    def rank(self, snapshot: SessionSnapshot, limit: int = 20) -> RankedList:
        """Return the list that the listener gets; see `Recommender.rank`."""
        name = self.variant_of(snapshot.user_id)
        made = None if name is None else self._try(name, lambda recommender: recommender.rank(snapshot, limit))
        return made or self.default.rank(snapshot, limit)

    def answer(self, request: RecommendationRequest, snapshot: SessionSnapshot | None, now_ms: int) -> RankedList:
        """Return the list that the listener gets; see `Recommender.answer`."""
        name = self.variant_of(request.user_id)
        made = None
        if name is not None:
            made = self._try(name, lambda recommender: recommender.answer(request, snapshot, now_ms))
        return made or self.default.answer(request, snapshot, now_ms)

    @property
    def shadows(self) -> Sequence[str]:
        """Of the variants whose lists nobody is shown."""
        return self._shadows

    def shadow(self, name: str, snapshot: SessionSnapshot, limit: int = 20) -> RankedList | None:
        """Return a list that nobody is shown, None where the variant fails; see `Recommender.rank`."""
        return self._try(name, lambda recommender: recommender.rank(snapshot, limit))

    def variant_of(self, user_id: str) -> str | None:
        """Return the variant that answers a listener; None for the default."""
        for plan in self._plans.values():
            if plan.share and plan.start <= place_of(user_id, plan.experiment) < plan.start + plan.share:
                return plan.name
        return None

    def state(self) -> Pieces:
        """Yield what lessons taught the variants; see `Stateful`. The default's state is its own."""
        for name, recommender in self._recommenders.items():
            yield from named(_part(name, recommender), recommender.taught_state())

    def restore(self, state: State) -> None:
        """Give variants that are arranged from now on the rankers that `state` has of them, until `settle`."""
        self._restored = state

    def settle(self) -> None:
        """Whatever was restored is arranged: later variants begin as the default is by then."""
        self._restored = None

    def _recommender_for(self, plan: VariantPlan, others: Sequence[VariantPlan]) -> Recommender:
        if self._failed.get(plan.name) == plan:
            raise Incompatible("it has failed; the log says how")
        if len(others) >= MAX_VARIANTS:
            raise Incompatible(f"there are {MAX_VARIANTS} variants already; withdraw one")
        if plan.start + plan.share > 1.0 + ROUNDING:
            raise Incompatible(f"it asks for listeners up to {plan.start + plan.share:g}; they end at 1")
        if other := next((other for other in others if plan.overlaps(other)), None):
            raise Incompatible(f"it shares listeners with {other.name}; withdraw one, or name the same experiment")
        settings = self.default.settings.varied(plan.settings)
        if not plan.uses_encoder:
            settings = settings.varied({"weight_session_encoder": 0.0})
        before = self._recommenders.get(plan.name)
        if before is not None and before.settings == settings:
            return before
        made = self.default.varied(plan.name, settings)
        if self._restored is not None:
            part = self._restored.part(_part(plan.name, made))
            if part.holds("ranker.lessons"):
                made.restore_taught(part)
        return made

    def _try(self, name: str, ask: Callable[[Recommender], T]) -> T | None:
        try:
            return ask(self._recommenders[name])
        except Exception as error:
            self._failed[name] = self._plans.pop(name)
            del self._recommenders[name]
            self._shadows = tuple(shadow for shadow in self._shadows if shadow != name)
            self._on_failure(name, error)
            return None


def _has_shape_of(ours: RankingSettings, others: RankingSettings) -> bool:
    return (ours.ranker_hidden, ours.skip_hidden) == (others.ranker_hidden, others.skip_hidden)


def _part(name: str, recommender: Recommender) -> str:
    """Return where a ranker lies: of other settings it would be another one."""
    return f"{name}-{recommender.settings.version()}"
