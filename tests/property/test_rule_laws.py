"""A list holds what the contract's definition admits, and nothing else, for any rules, times, markets and catalogue."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st
from listening import START_MS, Listening

from musicrec.contracts import CatalogueRule, Mode, RecommendationRequest, RuleEffect, SessionSnapshot, Track
from musicrec.recommend import RankedList, RankingSettings, Recommender
from musicrec.recommend.state import State, joined

CHOSEN = RankingSettings(max_sessions=16, ranker_lesson_every=1, exploration_slots=2, new_candidates=3)
MINUTE_MS = 60_000
NUMBERS, ARTISTS, LABELS, MARKETS = range(9), ("a0", "a1"), ("l0", "l1", "l2"), ("AT", "DE", "US")
NOBODY_NAMES_IT = "ZZ"

track_ids = st.sampled_from([f"t{number}" for number in NUMBERS])
moments = st.none() | st.integers(-3, 3).map(lambda steps: START_MS + 60 * MINUTE_MS + steps * MINUTE_MS)
places = st.none() | st.sampled_from([*MARKETS, NOBODY_NAMES_IT])
markets = st.sets(st.sampled_from(MARKETS), max_size=2).map(lambda found: tuple(sorted(found)))


def some(values: Iterable[str], most: int = 2) -> st.SearchStrategy[tuple[str, ...]]:
    return st.sets(st.sampled_from(sorted(values)), max_size=most).map(lambda found: tuple(sorted(found)))


@st.composite
def rules(draw: st.DrawFn) -> CatalogueRule:
    names = {
        "tracks": draw(some({f"t{number}" for number in NUMBERS})),
        "artists": draw(some(ARTISTS)),
        "labels": draw(some(LABELS)),
    }
    where = draw(markets)
    effect = draw(st.sampled_from(RuleEffect))
    if not any(names.values()) and (effect is RuleEffect.ALLOW or not where):
        names["labels"] = ("l0",)
    from_ms, until_ms = draw(moments), draw(moments)
    if from_ms is not None and until_ms is not None and until_ms <= from_ms:
        until_ms = None
    return CatalogueRule(
        name=draw(st.sampled_from(["r0", "r1", "r2", "r3"])),
        effect=effect,
        markets=where,
        from_ms=from_ms,
        until_ms=until_ms,
        published_at_ms=START_MS,
        **names,
    )


tracks = st.builds(
    Track,
    track_id=track_ids,
    artist_id=st.sampled_from(ARTISTS) | st.none(),
    label=st.sampled_from(LABELS) | st.none(),
    markets=st.none() | st.none() | markets,
)
steps = st.lists(
    rules() | rules() | tracks | tracks | st.sampled_from(["withdraw r0", "withdraw r1", "play", "list", "restart"]),
    min_size=4,
    max_size=24,
)


@dataclass
class Definition:
    """What may be listed, word by word as `CatalogueRule` says it."""

    rules: dict[str, CatalogueRule] = field(default_factory=dict)
    tracks: dict[str, Track] = field(default_factory=dict)
    artists: dict[str, str] = field(default_factory=dict)

    def admits(self, track_id: str, market: str | None, now_ms: int) -> bool:
        if market is None:
            return all(self.admits(track_id, each, now_ms) for each in (*MARKETS, NOBODY_NAMES_IT))
        track = self.tracks[track_id]
        if track.markets is not None and market not in track.markets:
            return False
        allow_lists = 0
        is_allowed = False
        for rule in self.rules.values():
            begins, ends = rule.from_ms or 0, rule.until_ms or 10**15
            if not begins <= now_ms < ends or (rule.markets and market not in rule.markets):
                continue
            if rule.effect is RuleEffect.DENY and self._matches(rule, track):
                return False
            if rule.effect is RuleEffect.ALLOW:
                allow_lists += 1
                is_allowed |= self._matches(rule, track)
        return is_allowed or not allow_lists

    def _matches(self, rule: CatalogueRule, track: Track) -> bool:
        if not (rule.tracks or rule.artists or rule.labels):
            return True
        return (
            track.track_id in rule.tracks
            or self.artists.get(track.track_id) in rule.artists
            or track.label in rule.labels
        )


def lists_of(
    recommender: Recommender, snapshot: SessionSnapshot, market: str | None, now_ms: int
) -> Iterable[tuple[str, RankedList]]:
    """Yield a list of each kind, and how many tracks beside those that are ruled out it has to lack."""
    told = snapshot.model_copy(update={"market": market})
    happened = told.trigger.model_copy(update={"occurred_at_ms": now_ms})
    yield "event", recommender.rank(told.model_copy(update={"trigger": happened}), 20)
    for mode in Mode:
        request = RecommendationRequest(
            request_id="r", user_id="ann", mode=mode, track_id="t0", requested_at_ms=now_ms, market=market
        )
        yield mode.value, recommender.answer(request, told, now_ms)


@settings(max_examples=150, deadline=None)
@given(steps, st.data())
def test_a_list_holds_what_the_definition_admits_and_lacks_what_it_does_not(
    drawn: list[CatalogueRule | Track | str], data: st.DataObject
) -> None:
    recommender, definition, world = Recommender(CHOSEN), Definition(), Listening()

    def play(number: int) -> SessionSnapshot:
        snapshot = world.play("ann", f"t{number % 9}")
        recommender.learn(snapshot)
        definition.tracks.setdefault(f"t{number % 9}", Track(track_id=f"t{number % 9}"))
        return snapshot

    def check(market: str | None, now_ms: int) -> None:
        admitted = {each for each in definition.tracks if definition.admits(each, market, now_ms)}
        for mode, ranked in lists_of(recommender, snapshot, market, now_ms):
            names = [item.track_id for item in ranked.items]
            assert set(names) <= admitted, mode
            # All of them fit into the list, but what is playing or is the seed.
            assert admitted - set(names) <= {snapshot.entries[-1].track_id, "t0"}, mode

    snapshot = play(0)
    for number, step in enumerate([*drawn, "list"]):
        match step:
            case CatalogueRule():
                recommender.put_rule(step)
                definition.rules[step.name] = step
            case Track():
                recommender.add_track(step)
                definition.tracks[step.track_id] = step
                if step.artist_id is not None:  # a known artist stays until another one is named
                    definition.artists[step.track_id] = step.artist_id
            case "play":
                snapshot = play(number)
            case "list":
                for market, minutes in data.draw(
                    st.lists(st.tuples(places, st.integers(-4, 4)), min_size=1, max_size=4)
                ):
                    check(market, START_MS + (60 + minutes) * MINUTE_MS)
            case "restart":
                restored = Recommender(CHOSEN)
                for number, rule in enumerate(definition.rules.values()):  # some before the state is there, some after
                    if number % 2:
                        restored.put_rule(rule)
                restored.restore(State(joined(recommender.state())))
                for number, rule in enumerate(definition.rules.values()):
                    if not number % 2:
                        restored.put_rule(rule)
                recommender = restored
            case withdrawn:
                recommender.withdraw_rule(withdrawn.removeprefix("withdraw "))
                definition.rules.pop(withdrawn.removeprefix("withdraw "), None)
