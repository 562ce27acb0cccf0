"""Coverage-guided fuzzing of one target: `python tests/fuzz/run.py TARGET --runs 1000000`.

Needs atheris (`pip install -e .[fuzz]`).  Ends with status 0 after the last run; at the first input that breaks the law
or takes longer than a second it writes the input to a file, says which, and ends with another status.  The same seed
makes the same inputs.
"""

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from random import Random

import atheris
from mutation import mutated

INSTRUMENTED = (
    *("musicrec.contracts", "musicrec.cloud_events", "musicrec.dead_letters", "musicrec.importers", "musicrec.session"),
    *("musicrec.printable", "streams.messages", "streams.session_agent", "json", "tarfile", "zipfile", "_strptime"),
)
"""What coverage guides the fuzzer through; the parsers of JSON in the contracts are compiled and stay dark."""

with atheris.instrument_imports(include=list(INSTRUMENTED)):
    from targets import DEEP, ODD_VALUES, TARGETS, Target

BYTEWISE = 0.4
"""Share of the inputs that libFuzzer makes; the others keep the form of what they are made from."""
LONGEST_WORD_BYTES = 64
"""What libFuzzer takes as a word of a dictionary; longer ones are inputs to begin with."""


def main() -> None:
    """Fuzz one target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=TARGETS)
    parser.add_argument("--runs", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    target = TARGETS[arguments.target]
    folder = Path(tempfile.mkdtemp(prefix=f"fuzz-{arguments.target}-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    for number, seed in enumerate((*target.seeds, *DEEP, *ODD_VALUES)):
        (corpus / f"{number:03}").write_bytes(seed)
    words = (word for word in ODD_VALUES if len(word) < LONGEST_WORD_BYTES)
    (folder / "words").write_text("".join(f'"{_escaped(word)}"\n' for word in words))
    options = {
        "runs": arguments.runs,
        "seed": arguments.seed,
        "max_len": target.fuzzed_bytes,
        "timeout": 1,
        "rss_limit_mb": 2_048,
        "dict": folder / "words",
        "artifact_prefix": f"{folder}/",
        "print_final_stats": 1,
    }
    flags = (f"-{name}={value}" for name, value in options.items())
    atheris.Setup([sys.argv[0], str(corpus), *flags], target.check, custom_mutator=_mutator(target))
    atheris.Fuzz()


def _mutator(target: Target) -> Callable[[bytes, int, int], bytes]:
    def change(data: bytes, max_bytes: int, seed: int) -> bytes:
        random = Random(seed)
        if random.random() < BYTEWISE:
            return bytes(atheris.Mutate(data, max_bytes))
        # From a seed as often as not: where coverage sees little, what libFuzzer keeps shrinks to a few bytes.
        base = data if random.random() < 0.5 else random.choice(target.seeds)
        return mutated(base, ODD_VALUES, random, max_bytes)

    return change


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


if __name__ == "__main__":
    main()
