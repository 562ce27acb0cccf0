"""`musicrec dlq`: dead letters listed, shown, and replayed onto the topic that they came from."""

import asyncio
import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.cli.dlq_output import line_of, print_counts, print_letter, print_letters, say
from musicrec.cli.interrupt import INTERRUPTED, stopped_by_signals
from musicrec.dead_letters import Place, Selection, dead_letter_topics, since_ms
from musicrec.dead_letters.listing import read_listing
from musicrec.dead_letters.replaying import LetterPlan, LetterReplay, publish_plan, survey_letters
from musicrec.errors import BadInput, DeadLetterReason, Unavailable
from musicrec.replay import Pace
from musicrec.settings import KafkaSettings, load_settings

MAX_SHOWN = 20
"""Letters that can have come from one place, within reason."""

Topics = Annotated[
    list[str] | None,
    typer.Option("--topic", metavar="TOPIC", help="Refused from this topic, or lying in this one; repeatable."),
]
Reasons = Annotated[
    list[DeadLetterReason] | None,
    typer.Option("--reason", metavar="REASON", help="Refused for this; repeatable. A wrong one is answered with all."),
]
Since = Annotated[
    str | None, typer.Option(metavar="30m|2h|7d|DATE|TIME", help="Put there since; a time needs its zone.")
]


def list_letters(
    topic: Topics = None,
    reason: Reasons = None,
    since: Since = None,
    limit: Annotated[int, typer.Option(min=1, help="Show at most this many, the newest.")] = 50,
    counts: Annotated[bool, typer.Option("--counts", help="Only how many, by topic and reason.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object a line.")] = False,
    kafka: KafkaServers = None,
) -> None:
    """List what stands in the dead-letter topics now, the newest last.

    A letter whose headers do not say why it is there has the reason `unreadable`.  Keys of --json: place, original
    (where the refused message stood), reason, message, app, at (when it was refused), value_bytes; with --counts:
    topic, reason, count, remedy.
    """
    selection = _selection(topic, reason, since)
    found = asyncio.run(read_listing(_settings(kafka), selection, 0 if counts else limit))
    newest, total = found.newest, found.survey.counts.total()
    if counts:
        print_counts(found.survey.counts, as_json=as_json)
    elif as_json:
        for letter in newest:
            print(json.dumps(line_of(letter)))
    elif newest:
        print_letters(newest)
    if not counts and total > len(newest):
        say(f"the newest {len(newest):,} of {total:,}; --limit shows more, --counts how many of which kind")
    if not total:
        say("no dead letters")


def show(
    place: Annotated[
        str, typer.Argument(metavar="PLACE", help="'TOPIC[PARTITION]@OFFSET' of the letter, or of what was refused.")
    ],
    raw: Annotated[
        bool, typer.Option("--raw", help="Only the value, byte for byte; for a file, not a terminal.")
    ] = False,
    kafka: KafkaServers = None,
) -> None:
    """Show a dead letter: why it was refused, what helps, its headers and its value, with all that is odd escaped.

    Two agents can refuse the same message; by the place that it came from both their letters are shown.
    """
    selection = Selection(places=frozenset([Place.parse(place)]))
    letters = asyncio.run(read_listing(_settings(kafka), selection, MAX_SHOWN)).newest
    if not letters:
        raise BadInput(f"{place}: no dead letter lies there or came from there; Kafka keeps them for 14 days")
    if raw:
        sys.stdout.buffer.write(letters[-1].value or b"")
        sys.stdout.buffer.flush()
        return
    for letter in letters:
        print_letter(letter)


def replay(
    place: Annotated[
        list[str] | None, typer.Argument(metavar="[PLACE]...", help="Only these; without, all that the options choose.")
    ] = None,
    topic: Topics = None,
    reason: Reasons = None,
    since: Since = None,
    after: Annotated[
        str | None, typer.Option(metavar="PLACE", help="Only what comes after it; to go on with a replay.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Publish at most this many; to try with a few.")] = None,
    rate: Annotated[float, typer.Option(metavar="MESSAGES_PER_S", help="Live listeners go on beside it.")] = 100.0,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be published.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    kafka: KafkaServers = None,
) -> None:
    """Publish refused messages again on the topic that they came from: key, value and headers as they were.

    The letters stay in the dead-letter topic.  Replaying twice is harmless: events keep their event_id and are applied
    once.  Letters that come while it runs are not replayed, those that it causes among them.  Skipped are unreadable
    letters, unless they are named, and tracks of which a newer record stands on the topic.

    Ctrl-C stops it and says how to go on.  The last line of stdout counts: replayed=N skipped=N.
    """
    places = frozenset(Place.parse(text) for text in place or ())
    start = None if after is None else Place.parse(after)
    if start is not None and start.topic not in {t.name for t in dead_letter_topics([])}:
        raise BadInput(f"--after {after}: a place of a dead-letter topic is needed, as a stopped replay names it")
    Pace.of(None, rate)
    settings, selection = _settings(kafka), _selection(topic, reason, since, places, start)
    plan = asyncio.run(survey_letters(settings, selection))
    count = plan.found if limit is None else min(limit, plan.found)
    print_counts(plan.survey.counts)
    say(f"{count:,} of {plan.found:,} to publish again" if plan.found else "no dead letters")
    if dry_run:
        return
    if plan.found and not yes and not _confirmed():
        say("nothing was replayed; --yes does not ask")
        raise typer.Exit(1)
    state = LetterReplay()
    try:
        if plan.found:
            asyncio.run(_publish(settings, plan, state, count, rate))
    except Unavailable as error:
        raise Unavailable(f"{error}; {_place_to_go_on(state)}") from error
    _say_how_it_went(state)
    if state.stopped:
        raise typer.Exit(INTERRUPTED)


def _confirmed() -> bool:
    # Click's own prompt writes to stdout, whose last line has the counts.
    print("Publish them? [y/N] ", end="", file=sys.stderr, flush=True)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _say_how_it_went(state: LetterReplay) -> None:
    if state.stopped:
        say(f"stopped; {_place_to_go_on(state)}")
    for why, count in state.skipped.items():
        say(f"skipped {count:,}: {why}")
    print(f"replayed={state.replayed} skipped={state.skipped.total()}")


def _place_to_go_on(state: LetterReplay) -> str:
    if state.last is None:
        return "nothing was replayed"
    return f"{state.replayed:,} were replayed; go on with --after '{state.last}' and the same options"


def _settings(servers: str | None) -> KafkaSettings:
    return kafka_settings(servers) or load_settings().kafka


def _selection(
    topics: list[str] | None,
    reasons: list[DeadLetterReason] | None,
    since: str | None,
    places: frozenset[Place] = frozenset(),
    after: Place | None = None,
) -> Selection:
    return Selection(
        topics=dead_letter_topics(topics or ()),
        reasons=frozenset(reasons or ()),
        since_ms=0 if since is None else since_ms(since, time.time_ns() // 1_000_000),
        places=places,
        after=after,
    )


async def _publish(kafka: KafkaSettings, plan: LetterPlan, state: LetterReplay, count: int, rate_per_s: float) -> None:
    with stopped_by_signals() as stop, _progress_bar(count) as bar:
        await publish_plan(
            kafka,
            plan,
            state,
            rate_per_s=rate_per_s,
            limit=count,
            on_progress=lambda: bar.update(bar.task_ids[0], completed=state.replayed, place=str(state.last)),
            stop=stop,
        )


@contextmanager
def _progress_bar(total: int) -> Iterator[Progress]:
    columns = (BarColumn(), MofNCompleteColumn(), TextColumn("{task.fields[place]}", markup=False), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as bar:
        bar.add_task("", total=total, place="")
        yield bar
