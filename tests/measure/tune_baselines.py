"""Choose the settings of the baselines: for text sessions, on the newest sessions of the training file; for streams, on
the first plays of a log, which `musicrec evaluate stream --unscored` then leaves out of the figures.

python tests/measure/tune_baselines.py --train all_train_seq.txt.gz [--validation 12800] [--cases 20000] [NAME ...]
python tests/measure/tune_baselines.py --log listens.parquet [--limit 100000] [--unscored 50000] NAME ...

With --train, one setting after the other takes the best of its values, the others held, until none changes or
`--rounds` are over, and the last line of each is the best found, to be written into
`musicrec/evaluation/baselines/__init__.py`; sasrec is measured after each epoch.  With --log, every value of every
setting is tried in one pass, the others held.
"""

import argparse
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from typing import Any, cast

import numpy as np

from musicrec.evaluation.baselines import FOR_STREAMS, FOR_TEXT_SESSIONS
from musicrec.evaluation.baselines.sasrec import SasRec, epochs_of, sequences_of
from musicrec.evaluation.listening_log import read_log
from musicrec.evaluation.metrics import HitCounter, conservative_rank
from musicrec.evaluation.play_memory import Play, PlayMemory, Question
from musicrec.evaluation.prequential import PrequentialRun
from musicrec.evaluation.text_sessions import EPOCH_MS, PLAY_STEP_MS, SESSION_STEP_MS, read_text_sessions
from musicrec.recommend import Recommender

VALUES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "item-knn": {
        "tracks": (1, 2, 3, 5, 10, 20),
        "place_decay": (0.4, 0.6, 0.8, 0.9),
        "rows_per_track": (512, 2_048, 8_192),
    },
    "sequential-rules": {
        "antecedents": (1, 3, 5, 10, 20),
        "antecedent_decay": (0.5, 0.6, 0.7, 0.8, 0.9),
        "longest_step": (1, 5, 10, 15, 30),
        "repeat_factor": (0.1, 0.3, 0.5, 1.0),
        "recency_ms": tuple(minutes * 60_000.0 for minutes in (4_000, 16_000, 64_000)),
        "recency_power": (0.0, 0.5, 1.0, 2.0),
        "rows_per_track": (512, 2_048, 5_000),
    },
    "session-knn": {
        "neighbours": (100, 200, 288, 500, 1_000),
        "newest_rows": (500, 1_502, 5_000),
        "query_length": (2, 4, 6, 10, 20),
        "idf": (0.0, 1.0, 2.0, 5.0),
    },
    "vstan": {
        "neighbours": (100, 200, 400, 800, 1_500),
        "rows_per_track": (1_000, 5_000, 8_192),
        "position_decay": (2.0, 4.0, 8.0, 16.0, 32.0),
        "match_decay": (1.0, 2.0, 4.0, 8.0),
        "distance_decay": (2.0, 4.0, 8.0, 16.0),
        "before_match": (0.2, 0.35, 0.5, 0.75, 1.0),
        "idf": (0.0, 0.5, 1.0, 2.0, 4.0),
        "recency_ms": tuple(minutes * 60_000.0 for minutes in (4_000, 16_000, 64_000, 256_000)),
        "recency_power": (0.5, 1.0, 2.0),
        "repeat_factor": (0.1, 0.2, 0.3, 0.5, 1.0),
    },
    "svd": {
        "repeat_factor": (0.3, 1.0),
        "place_decay": (0.6, 0.7, 0.9),
        "dimension": (512, 1_024),
        "popularity_power": (0.2, 0.4, 0.7),
    },
    "als": {
        "repeat_factor": (0.3, 1.0),
        "place_decay": (0.6, 0.8),
        "confidence": (10.0, 40.0, 160.0),
        "dimension": (128, 256),
    },
}
"""What is tried on text sessions."""

STREAM_VALUES: Mapping[str, Mapping[str, Sequence[Any]]] = {
    "svd": {
        "dimension": (128, 512),
        "popularity_power": (0.4, 0.7),
        "repeat_factor": (0.3, 1.0),
    },
    "als": {"dimension": (64, 128), "confidence": (10.0, 40.0), "repeat_factor": (0.3, 1.0)},
    "content-profile": {
        "place_decay": (0.6, 0.8),
        "history_weight": (0.3, 1.0, 3.0),
        "popularity_power": (0.25, 0.5, 1.0),
    },
    "preference-classifier": {"noes": (0, 4), "rate": (0.03, 0.1)},
}
"""What is tried on a log."""


def fusions() -> Mapping[str, Sequence[Any]]:
    """Return what is tried of the fusion: of VSTAN and the rules as they are."""
    vstan, rules = FOR_TEXT_SESSIONS["vstan"], FOR_TEXT_SESSIONS["sequential-rules"]
    parts = tuple(((vstan, weight), (rules, round(1 - weight, 2))) for weight in (0.5, 0.6, 0.7, 0.8, 0.9))
    return {"rank_constant": (1.0, 3.0, 5.0, 10.0, 30.0), "parts": parts}


@dataclass(frozen=True, slots=True)
class Case:
    """A question and what was played."""

    question: Question
    target: int


def learned(train: Sequence[list[str]]) -> tuple[PlayMemory, dict[str, int]]:
    """Return what is known after the training sessions, and the index of each track."""
    memory, index = PlayMemory(), dict[str, int]()
    for number, tracks in enumerate(train, 1):
        before = None
        for place, name in enumerate(tracks, 1):
            track = index.setdefault(name, len(index))
            ended_at_ms = EPOCH_MS + number * SESSION_STEP_MS + place * PLAY_STEP_MS
            memory.learn(Play(number, number, track, before, ended_at_ms))
            before = track
    return memory, index


def cases_of(sessions: Sequence[list[str]], index: Mapping[str, int], number: int) -> Iterator[Case]:
    """Yield every track of each session but the first as a case, all at the time of session `number`."""
    for tracks in sessions:
        for end in range(1, len(tracks)):
            known = [index[name] for name in reversed(tracks[:end]) if name in index]
            now_ms = EPOCH_MS + number * SESSION_STEP_MS + end * PLAY_STEP_MS
            yield Case(Question(-1, -1, known, now_ms), index.get(tracks[end], -1))


def measured(baseline: Any, memory: PlayMemory, cases: Sequence[Case]) -> HitCounter:
    """Ask a baseline all cases."""
    counter = HitCounter()
    for case in cases:
        counter.count(conservative_rank(case.target, *baseline.rank(memory, case.question)))
    return counter


def worth(counter: HitCounter) -> float:
    """Return what is maximised: hit rate and reciprocal rank together, a point of each counts the same."""
    figures = counter.figures()
    return figures["hr@20"] + figures["mrr@20"]


def tune_on_log(names: Sequence[str], log: Path, limit: int, unscored: int) -> None:
    """Print what each value of each setting is worth, the others held; all in one pass over the log."""
    tried: dict[str, Any] = {}
    for name in names:
        now: Any = FOR_STREAMS[name]
        tried[f"{name} {now}"] = now
        for setting, values in STREAM_VALUES[name].items():
            for value in values:
                if value != getattr(now, setting):
                    tried[f"{name} {setting} = {value}"] = replace(now, **{setting: value})
    run = PrequentialRun(Recommender(), baselines=tried)
    events = read_log(log, limit)
    run.warm_up(islice(events, unscored))
    run.score(events)
    for name, board in run.contest.scores.items():
        print(f"{name}: {board.all.figures()}", flush=True)


def tune_sasrec(memory: PlayMemory, cases: Sequence[Case]) -> None:
    """Print what SASRec is worth after each epoch, for three repeat factors."""
    recipe = cast(SasRec, FOR_TEXT_SESSIONS["sasrec"])
    for epoch, trained in enumerate(epochs_of(recipe, sequences_of(memory), memory.known), 1):
        for factor in (0.1, 0.3, 1.0):
            asked = replace(recipe, repeat_factor=factor)
            counter = HitCounter()
            for case in cases:
                counter.count(conservative_rank(case.target, *asked.rank_by(trained, case.question)))
            print(f"sasrec: epoch {epoch}, repeat_factor = {factor}: {counter.figures()}", flush=True)


def main() -> None:
    """Search."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join((*VALUES, 'rank-fusion', 'sasrec'))}")
    source = parser.add_mutually_exclusive_group(required=True)
    source.add_argument("--train", type=Path)
    source.add_argument("--log", type=Path)
    parser.add_argument("--validation", type=int, default=12_800, help="newest sessions that are cases")
    parser.add_argument("--cases", type=int, default=20_000, help="of them, drawn at random")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--limit", type=int, default=100_000, help="first events of the log")
    parser.add_argument("--unscored", type=int, default=50_000, help="first of them, learned alone")
    options = parser.parse_args()
    if options.log:
        tune_on_log(options.names or list(STREAM_VALUES), options.log, options.limit, options.unscored)
        return
    sessions = list(read_text_sessions(options.train))
    cut = len(sessions) - options.validation
    memory, index = learned(sessions[:cut])
    cases = list(cases_of(sessions[cut:], index, cut + 1))
    picked = np.random.default_rng(1).permutation(len(cases))[: options.cases]
    cases = [cases[place] for place in picked]
    tried_values = {**VALUES, "rank-fusion": fusions()}
    for name in options.names or tried_values:
        if name == "sasrec":
            tune_sasrec(memory, cases)
            continue
        best: Any = FOR_TEXT_SESSIONS[name]
        score = measured(best, memory, cases)
        print(f"{name}: {score.figures()}", flush=True)
        for _ in range(options.rounds):
            before = best
            for setting, values in tried_values[name].items():
                for value in values:
                    if value == getattr(best, setting):
                        continue
                    tried = replace(best, **{setting: value})
                    counter = measured(tried, memory, cases)
                    if worth(counter) > worth(score):
                        best, score = tried, counter
                print(f"  {setting} = {getattr(best, setting)}: {score.figures()}", flush=True)
            if best == before:
                break
        print(f"{name}: {best} {score.figures()}", flush=True)


if __name__ == "__main__":
    main()
