"""Deadlines are measured on a clock that never jumps; the time of day is read only where something is stamped."""

import ast
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
STAMPS = {
    "embedder/service.py": "when a vector was made",
    "index/follower.py": "age of a snapshot",
    "musicrec/cli/demo.py": "event times that end now",
    "musicrec/cli/dlq.py": "--since, as the topic has it",
    "musicrec/cli/model.py": "when a model was announced",
    "musicrec/cli/replay.py": "--shift-to-now",
    "musicrec/cli/rules.py": "when a rule was published",
    "musicrec/cli/train_sequence.py": "age of a snapshot",
    "musicrec/client/events.py": "when an event happened",
    "musicrec/demo/show.py": "event times that end now",
    "musicrec/local/kafka_server.py": "name of a folder",
    "streams/batch_loop.py": "from event to list",
    "streams/exported_traces.py": "when a span began",
    "streams/listen_ranking.py": "when a snapshot was made",
    "streams/ranking_agent.py": "when a list was made, and staleness by the broker's clock",
    "streams/ranking_state.py": "age of a snapshot",
    "streams/read_ahead.py": "what was published lately, by the broker's clock",
    "streams/snapshot_keeper.py": "name and age of a snapshot",
    "streams/web/inquiries.py": "since when dead letters are chosen",
    "streams/web/journeys.py": "how far back a journey is read",
    "streams/web/feed.py": "the last minute on the page",
    "streams/web/server.py": "the last minute on the page",
}
"""Files that read the time of day, and what for."""


@pytest.mark.row(17)
def test_the_time_of_day_is_read_only_where_something_is_stamped_with_it() -> None:
    files = [
        path for package in ("musicrec", "streams", "index", "embedder") for path in (ROOT / package).rglob("*.py")
    ]
    reading = {str(path.relative_to(ROOT)) for path in files if "bench" not in str(path) and _reads_the_day(path)}
    assert reading == STAMPS.keys()


def _reads_the_day(path: Path) -> bool:
    words = {
        (node.value.id, node.attr)
        for node in ast.walk(ast.parse(path.read_bytes()))
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    return bool(words & {("time", "time"), ("time", "time_ns"), ("datetime", "now"), ("datetime", "utcnow")})
