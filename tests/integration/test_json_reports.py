"""`--json` of every evaluation and measurement: one object as the last line of stdout, with the promised keys."""

import csv
import gzip
import json
import subprocess
import sys
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet

from musicrec.local import StackAddresses

MODELS = ("musicrec", "popularity", "markov", "session-knn")


def report(*arguments: object) -> dict[str, Any]:
    command = [sys.executable, "-m", "musicrec.cli.main", *map(str, arguments), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=200, check=False)
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(figures, dict)
    return figures


def check_models(figures: dict[str, Any], *, artists: bool = True) -> None:
    assert tuple(figures["models"]) == MODELS
    for name, row in figures["models"].items():
        for part in ("all", "repeat", "new", "unheard", "early", "completed", "skipped"):
            assert row[part].keys() == {"events", "hr@20", "mrr@20"}
            assert 0 <= row[part]["mrr@20"] <= row[part]["hr@20"] <= 1
        assert row["repeat"]["events"] + row["new"]["events"] == row["all"]["events"] > 0
        assert 0 <= row["coverage@20"] <= 1
        assert 0 < row["popularity@20"] <= 1
        for figure, known in (
            ("artist_diversity@20", artists),
            ("hr_completed_minus_skipped", row["skipped"]["events"]),
        ):
            assert (row[figure] is not None) == bool(known)
        assert 0 < row["p50_ms"] <= row["p99_ms"]
        if name != "musicrec":
            assert all(low <= high for low, high in row["musicrec_above"].values())


@pytest.mark.eval_data
def test_evaluate_stream_beats_every_baseline_on_a_real_log(eval_data: Path) -> None:
    figures = report("evaluate", "stream", eval_data / "listens.parquet", "--limit", 8_000)
    check_models(figures)
    ours, *others = (figures["models"][name]["all"] for name in MODELS)
    assert all(ours[metric] > other[metric] for other in others for metric in ("hr@20", "mrr@20"))


@pytest.mark.eval_data
def test_evaluate_stream_leaves_the_unscored_events_out_of_the_figures(eval_data: Path) -> None:
    def cases(*options: object) -> int:
        figures = report("evaluate", "stream", eval_data / "listens.parquet", "--baselines", "markov", *options)
        assert tuple(figures["models"]) == ("musicrec", "markov")
        return int(figures["models"]["markov"]["all"]["events"])

    assert 0 < cases("--limit", 3_000, "--unscored", 2_000) == cases("--limit", 3_000) - cases("--limit", 2_000)


@pytest.mark.timeout(480)  # five processes
@pytest.mark.eval_data
def test_a_ranker_that_begins_anew_as_it_was_trained_goes_on_as_if_it_had_not(tmp_path: Path, eval_data: Path) -> None:
    log = eval_data / "listens.parquet"
    train = [sys.executable, "-m", "musicrec.cli.main", "train", "ranker", str(tmp_path), "--log", str(log)]
    subprocess.run([*train, "--limit", "1000"], capture_output=True, timeout=200, check=True)

    def ours(*options: object) -> dict[str, Any]:
        limits = ("--limit", 1_600, "--baselines", "", "--first", 100, "--first", 1_000_000)
        figures: dict[str, Any] = report("evaluate", "stream", log, *limits, *options)["models"]["musicrec"]
        assert [row["events"] for row in figures["first"]] == [100, figures["all"]["events"]]
        assert figures["first"][1] == figures["all"]
        return figures

    went_on, trained = ours("--unscored", 1_000), ours("--unscored", 1_000, "--anew", "--ranker", tmp_path)
    beginner, knows_nothing = ours("--unscored", 1_000, "--anew"), ours("--skip", 1_000, "--ranker", tmp_path)
    assert trained["first"] == went_on["first"]
    assert beginner["all"] != went_on["all"]
    assert knows_nothing["repeat"]["events"] < went_on["repeat"]["events"]


@pytest.mark.eval_data
def test_evaluate_stream_learns_the_warm_up_without_scoring_it(tmp_path: Path, eval_data: Path) -> None:
    log = parquet.read_table(eval_data / "listens.parquet").sort_by("ended_at_ms")
    for name, first, rows in (("before", 0, 4_000), ("then", 4_000, 1_500)):
        parquet.write_table(log.slice(first, rows), tmp_path / f"{name}.parquet")
    later = ("evaluate", "stream", tmp_path / "then.parquet", "--baselines", "")
    alone = report(*later)["models"]["musicrec"]
    warmed = report(*later, "--warm-up", tmp_path / "before.parquet")
    row = warmed["models"]["musicrec"]
    # Sessions that began in the warm-up go on; what was played in it is a repeat now, and better known.
    assert 0 <= row["all"]["events"] - alone["all"]["events"] < 100
    assert row["repeat"]["events"] > alone["repeat"]["events"]
    assert row["all"]["hr@20"] > alone["all"]["hr@20"]


@pytest.mark.eval_data
def test_evaluate_sessions_takes_every_test_line_as_a_case(tmp_path: Path, eval_data: Path) -> None:
    for name, lines in (("all_train_seq.txt", 4_000), ("test.txt", 500)):
        with gzip.open(eval_data / "nowplaying" / f"{name}.gz", "rt") as source:
            (tmp_path / name).write_text("".join(islice(source, lines)))
    figures = report("evaluate", "sessions", "--train", tmp_path / "all_train_seq.txt", "--test", tmp_path / "test.txt")
    check_models(figures, artists=False)
    assert {row["all"]["events"] for row in figures["models"].values()} == {500}


@pytest.mark.eval_data
def test_evaluate_sessions_sets_every_baseline_beside_it_and_goes_on_learning(tmp_path: Path, eval_data: Path) -> None:
    with gzip.open(eval_data / "nowplaying" / "all_train_seq.txt.gz", "rt") as source:
        (tmp_path / "train.txt").write_text("".join(islice(source, 1_500)))
    options = ("--train", tmp_path / "train.txt", "--validation", 120, "--baselines", "all")
    frozen, learning = (report("evaluate", "sessions", *options, *more)["models"] for more in ((), ("--learn-lag", 10)))
    assert len(frozen) == 10  # ours and all but sasrec
    for name, row in frozen.items():
        assert learning[name]["all"]["events"] == row["all"]["events"] > 200
    assert learning["musicrec"]["all"]["hr@20"] > frozen["musicrec"]["all"]["hr@20"]


@pytest.mark.eval_data
@pytest.mark.torch
def test_train_sequence_on_text_sessions_serves_an_evaluation(tmp_path: Path, eval_data: Path) -> None:
    with gzip.open(eval_data / "nowplaying" / "all_train_seq.txt.gz", "rt") as source:
        (tmp_path / "train.txt").write_text("".join(islice(source, 1_500)))
    sessions, encoder = ("--train", tmp_path / "train.txt"), tmp_path / "encoder"
    small = ("--dimension", 32, "--epochs", 1, "--threads", 1, "--work", tmp_path / "work")
    trained = report("train", "sequence", encoder, *sessions, "--held-out", 300, *small)
    assert trained["sessions"] == 1_200
    assert trained["metrics"]["hr@20"] > 0.02
    cases = (*sessions, "--validation", 300, "--baselines", "popularity")
    without, beside = (
        report("evaluate", "sessions", *cases, *more)["models"]["musicrec"]["all"]
        for more in ((), ("--encoder", encoder))
    )
    assert without["events"] == beside["events"]
    assert without != beside


@pytest.mark.eval_data
@pytest.mark.torch
def test_train_sequence_on_a_log_serves_an_evaluation_of_what_came_later(tmp_path: Path, eval_data: Path) -> None:
    log, encoder = eval_data / "listens.parquet", tmp_path / "encoder"
    small = ("--dimension", 16, "--epochs", 1, "--threads", 1, "--work", tmp_path / "work")
    trained = report("train", "sequence", encoder, "--train", log, "--limit", 4_000, *small)
    assert trained["sessions"] > 50
    cases = (log, "--limit", 5_000, "--unscored", 4_000)
    check_models(report("evaluate", "stream", *cases, "--encoder", encoder))


@pytest.mark.eval_data
@pytest.mark.torch
def test_evaluate_audio_on_real_music(tmp_path: Path, eval_data: Path) -> None:
    music, labels = eval_data / "game-music", tmp_path / "labels.tsv"
    with (music / "clips.tsv").open(newline="") as source, labels.open("w", newline="") as target:
        reader = csv.DictReader(source, delimiter="\t")
        writer = csv.DictWriter(target, reader.fieldnames or (), delimiter="\t")
        writer.writeheader()
        writer.writerows(islice(reader, 18, 30))  # six of each of two soundtracks
    work = ("--work", tmp_path / "work")
    figures = report("evaluate", "audio", music, "--labels", labels, "--label", "soundtrack", *work)
    assert figures["models"].keys() == {"musicrec", "mfcc", "mfcc-spectral", "descriptors"}
    assert all(0 <= row["precision@5"] <= 1 for row in figures["models"].values())


@pytest.mark.eval_data
@pytest.mark.torch
def test_train_adapt_makes_weights_that_the_encoder_serves(tmp_path: Path, eval_data: Path) -> None:
    from embedder.encoder import AudioEncoder

    out = tmp_path / "ours.safetensors"
    small = ("--most", 8, "--threads", 1, "--work", tmp_path / "work")
    figures = report("train", "adapt", out, "--audio", eval_data / "game-music", *small)
    encoder = AudioEncoder.load(out)
    assert figures["tracks"] == 8
    assert (encoder.model_version, figures["adapted_from"]) == (
        figures["model_version"],
        AudioEncoder.load().model_version,
    )
    assert encoder.model_version != figures["adapted_from"]


@pytest.mark.eval_data
@pytest.mark.torch
def test_evaluate_unplayed_finds_what_nobody_played_better_than_neighbours_by_sound(
    tmp_path: Path, eval_data: Path
) -> None:
    music, labels = eval_data / "game-music", tmp_path / "labels.tsv"
    with (music / "clips.tsv").open(newline="") as source, labels.open("w", newline="") as target:
        reader = csv.DictReader(source, delimiter="\t")
        writer = csv.DictWriter(target, reader.fieldnames or (), delimiter="\t")
        writer.writeheader()
        writer.writerows(islice((row for number, row in enumerate(reader) if number % 4 == 0), 48))
    figures = report(
        "evaluate", "unplayed", eval_data / "listens.parquet", "--limit", 150_000,
        "--clips", music, "--labels", labels, "--label", "soundtrack",
    )  # fmt: skip
    assert list(figures["models"]) == [
        *("musicrec", "musicrec-described", "encoder", "encoder-artist", "encoder-sound"),
        *("audio-knn", "audio-knn-current", "description-knn", "description-knn-itself", "chance"),
    ]
    assert (figures["tracks"], figures["cases"] > 300) == (48, True)
    recall = {name: row["unplayed"]["recall@20"] for name, row in figures["models"].items()}
    assert all(0 <= value <= 1 for value in recall.values())
    found = {name: row["all"]["recall@20"] for name, row in figures["models"].items()}
    assert found["encoder"] > found["audio-knn"] > 0
    assert found["description-knn"] > found["description-knn-itself"]


def test_bench_rank() -> None:
    ours = report("bench", "rank", "--plays", 3_000, "--tracks", 2_000, "--lists", 100)["ours"]
    assert ours["tracks"] == 2_000
    assert 0 < ours["p50_ms"] <= ours["p99_ms"]


def test_bench_index() -> None:
    figures = report("bench", "index", "--vectors", 2_000)
    assert figures["ours"]["vectors"] == 2_000
    assert figures["ours"]["recall@100"] == pytest.approx(1.0, abs=0.01)
    assert figures["exact"]["p50_ms"] > 0


@pytest.mark.torch
def test_bench_embed() -> None:
    figures = report("bench", "embed", "--tracks", 1, "--librosa-tracks", 1, "--seconds", 3)
    assert all(figures[way]["tracks_per_s_per_core"] > 0 for way in ("ours", "librosa"))


@pytest.mark.kafka
def test_bench_path_and_ingest_on_servers_that_are_there(stack: StackAddresses) -> None:
    servers = ("--kafka", stack.kafka.bootstrap_servers, "--redis", stack.redis.url.get_secret_value())
    figures = report("bench", "path", "--seconds", 1, "--rate", 50, "--flat-out", 200, *servers)
    for way in ("ours", "relay"):
        assert 0 < figures[way]["p50_ms"] <= figures[way]["p99_ms"]
    assert figures["ours"]["lists_per_s"] > 0
    assert report("bench", "ingest", "--events", 200, *servers)["ours"]["events_per_s"] > 0


@pytest.mark.kafka
def test_bench_path_with_everything_on_servers_of_its_own() -> None:
    # Its catalogue and vectors would be everybody's on servers that tests share.
    figures = report("bench", "path", "--seconds", 1, "--rate", 50, "--flat-out", 200, "--everything", "--in-one")
    assert figures["ours"]["lists_per_s"] > 0
