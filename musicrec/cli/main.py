"""`musicrec`: the one command; each subcommand lives in a file of its own and is imported only when it runs."""

import importlib
import logging
import sys
from collections.abc import Sequence
from typing import Any

import typer
from typer.core import TyperGroup

from musicrec import __version__
from musicrec.cli.imports import imports
from musicrec.errors import MusicrecError

COMMANDS: dict[str, tuple[str, str]] = {
    "demo": ("musicrec.cli.demo:command", "The whole main job on this machine, until Ctrl-C."),
    "up": ("musicrec.cli.up:command", "Start the embedded Kafka and Valkey and keep them running."),
    "doctor": ("musicrec.cli.doctor:command", "Check what this machine needs and say how to mend it."),
    "worker": (
        "musicrec.cli.worker:command",
        "Run one agent: session, ranking or session-ranking, outcome, embedder, re-embedder.",
    ),
    "web": ("musicrec.cli.web:command", "Serve the live page."),
    "gateway serve": ("musicrec.cli.gateway:serve", "Serve events, tracks and lists over HTTP and WebSocket."),
    "gateway token": ("musicrec.cli.gateway:token", "Make a token, and print it once."),
    "gateway revoke": ("musicrec.cli.gateway:revoke", "Take a token back."),
    "group members": ("musicrec.cli.group:members", "List who works for an agent, and on which partitions."),
    "group remove": ("musicrec.cli.group:remove", "Take workers that have ended for good out of their group."),
    "dlq list": ("musicrec.cli.dlq:list_letters", "List dead letters, or count them by topic and reason."),
    "dlq show": ("musicrec.cli.dlq:show", "Show one dead letter, or write its value byte for byte."),
    "dlq replay": ("musicrec.cli.dlq:replay", "Publish refused messages again on the topic that they came from."),
    "explain": ("musicrec.cli.explain:command", "Why each item of a published list is there."),
    "diff": ("musicrec.cli.diff:command", "What another configuration of the ranking would change, on a recorded log."),
    "model announce": ("musicrec.cli.model:announce", "Have every ranking worker load a trained model."),
    "model variant": ("musicrec.cli.model:variant", "Rank in a second way, for a share of the listeners or in shadow."),
    "model list": ("musicrec.cli.model:list_models", "List the announced models and variants."),
    "model withdraw": ("musicrec.cli.model:withdraw", "Take an announced model or variant back."),
    "rules put": ("musicrec.cli.rules:put", "Publish what lists must not hold, or hold alone, where and when."),
    "rules list": ("musicrec.cli.rules:list_rules", "List the rules that stand."),
    "rules withdraw": ("musicrec.cli.rules:withdraw", "Withdraw a rule."),
    "topics create": ("musicrec.cli.topics:create", "Create the topics that are missing."),
    "topics plan": ("musicrec.cli.topics:plan", "Show how the topics of a broker differ from the table."),
    "topics apply": ("musicrec.cli.topics:apply", "Create and alter topics; nothing that would lose data."),
    "access plan": ("musicrec.cli.access:plan", "Show which rights of our services a broker lacks."),
    "access apply": ("musicrec.cli.access:apply", "Grant what a broker lacks."),
    "settings": ("musicrec.cli.settings:command", "Show every setting with the value in force."),
    "conformance": ("musicrec.cli.conformance:command", "Whether what a platform publishes keeps the contract."),
    "contracts write": ("musicrec.cli.contracts:write", "Write the published schemas."),
    "contracts check": ("musicrec.cli.contracts:check", "Fail where the published schemas differ from the code."),
    "contracts register": (
        "musicrec.cli.contracts:register",
        "Register the published schemas with a schema registry.",
    ),
    "import lastfm-1k": ("musicrec.cli.import_lastfm:command", "Last.fm-1K TSV."),
    "import listenbrainz": ("musicrec.cli.import_listenbrainz:command", "ListenBrainz JSON listens."),
    "import spotify": ("musicrec.cli.import_spotify:command", "Spotify account and extended exports."),
    "import parquet": (
        "musicrec.cli.import_parquet:command",
        "Parquet with user, ended_at_ms, ms_played, track, artist.",
    ),
    "replay": ("musicrec.cli.replay:command", "Publish a file of listen events in event-time order."),
    "evaluate stream": (
        "musicrec.cli.evaluate_stream:command",
        "Test-then-train over a listening log, beside baselines.",
    ),
    "evaluate sessions": ("musicrec.cli.evaluate_sessions:command", "Train on text sessions, test on prefixes."),
    "evaluate ablations": (
        "musicrec.cli.evaluate_ablations:command",
        "What each part of the ranking is worth, as a page with a picture.",
    ),
    "evaluate unplayed": (
        "musicrec.cli.evaluate_unplayed:command",
        "Find tracks that nobody has played, by artist and sound.",
    ),
    "evaluate audio": ("musicrec.cli.evaluate_audio:command", "Same-label precision of the audio vectors."),
    "evaluate adaptation": (
        "musicrec.cli.evaluate_adaptation:command",
        "What adapting the audio network to a catalogue is worth on sounds that it never heard.",
    ),
    "evaluate audio-ablations": (
        "musicrec.cli.evaluate_audio_ablations:command",
        "What each part of the audio vectors is worth, as a page with pictures.",
    ),
    "evaluate co-listening": (
        "musicrec.cli.evaluate_co_listening:command",
        "Find the future company of tracks that nobody has played, by sound.",
    ),
    "train sequence": (
        "musicrec.cli.train_sequence:command",
        "Train the session encoder on sessions in a file.",
    ),
    "train sweep": (
        "musicrec.cli.train_sweep:command",
        "Train encoders of several sizes, rates, models and inputs, and set them side by side.",
    ),
    "train ranker": (
        "musicrec.cli.train_ranker:command",
        "Train the ranking's own networks on a listening log.",
    ),
    "train audio": (
        "musicrec.cli.train_audio:command",
        "Train the audio network on audio that the command synthesises.",
    ),
    "train adapt": (
        "musicrec.cli.train_adapt:command",
        "Adapt the audio network to a catalogue of your own, without labels.",
    ),
    "plan": ("musicrec.cli.plan:command", "How many processes and servers a load needs."),
    "bench path": ("musicrec.cli.bench_path:command", "Event to list on the real broker, beside a bare relay."),
    "bench ingest": ("musicrec.cli.bench_ingest:command", "Events applied per second by the session agent."),
    "bench rank": ("musicrec.cli.bench_rank:command", "Time to rank one session at 380,000 tracks."),
    "bench embed": ("musicrec.cli.bench_embed:command", "Tracks embedded per second and core, beside librosa."),
    "bench index": ("musicrec.cli.bench_index:command", "Vector search, beside exact search."),
    "bench costs": ("musicrec.cli.bench_costs:command", "What one event costs each process, topic and server."),
    "bench restart": ("musicrec.cli.bench_restart:command", "Start of a ranking worker with a full memory on disk."),
}
"""Command path ▸ `module:function` and help; the function has parameters as Typer takes them."""

GROUPS: dict[str, str] = {
    "gateway": "HTTP and WebSocket for players without a Kafka client; without a subcommand it serves.",
    "group": "The consumer group of an agent: who is in it, and who will not come back.",
    "dlq": "Dead letters: what was refused, why, and back onto its topic.",
    "model": "Trained models and variants of the ranking: what the running workers use.",
    "rules": "Rules on what lists may hold: rights by market, disputes, allow-lists.",
    "topics": "Create the topics that are missing; compare the others with the table.",
    "access": "Rights of each service on Kafka, compared with what a broker grants.",
    "contracts": "The published schemas: AsyncAPI, JSON Schemas, the table of topics.",
    "import": "Turn listening histories of other formats into listen events.",
    "evaluate": "Measure how good the recommendations and the vectors are.",
    "train": "Train models.",
    "bench": "Measure speed on this machine.",
}


DEFAULTS: dict[str, str] = {"gateway ": "serve", "topics ": "create"}
"""Prefix of a group ▸ the subcommand that runs where none is named."""


def path_of(words: Sequence[str]) -> str:
    """Return the path of the command that the words after `musicrec` name, whether there is such a one or not.

    >>> path_of(["dlq", "list", "--json"]), path_of(["topics", "--user-partitions", "24"]), path_of(["web"])
    ('dlq list', 'topics create', 'web')
    """
    first, *rest = words
    if first not in GROUPS:
        return first
    second = rest[0] if rest and not rest[0].startswith("-") else DEFAULTS.get(f"{first} ", "")
    return f"{first} {second}"


class LazyGroup(TyperGroup):
    """A group whose subcommands are imported when they are looked up, so that `--help` needs no torch."""

    def __init__(self, prefix: str = "", **kwargs: Any) -> None:
        super().__init__(rich_markup_mode=None, **kwargs)
        self.prefix = prefix

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse; without a subcommand take the group's default, where it has one."""
        default = DEFAULTS.get(self.prefix)
        if default is not None and "--help" not in args[:1] and (not args or args[0].startswith("-")):
            args = [default, *args]
        return super().parse_args(ctx, args)

    def list_commands(self, ctx: Any) -> list[str]:
        """Return the names below this group, in table order."""
        names = (path.removeprefix(self.prefix).split(" ")[0] for path in COMMANDS if path.startswith(self.prefix))
        return list(dict.fromkeys(names))

    def get_command(self, ctx: Any, name: str) -> Any:
        """Return the group or the command of that name, or None."""
        path = f"{self.prefix}{name}"
        if path in GROUPS:
            return LazyGroup(prefix=f"{path} ", name=name, help=GROUPS[path])
        return _command(path, name) if path in COMMANDS else None

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        """Write the list of subcommands without importing any."""
        rows = []
        for name in self.list_commands(ctx):
            path = f"{self.prefix}{name}"
            rows.append((name, GROUPS[path] if path in GROUPS else COMMANDS[path][1]))
        with formatter.section("Commands"):
            formatter.write_dl(rows)


def _command(path: str, name: str) -> Any:
    module, _, function = COMMANDS[path][0].partition(":")
    app = typer.Typer(add_completion=False, rich_markup_mode=None)
    with imports():
        app.command(name)(getattr(importlib.import_module(module), function))
    return typer.main.get_command(app)


def main() -> None:
    """Run the command line; errors raised on purpose become one line and exit status 2."""
    if sys.argv[1:] == ["--version"]:
        print(f"musicrec {__version__}")
        return
    # What its clients cannot do, our errors say; a worker sets its own levels.
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)
    group = LazyGroup(name="musicrec", help="A streaming, session-aware next-track recommender.  --version shows it.")
    try:
        group.main(prog_name="musicrec")
    except MusicrecError as error:
        from rich.console import Console

        Console(stderr=True, highlight=False, soft_wrap=True).print(f"musicrec: {error}", markup=False)
        sys.exit(2)


if __name__ == "__main__":
    main()
