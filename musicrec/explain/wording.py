"""An explanation as lines for people and as an object for programs; what comes from outside is escaped."""

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from musicrec.cloud_events import rfc_3339
from musicrec.contracts import Degradation, ExcludedCandidates, Making, ReasonCode, Recommendation
from musicrec.documents.member_docs import member_docs
from musicrec.explain.explanation import Explanation, ItemExplanation, SourcePart
from musicrec.printable import printable

INDENT = " " * 6


def lines_of(explanation: Explanation) -> Iterator[str]:
    """Yield the lines that `musicrec explain` prints."""
    made = explanation.made
    yield _line(
        "list", f"{made.list_id} for {made.user_id}: {_count(len(made.items), 'track')}, mode {made.mode.value}"
    )
    yield _line("made", f"{rfc_3339(made.generated_at_ms)} by {made.model_version}, vector index {made.index_version}")
    yield _line("answers", _answered(made))
    yield _line("time", _time(made))
    degradations = member_docs(Degradation)
    for code in made.degraded:
        yield _line("without", f"{code.value}: {degradations[code.value]}")
    yield from _making_lines(explanation)
    reasons = member_docs(ReasonCode)
    for item in explanation.items:
        yield ""
        yield from _item_lines(item, reasons, explanation.making)


def object_of(explanation: Explanation) -> dict[str, Any]:
    """Return what `musicrec explain --json` prints: the record of the list, with items that are explained."""
    record = explanation.made.model_dump(mode="json", exclude={"items"})
    return {**record, "left_out": explanation.left_out, "items": [asdict(item) for item in explanation.items]}


def _line(name: str, text: str) -> str:
    return f"{name:<9} {printable(text)}"


def _answered(made: Recommendation) -> str:
    if made.trigger is None:
        return f"request {made.request_id}"
    trigger = made.trigger
    about = f" of track {trigger.track_id}" if trigger.track_id is not None else ""
    if trigger.track_id is None and trigger.artist_id is not None:
        about = f" of artist {trigger.artist_id}"
    outcome = f" ({trigger.outcome.value})" if trigger.outcome is not None else ""
    text = f"{trigger.type.value}{about}{outcome} at {rfc_3339(trigger.occurred_at_ms)}, event {trigger.event_id}"
    if made.session_id is not None:
        text += f", in session {made.session_id}"
    if made.passed_over:
        text += f"; and {_count(len(made.passed_over), 'older event')} that waited before it"
    return text


def _time(made: Recommendation) -> str:
    timings = made.timings
    if timings.event_to_list_ms is None:
        return f"ranking {timings.ranking_ms:g} ms"
    return f"{timings.event_to_list_ms:g} ms from event to list, ranking {timings.ranking_ms:g} ms of it"


def _making_lines(explanation: Explanation) -> Iterator[str]:
    making = explanation.making
    if making is None:
        yield _line("making", "not in the record: this list is older than that; sources, ranks and reasons are known")
        return
    yield _line("proposed", _proposed(making))
    yield _line("excluded", _excluded(making.excluded))
    if making.excluded.ruled_out is not None:
        yield _line("market", making.market or "not known: the list holds what may be listed in every market")
    order = f"the ranker ordered the best {making.ranked:,} anew" if making.ranked else "the ranker did nothing"
    yield _line("order", f"{_count(making.candidates, 'candidate')} in the order of their fused scores; {order}")
    if making.discovery is not None:
        yield _line("dial", _dial(making.discovery, explanation))
    if making.popularity_dial:
        wanted = "less" if making.popularity_dial > 0 else "more"
        yield _line("dial", f"popularity at {making.popularity_dial:+g}: {wanted} of what many play")
    yield _line("rules", "; ".join(_rules(explanation, making)))


def _proposed(making: Making) -> str:
    said = list(zip(making.sources, making.proposed, strict=False))
    spoke = ", ".join(f"{source} {count:,}" for source, count in said if count) or "nothing"
    silent = ", ".join(source for source, count in said if not count)
    return f"{spoke}; nothing from {silent}" if silent else spoke


def _excluded(excluded: ExcludedCandidates) -> str:
    causes = {
        "playing now, or the seed": excluded.playing,
        "skipped in this session": excluded.skipped,
        "blocked by the listener": excluded.blocked,
        "of artists that the listener blocked": excluded.artist_blocked,
        "removed from the catalogue": excluded.removed,
        "kept out by a rule or by their own markets": excluded.ruled_out or 0,
    }
    return ", ".join(f"{count:,} {cause}" for cause, count in causes.items() if count) or "no candidate"


def _dial(discovery: float, explanation: Explanation) -> str:
    known = [item for item in explanation.items if item.is_new_to_listener is not None]
    new = sum(bool(item.is_new_to_listener) for item in known)
    towards = "new tracks" if discovery > 0 else "familiar tracks"
    stands = f"at {discovery:+.2f}, towards {towards}" if discovery else "in the middle"
    return f"discovery {stands}; {new:,} of {_count(len(known), 'track')} new to the listener"


def _rules(explanation: Explanation, making: Making) -> Iterator[str]:
    yield f"at most {making.artist_cap:,} of an artist" if making.artist_cap else "no artist cap"
    if making.diversity is not None:
        forward = sum(item.was_put_forward for item in explanation.items)
        yield f"variety with weight {making.diversity:g}, {_count(forward, 'track')} put forward"
    if making.new_share:
        yield f"at least {making.new_share:.0%} that the listener never played"
    explored = sum(item.is_exploration for item in explanation.items)
    yield f"{_count(explored, 'place')} for newly announced tracks"
    if explanation.left_out:
        yield f"{_count(explanation.left_out, 'candidate')} left out that stood before the last item"


def _item_lines(item: ItemExplanation, reasons: dict[str, str], making: Making | None) -> Iterator[str]:
    head = f"{item.place:>3}.  {printable(item.track_id)}"
    yield f"{head}   {_way(item)}" if making is not None else head
    yield INDENT + reasons[item.reason.value]
    yield INDENT + _sources(item)
    if item.skip_move:
        yield f"{INDENT}{_skips(item.skip_chance or 0.0, item.skip_move)}"
    if making is not None and making.diversity is not None and item.was_put_forward:
        yield f"{INDENT}put forward for variety"
    if item.is_new_to_listener:
        yield f"{INDENT}new to the listener"
    if item.is_heard:
        yield f"{INDENT}heard in this session already: its fused score was damped"


def _way(item: ItemExplanation) -> str:
    if item.is_exploration:
        odds = f", drawn with a probability of {item.propensity:.3f}" if item.propensity is not None else ""
        return f"from the catalogue's new tracks, in an exploration slot{odds}"
    if item.fusion_rank is None or item.ranker_rank is None:
        return "its places before are not in the record"
    dial = f" > dial {item.dial_rank}" if item.dial_rank is not None else ""
    way = f"fusion {item.fusion_rank} > ranker {item.ranker_rank}{dial} > list {item.place}"
    moved = item.fusion_rank - item.place
    return f"{way}  ({'up' if moved > 0 else 'down'} {abs(moved)})" if moved else way


def _skips(chance: float, move: int) -> str:
    direction, likely = ("down", "more likely") if move > 0 else ("up", "less likely")
    return f"{likely} to be skipped: {chance:.2f}, moved {direction} {abs(move)}"


def _sources(item: ItemExplanation) -> str:
    if not item.sources:
        return "no source is named"
    named = ", ".join(_source(source, has_share=item.fused_score is not None) for source in item.sources)
    return f"fused score from {named}" if item.fused_score is not None else f"proposed by {named}"


def _source(source: SourcePart, *, has_share: bool) -> str:
    named = f"{printable(source.source)} rank {source.rank}"
    if not has_share or source.share is None:
        return named
    return f"{named} ({source.share:.0%})" if source.share >= 0.01 else f"{named} (under 1%)"


def _count(count: int, noun: str) -> str:
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
