"""A new variant beside those that are announced: which listeners are left for it."""

from collections.abc import Mapping
from typing import Final

from pydantic import ValidationError

from musicrec.contracts import ModelAnnouncement, RankingSetting, RankingVariant
from musicrec.errors import BadInput
from musicrec.recommend.settings import RankingSettings
from musicrec.recommend.variants import free_start

DEFAULT_EXPERIMENT: Final = "default"


def variant_beside(
    found: Mapping[str, ModelAnnouncement],
    key: str,
    *,
    share: float,
    settings: Mapping[str, float],
    uses_encoder: bool,
    experiment: str | None,
    now_ms: int,
) -> ModelAnnouncement:
    """Return the announcement of a variant, with listeners that no other variant answers.

    Args:
        found: what is announced, by name.
        key: `variant/NAME`; where it is found, the variant keeps its listeners, if its share still fits there.
        share: of the listeners; 0 for a shadow.
        settings: in which it differs, by name.
        uses_encoder: whether the session encoder is one of its sources.
        experiment: salt that shares listeners out; that of the others where none is given.
        now_ms: epoch milliseconds.

    Raises:
        BadInput: no listeners are left for it, or the others share them out in another way.
        Incompatible: a setting cannot differ so.
    """
    RankingSettings().varied(settings)
    shown = {
        name: each.variant for name, each in found.items() if each.variant and not each.variant.shadow and name != key
    }
    for name, other in shown.items() if share else ():
        experiment = other.experiment if experiment is None else experiment
        if other.experiment != experiment:
            raise BadInput(f"{name} shares listeners out by {other.experiment!r}: withdraw it, or name the same")
    before = found[key].variant if key in found else None
    taken = [(other.start, other.share) for other in shown.values()]
    start = free_start(share, taken, before.start if before is not None else 0.0) if share else 0.0
    if start is None:
        others = ", ".join(f"{name} {other.share:g} from {other.start:g} on" for name, other in shown.items())
        raise BadInput(f"{key}: no stretch of {share:g} of the listeners is free beside {others}")
    try:
        return ModelAnnouncement(
            name=key,
            variant=RankingVariant(
                settings=tuple(RankingSetting(name=name, value=value) for name, value in settings.items()),
                uses_encoder=uses_encoder,
                experiment=experiment or DEFAULT_EXPERIMENT,
                start=start,
                share=share,
                shadow=not share,
            ),
            announced_at_ms=now_ms,
        )
    except ValidationError as error:
        raise BadInput(str(error.errors()[0]["msg"])) from None
