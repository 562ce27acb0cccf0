"""After the rehearsal nothing is left to compile."""

import importlib
import pkgutil
from typing import Any

from listening import Listening
from numba.core.dispatcher import Dispatcher

import musicrec.recommend
from musicrec.contracts import CatalogueRule, EventType, Mode, RecommendationRequest, RuleEffect, Track
from musicrec.recommend import Recommender
from streams.warm_up import compile_kernels


def kernels() -> dict[str, Any]:
    found = {}
    for module in pkgutil.iter_modules(musicrec.recommend.__path__, "musicrec.recommend."):
        for name, value in vars(importlib.import_module(module.name)).items():
            if isinstance(value, Dispatcher):
                found[f"{value.__module__}.{name}"] = value
    return found


def test_lists_and_lessons_after_the_rehearsal_compile_nothing() -> None:
    compile_kernels()
    before = {name: len(kernel.signatures) for name, kernel in kernels().items()}
    assert before
    recommender, world = Recommender(), Listening()
    for number in range(7):
        recommender.add_track(Track(track_id=f"t{number}", title="Title", tags=("loud",)))
    for number in range(60):
        snapshot = world.play(f"u{number % 3}", f"t{number % 7}", f"a{number % 2}", skip=number % 4 == 0)
        recommender.learn(snapshot)
        recommender.rank(snapshot)
    for number in range(300):  # more than a list looks through
        recommender.add_track(Track(track_id=f"more-{number}"))
    recommender.rank(snapshot)
    recommender.add_track(Track(track_id="new", label="loud", markets=("DE",)))
    for effect, labels in ((RuleEffect.DENY, ()), (RuleEffect.ALLOW, ("loud",))):
        rule = CatalogueRule(
            name=effect.value, effect=effect, tracks=("t1",), labels=labels, published_at_ms=world.now_ms
        )
        recommender.put_rule(rule)
        recommender.rank(snapshot)
    recommender.learn(world.feedback("u0", EventType.LIKE, "t1"))
    for mode in (Mode.PERSONAL, Mode.POPULAR, Mode.NEW):
        request = RecommendationRequest(request_id="r", user_id="u0", mode=mode, requested_at_ms=world.now_ms)
        recommender.answer(request, None, world.now_ms)
    assert {name: len(kernel.signatures) for name, kernel in kernels().items()} == before
