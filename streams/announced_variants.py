"""The variants that are announced, in the order of their announcements: all workers arrange the same ones."""

import logging
from typing import Final

from musicrec.contracts import ModelAnnouncement
from musicrec.contracts.model import VARIANT_PREFIX
from musicrec.errors import Incompatible
from musicrec.recommend.variants import VariantPlan, Variants
from streams.counters import Counters
from streams.metrics import ModelOutcome

log = logging.getLogger(__name__)


class AnnouncedVariants:
    """Keeps a worker's variants as announced; one that cannot be is refused, and nobody is answered by it."""

    def __init__(self, counters: Counters) -> None:
        self._counters = counters
        self._plans: dict[str, VariantPlan] = {}
        self._variants: Variants | None = None
        self._said: dict[str, str] = {}

    def use(self, variants: Variants) -> None:
        """Arrange what is announced here from now on."""
        self._variants = variants
        self._said = {}
        self._arrange()

    def take(self, name: str, announced: ModelAnnouncement | None) -> None:
        """Take in what is announced under a name, None where it is withdrawn; names of other things pass."""
        if not name.startswith(VARIANT_PREFIX):
            return
        variant = name.removeprefix(VARIANT_PREFIX)
        before = self._plans.pop(variant, None)
        if announced is not None:
            self._plans[variant] = plan_of(announced)
        elif before is not None:
            self._counters.model(ModelOutcome.WITHDRAWN)
            log.info("variant %s is withdrawn", variant)
        self._said.pop(variant, None)
        self._arrange()

    def failed(self, name: str, error: Exception) -> None:
        """A variant failed and is dropped; its listeners get the lists of the default."""
        self._counters.model(ModelOutcome.REFUSED)
        log.error("variant %s failed and is not used until it is announced anew", name, exc_info=error)
        self._said[name] = FAILED

    def _arrange(self) -> None:
        if self._variants is None:
            return
        refused = self._variants.arrange(self._plans.values())
        for name, plan in self._plans.items():
            error = refused.get(name)
            said = _described(plan) if error is None else str(error) if isinstance(error, Incompatible) else repr(error)
            if self._said.get(name) in (said, FAILED):
                continue
            self._said[name] = said
            self._counters.model(ModelOutcome.IN_USE if error is None else ModelOutcome.REFUSED)
            if error is None:
                log.info("variant %s: %s", name, said)
            else:
                log.error("variant %s is refused: %s", name, said)


FAILED: Final = "failed"


def plan_of(announced: ModelAnnouncement) -> VariantPlan:
    """Return what an announced variant is.

    Raises:
        ValueError: it is no variant.
    """
    variant = announced.variant
    if variant is None:
        raise ValueError(f"{announced.name} is no variant")
    return VariantPlan(
        name=announced.name.removeprefix(VARIANT_PREFIX),
        settings={setting.name: setting.value for setting in variant.settings},
        uses_encoder=variant.uses_encoder,
        experiment=variant.experiment,
        start=variant.start,
        share=variant.share,
        announced_at_ms=announced.announced_at_ms,
    )


def _described(plan: VariantPlan) -> str:
    listeners = "makes lists that nobody is shown" if plan.is_shadow else f"{plan.share:.1%} of the listeners"
    differs = [f"{name}={value:g}" for name, value in plan.settings.items()]
    return ", ".join([listeners, *differs, *([] if plan.uses_encoder else ["no session encoder"])])
