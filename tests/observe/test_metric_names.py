"""Every metric of the table passes Prometheus' own linter; a live worker's are looked at in test_real_prometheus."""

import subprocess

from prometheus import program
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, generate_latest

from streams.metrics import METRICS


def complaints(text: bytes) -> list[str]:
    """Return what `promtool check metrics` says."""
    done = subprocess.run([program("promtool"), "check", "metrics"], input=text, capture_output=True)
    return (done.stdout + done.stderr).decode().splitlines()


def test_promtool_has_nothing_to_say_against_any_metric() -> None:
    registry = CollectorRegistry()
    kinds = {"counter": Counter, "gauge": Gauge, "histogram": Histogram}
    for metric in METRICS:
        if metric.kind == "info":
            Info(metric.name.removesuffix("_info"), metric.meaning, registry=registry).info(
                dict.fromkeys(metric.labels, "x")
            )
            continue
        made = kinds[metric.kind](metric.name, metric.meaning, metric.labels, registry=registry)
        if metric.labels:
            made.labels(*metric.labels)
    text = generate_latest(registry)
    assert text.count(b"# HELP musicrec_") >= len(METRICS)
    assert [line for line in complaints(text) if "_created" not in line] == []


def test_promtool_speaks_up_where_a_name_breaks_the_conventions() -> None:
    wrong = b"# HELP musicrec_wait_ms How long.\n# TYPE musicrec_wait_ms gauge\nmusicrec_wait_ms 1\n"
    assert complaints(wrong) == ["musicrec_wait_ms metric names should not contain abbreviated units"]
