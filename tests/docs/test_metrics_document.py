"""The table of metrics is what the code exports."""

import re
from pathlib import Path

from musicrec.documents.member_docs import member_docs
from streams.metrics import METRICS, EventOutcome, ModelOutcome, metrics_document

ROOT = Path(__file__).resolve().parents[2]
NO_BASE_UNIT = re.compile(r"_(ms|milliseconds|minutes|hours|days|kb|mb|kilobytes|megabytes|percent)(_|$)")
BOUNDED = {"topic", "partition", "outcome", "reason", "op", "server", "agent", "effect", "version", "python", "variant"}
BOUNDED |= {"route", "method", "status", "kind"}


def test_the_table_of_metrics_is_what_the_code_says() -> None:
    assert (ROOT / "deploy/metrics.md").read_text() == metrics_document(), (
        "run `musicrec worker --metrics > deploy/metrics.md`"
    )


def test_names_follow_the_conventions_and_labels_are_bounded() -> None:
    names = [metric.name for metric in METRICS]
    assert len(set(names)) == len(names)
    for metric in METRICS:
        assert metric.name.startswith("musicrec_")
        assert metric.name.endswith("_total") == (metric.kind == "counter"), metric.name
        assert metric.name.endswith("_info") == (metric.kind == "info"), metric.name
        assert metric.name.endswith("_seconds") or metric.kind != "histogram", metric.name
        assert "timestamp" not in metric.name or metric.name.endswith("_timestamp_seconds"), metric.name
        assert not NO_BASE_UNIT.search(metric.name), metric.name
        assert set(metric.labels) <= BOUNDED


def test_every_outcome_is_explained() -> None:
    for outcomes in (EventOutcome, ModelOutcome):
        assert member_docs(outcomes).keys() == {outcome.value for outcome in outcomes}
