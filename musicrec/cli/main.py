"""`musicrec`: the one command; each subcommand lives in a file of its own and is imported only when it runs."""

import importlib
import sys
from typing import Any

import click
import typer
from rich.console import Console

from musicrec import __version__
from musicrec.errors import MusicrecError

COMMANDS: dict[str, str] = {
    "evaluate stream": "musicrec.cli.evaluate_stream:command",
    "evaluate sessions": "musicrec.cli.evaluate_sessions:command",
    "evaluate audio": "musicrec.cli.evaluate_audio:command",
    "train audio": "musicrec.cli.train_audio:command",
    "import lastfm-1k": "musicrec.cli.import_lastfm:command",
    "import listenbrainz": "musicrec.cli.import_listenbrainz:command",
    "import spotify": "musicrec.cli.import_spotify:command",
    "import parquet": "musicrec.cli.import_parquet:command",
    "replay": "musicrec.cli.replay:command",
    "bench path": "musicrec.cli.bench_path:command",
    "bench ingest": "musicrec.cli.bench_ingest:command",
    "bench rank": "musicrec.cli.bench_rank:command",
    "bench embed": "musicrec.cli.bench_embed:command",
    "bench index": "musicrec.cli.bench_index:command",
}
"""Command path ▸ `module:function`; the function is a Typer command with annotated parameters."""

GROUPS: dict[str, str] = {
    "evaluate": "Measure how good the recommendations and the vectors are.",
    "train": "Train models.",
    "import": "Turn listening histories of other formats into listen events.",
    "bench": "Measure speed on this machine.",
}


class LazyGroup(click.Group):
    """A group whose subcommands are imported when they are looked up, so that `--help` needs no torch."""

    def __init__(self, prefix: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.prefix = prefix

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names below this group, in table order."""
        names = (path.removeprefix(self.prefix).split(" ")[0] for path in COMMANDS if path.startswith(self.prefix))
        return list(dict.fromkeys(names))

    def get_command(self, ctx: click.Context, name: str) -> click.Command | None:
        """Return the group or the command of that name."""
        path = f"{self.prefix}{name}"
        if path in GROUPS:
            return LazyGroup(prefix=f"{path} ", name=name, help=GROUPS[path])
        if path not in COMMANDS:
            return None
        module, _, function = COMMANDS[path].partition(":")
        app = typer.Typer(add_completion=False, rich_markup_mode=None)
        app.command(name)(getattr(importlib.import_module(module), function))
        return typer.main.get_command(app)


def main() -> None:
    """Run the command line; errors raised on purpose become one line and exit status 2."""
    group = LazyGroup(name="musicrec", help="A streaming, session-aware next-track recommender.")
    group = click.version_option(__version__, prog_name="musicrec")(group)
    try:
        group.main(prog_name="musicrec")
    except MusicrecError as error:
        Console(stderr=True, highlight=False, soft_wrap=True).print(f"musicrec: {error}", markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
