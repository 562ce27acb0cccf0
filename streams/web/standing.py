"""What stands on the topics of models and of rules, by name."""

from typing import TypedDict

from musicrec.contracts import CatalogueRule, ModelAnnouncement, ModelFiles, RankingVariant
from musicrec.contracts.model import VARIANT_PREFIX


class ModelView(TypedDict):
    """A model that ranking workers are told to load."""

    name: str
    version: str
    folder: str
    announced_at_ms: int


class AnnouncedVariantView(TypedDict):
    """A second way to rank."""

    name: str
    share: float
    """Of the listeners; 0 for a shadow, whose lists nobody is shown."""
    start: float
    """Where its share begins, of the hashes of listeners from 0 to 1."""
    experiment: str
    settings: list[str]
    """In what it differs, as `name=value`."""
    announced_at_ms: int


class RuleView(TypedDict):
    """A rule on every list."""

    name: str
    effect: str
    matches: int
    """Ids that it names: tracks, artists and labels."""
    markets: list[str]
    from_ms: int | None
    until_ms: int | None
    reason: str


class StandingView(TypedDict):
    """The panel; each in the order of names."""

    models: list[ModelView]
    variants: list[AnnouncedVariantView]
    rules: list[RuleView]


class Standing:
    """The newest of every name; a tombstone withdraws it."""

    def __init__(self) -> None:
        self._announced: dict[str, ModelAnnouncement] = {}
        self._rules: dict[str, CatalogueRule] = {}

    def announce(self, name: str, announcement: ModelAnnouncement | None) -> None:
        """Take an announcement, or its tombstone."""
        if announcement is None:
            self._announced.pop(name, None)
        else:
            self._announced[name] = announcement

    def put_rule(self, name: str, rule: CatalogueRule | None) -> None:
        """Take a rule, or its tombstone."""
        if rule is None:
            self._rules.pop(name, None)
        else:
            self._rules[name] = rule

    def view(self) -> StandingView:
        """Return the panel."""
        announced = [self._announced[name] for name in sorted(self._announced)]
        return {
            "models": [_model(each, each.files) for each in announced if each.files is not None],
            "variants": [_variant(each, each.variant) for each in announced if each.variant is not None],
            "rules": [_rule(self._rules[name]) for name in sorted(self._rules)],
        }


def _model(announced: ModelAnnouncement, files: ModelFiles) -> ModelView:
    return {
        "name": announced.name,
        "version": files.version,
        "folder": files.folder,
        "announced_at_ms": announced.announced_at_ms,
    }


def _variant(announced: ModelAnnouncement, variant: RankingVariant) -> AnnouncedVariantView:
    settings = [f"{setting.name}={setting.value:g}" for setting in variant.settings]
    return {
        "name": announced.name.removeprefix(VARIANT_PREFIX),
        "share": variant.share,
        "start": variant.start,
        "experiment": variant.experiment,
        "settings": settings if variant.uses_encoder else [*settings, "without session encoder"],
        "announced_at_ms": announced.announced_at_ms,
    }


def _rule(rule: CatalogueRule) -> RuleView:
    return {
        "name": rule.name,
        "effect": rule.effect.value,
        "matches": len(rule.tracks) + len(rule.artists) + len(rule.labels),
        "markets": list(rule.markets),
        "from_ms": rule.from_ms,
        "until_ms": rule.until_ms,
        "reason": rule.reason,
    }
