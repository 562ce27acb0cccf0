"""A comparison of two configurations as tables and lines for people; what comes from outside is escaped."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from rich.table import Table

from musicrec.printable import printable

SHOWN: Final = 4
"""Items of a kind that an example shows; --json has all."""
KINDS: Final = {
    "found": "only B lists what was played next",
    "lost": "only A lists what was played next",
    "other": "neither or both list what was played next",
}


def hits_table(figures: Mapping[str, Any]) -> Table:
    """Return hit rate and reciprocal rank by group, and by how much B is above A."""
    table = Table(title="Next play, test-then-train")
    table.add_column("cases of", no_wrap=True)
    for column in ("cases", "metric", "A", "B", "B - A", "95 % from", "to"):
        table.add_column(column, justify="right", no_wrap=True)
    a, b = figures["a"]["groups"], figures["b"]["groups"]
    for group, metrics in figures["b_above_a"].items():
        for metric, above in metrics.items():
            low, high = above["interval"]
            values = (a[group][metric], b[group][metric])
            signed = (above["difference"], low, high)
            cells = [*(f"{value:.4f}" for value in values), *(f"{value:+.4f}" for value in signed)]
            table.add_row(group, f"{a[group]['events']:,}", metric.upper(), *cells)
    table.caption = f"intervals over {figures['listeners']:,} listeners: with few of them they say little"
    return table


def sources_table(figures: Mapping[str, Any]) -> Table:
    """Return the share of listed items that each source gave the largest part to, and that it proposed at all."""
    table = Table(title="Sources of listed items")
    table.add_column("source")
    for column in ("strongest A", "B", "proposed A", "B"):
        table.add_column(column, justify="right")
    a, b = figures["a"]["sources"], figures["b"]["sources"]
    nothing = {"strongest": 0.0, "proposed": 0.0}
    for source in dict.fromkeys([*a, *b]):
        of_a, of_b = a.get(source, nothing), b.get(source, nothing)
        cells = (of_a["strongest"], of_b["strongest"], of_a["proposed"], of_b["proposed"])
        table.add_row(source, *(f"{cell:.1%}" for cell in cells))
    return table


def summary_lines(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield what the two sides are and how far their lists differ."""
    for side in ("a", "b"):
        of_side = figures[side]
        yield (
            f"{side.upper()}  {printable(of_side['name'])}, {of_side['model_version']}: {of_side['p50_ms']:.3f} ms a "
            f"list, p99 {of_side['p99_ms']:.3f}; lists {of_side['lists_digest']}"
        )
    yield (
        f"of {figures['lists']:,} lists {figures['differ']:.1%} differ, {figures['differ_first']:.1%} in the first "
        f"place, {figures['other_tracks']:.1%} in their tracks; mean overlap@20 {figures['overlap@20']:.4f}"
    )
    new_in_a, new_in_b = (figures[side]["new@20"] for side in ("a", "b"))
    yield f"new to their listeners are {new_in_a:.1%} of the items of A and {new_in_b:.1%} of those of B"


def example_lines(example: Mapping[str, Any]) -> Iterator[str]:
    """Yield the lines of one changed list."""
    places = " and ".join(
        f"place {place} of {side}" if place else f"nowhere in {side}"
        for side, place in (("A", example["place_in_a"]), ("B", example["place_in_b"]))
    )
    yield (
        f"listener {printable(example['user_id'])}, session {printable(example['session_id'])}, after event "
        f"{printable(example['answered_event_id'])}: {KINDS[example['kind']]}"
    )
    yield f"  played    {printable(example['played_track_id'])}, {places}"
    change = example["change"]
    yield from _placed_lines("left", change["left"])
    yield from _placed_lines("came in", change["came_in"])
    if change["moved"]:
        moves = [f"{printable(track)} {before} > {after}" for track, before, after in change["moved"][:SHOWN]]
        yield f"  {'moved':<9} {', '.join(moves)}{_more(change['moved'])}"


def _placed_lines(what: str, items: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    for item in items[:SHOWN]:
        sources = ", ".join(item["sources"])
        yield f"  {what:<9} {item['place']:>2}. {printable(item['track_id'])}: {item['reason']} ({printable(sources)})"
    if len(items) > SHOWN:
        yield f"  {'':<9} {_more(items).lstrip()}"


def _more(shown: Sequence[object]) -> str:
    more = len(shown) - SHOWN
    return f" and {more} more" if more > 0 else ""
