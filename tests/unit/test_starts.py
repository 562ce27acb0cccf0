"""What a start imports: every process pays for it, at each restart."""

import subprocess
import sys

import pytest

from streams.worker import LOADED, Agent

SESSION = ("streams.worker", "streams.session_agent", "streams.session_store", "streams.redis_connection")
RANKING = ("streams.worker", "streams.ranking_agent", "streams.ranking_state", "streams.list_store", "streams.warm_up")
EMBEDDER = ("streams.worker", "streams.embedder_agent", "embedder.settings")

MODELS = {"torch", "openvino", "librosa", "sklearn"}
INDEX = {"numba", "faiss"}
SERVERS = {"fastapi", "uvicorn"}
FILES = {"pyarrow"}


def imported_by(program: str) -> set[str]:
    """Return the packages that a process has imported once it has run `program`."""
    program = f"import sys\ntry:\n    {program}\nexcept SystemExit:\n    pass\nprint(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=120, check=True)
    return {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}


def command(*words: str) -> str:
    return f"sys.argv = {['musicrec', *words]!r}; from musicrec.cli.main import main; main()"


def test_the_list_of_commands_imports_none_of_them() -> None:
    imported = imported_by(command("--help"))

    assert "typer" in imported
    assert not imported & {"pydantic", "numpy", "aiokafka", "faust", "redis", "aiohttp", "rich"}


@pytest.mark.parametrize("words", [("topics",), ("dlq", "list"), ("worker",), ("web",), ("gateway", "serve")])
def test_what_a_command_takes_is_told_without_what_it_works_with(words: tuple[str, ...]) -> None:
    imported = imported_by(command(*words, "--help"))

    assert "pydantic" in imported
    assert not imported & {"faust", "redis", "aiohttp", *MODELS, *INDEX, *SERVERS, *FILES}


def test_a_program_with_our_client_needs_no_client_of_a_schema_registry() -> None:
    imported = imported_by("import musicrec.client")

    assert "aiokafka" in imported
    assert not imported & {"aiohttp", "faust", "redis", *MODELS, *INDEX, *SERVERS, *FILES}


@pytest.mark.parametrize(
    ("modules", "left_out"),
    [
        (SESSION, MODELS | INDEX | SERVERS | FILES),
        (RANKING, MODELS | SERVERS | FILES),
        (EMBEDDER, {"torch", "faiss"} | SERVERS | FILES),
    ],
    ids=["session", "ranking", "embedder"],
)
def test_an_agent_does_without_the_libraries_of_the_others(modules: tuple[str, ...], left_out: set[str]) -> None:
    imported = imported_by(f"import {', '.join(modules)}")

    assert "faust" in imported
    assert not imported & left_out


@pytest.mark.parametrize(
    ("agent", "modules", "heavy"),
    [(Agent.RANKING, RANKING, {"numba", "llvmlite"}), (Agent.EMBEDDER, EMBEDDER, {"numba", "llvmlite", "soundfile"})],
    ids=["ranking", "embedder"],
)
def test_what_takes_long_is_imported_in_a_thread(agent: Agent, modules: tuple[str, ...], heavy: set[str]) -> None:
    before = imported_by("import streams.worker")
    in_thread = imported_by(f"import streams.worker, {', '.join(LOADED[agent])}")

    assert not before & heavy
    assert heavy <= in_thread
    assert not (imported_by(f"import {', '.join(modules)}") - in_thread) & heavy
