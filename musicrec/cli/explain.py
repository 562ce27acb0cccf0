"""`musicrec explain`: why each item of a published list is there."""

import asyncio
import json
from typing import Annotated

import typer

from musicrec.cli.connection import KafkaServers, kafka_settings
from musicrec.cli.dlq_output import say
from musicrec.cloud_events import rfc_3339
from musicrec.dead_letters.reader import TopicReader
from musicrec.errors import BadInput
from musicrec.explain import explain
from musicrec.explain.list_search import Search, Sought, search
from musicrec.explain.wording import lines_of, object_of
from musicrec.printable import printable
from musicrec.settings import KafkaSettings, load_settings
from musicrec.topics import DAY_MS, RECOMMENDATIONS


def command(
    who: Annotated[
        str, typer.Argument(metavar="USER|LIST-ID", help="A listener, for the newest list; or a list's id.")
    ],
    is_user: Annotated[
        bool, typer.Option("--user", help="It is a listener, though it looks like a list's id.")
    ] = False,
    lists: Annotated[int, typer.Option(min=1, help="Look through about so many lists at most, the newest.")] = 50_000,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")] = False,
    kafka: KafkaServers = None,
) -> None:
    """Say which sources proposed each item of a published list, and where fusion, ranker and rules put it.

    JSON keys: the record of the list as it stands on the topic, and place (where), left_out (candidates that a rule on
    whole lists left out before the last item), items ▸ place, track_id, reason, score, fused_score, fusion_rank,
    ranker_rank, is_heard, is_exploration, skip_chance (foreseen, if it is played), skip_move (places that this moved it
    down), sources ▸ source, rank, part (of the fused score), share.  What an older list does not record is null.
    """
    sought = Sought.parse(who, is_user=is_user)
    done = asyncio.run(_searched(kafka_settings(kafka) or load_settings().kafka, sought, lists))
    if done.found is None:
        raise BadInput(_not_found(sought, done))
    explanation = explain(done.found)
    if as_json:
        print(json.dumps(object_of(explanation) | {"place": str(done.place)}))
        return
    say(f"read at {done.place}")
    for line in lines_of(explanation):
        print(line)


async def _searched(kafka: KafkaSettings, sought: Sought, limit: int) -> Search:
    async with TopicReader(kafka) as reader:
        return await search(reader, sought, limit)


def _not_found(sought: Sought, done: Search) -> str:
    """Say what was looked through and what to do."""
    what = f"{printable(sought.name)}: no list {'of this id' if sought.by_id else 'for this listener'}"
    where = RECOMMENDATIONS.name if sought.by_id else f"{RECOMMENDATIONS.name}[{done.partitions[0]}]"
    kept = f"Kafka keeps lists for {(RECOMMENDATIONS.retention_ms or 0) // DAY_MS} day"
    if not done.looked_through or done.oldest_ms is None:
        return f"{what}: {where} is empty; {kept}; is a ranking worker running?"
    looked = f"{done.looked_through:,} messages of {where}, back to {rfc_3339(done.oldest_ms)}"
    unreadable = f" ({done.unreadable:,} that may have been it cannot be read)" if done.unreadable else ""
    if not done.is_everything:
        return f"{what} among the newest {looked}{unreadable}; --lists {done.looked_through * 10} looks further back"
    way_out = "older lists are gone" if sought.by_id else "`musicrec dlq list` shows events that were refused"
    return f"{what} among all {looked}{unreadable}; {kept}: {way_out}"
