"""Every list that decodes can be explained."""

import json
import unicodedata

from hypothesis import HealthCheck, given, settings
from record_strategies import records

from musicrec.contracts import Recommendation
from musicrec.explain import explain
from musicrec.explain.wording import lines_of, object_of


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(records(Recommendation))
def test_every_list_is_explained_in_harmless_words_and_strict_json(made: Recommendation) -> None:
    explanation = explain(made)
    shown = "\n".join(lines_of(explanation))
    assert {c for c in shown if unicodedata.category(c)[0] in "CZ"} <= {" ", "\n"}
    assert len(json.loads(json.dumps(object_of(explanation), allow_nan=False))["items"]) == len(made.items)
