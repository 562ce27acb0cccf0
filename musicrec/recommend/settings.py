"""Every number that the ranking depends on, with the reason for its value."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from hashlib import blake2b
from typing import Any, Final

from musicrec.errors import Incompatible

DAY_MS = 86_400_000

LARGEST: Final = 10**15
"""No setting has a use for more, and sums of a few still fit into every integer."""
AT_LEAST_1: Final = frozenset({
    "max_sessions", "session_row_length", "max_tracks", "max_terms", "max_listeners", "history_length", "query_length",
    "knn_neighbours", "memory_length", "popularity_half_life_ms", "popular_candidates", "candidates_per_source",
    "ranker_hidden", "ranker_lesson_every", "exploration_choice",
})  # fmt: skip
"""Lengths of arrays that kernels write without a look at their bounds, and divisors."""
ABOVE_0: Final = frozenset({
    "knn_position_decay", "knn_match_decay", "knn_distance_decay", "knn_recency_ms", "rule_recency_ms",
    "habit_recency_s", "exploration_artist_weight",
})  # fmt: skip
"""Divisors."""
POWERS_OF_TWO: Final = frozenset({"sessions_per_track", "tracks_per_artist", "tracks_per_term"})
ANY_SIGN: Final = frozenset({"encoder_repeat_logit", "discovery", "popularity_dial"})
DIALS: Final = frozenset({"discovery"})
"""From -1 to 1."""
LATER: Final = frozenset({
    "discovery", "discovery_newness", "discovery_fame", "exploration_choice", "exploration_artist_weight",
    "skipped_rests", "exploration_fit", "new_looked_at", "diversity", "diversity_candidates", "popularity_dial",
    "max_terms", "tracks_per_term", "metadata_tracks", "metadata_place_decay", "metadata_postings",
    "metadata_least_cosine", "weight_metadata_neighbours",
})  # fmt: skip
"""Settings that came when rankings had names already: at its default none of them changes the name."""
ON_LISTS_ALONE: Final = LATER - {
    "new_looked_at", "skipped_rests", "max_terms", "tracks_per_term", "metadata_tracks", "metadata_place_decay",
    "metadata_postings", "metadata_least_cosine", "weight_metadata_neighbours",
}  # fmt: skip
"""What is learned does not depend on these: they may change between two starts of a worker."""
SHAPES_KNOWLEDGE: Final = frozenset(
    {
        "max_sessions",
        "session_row_length",
        "sessions_per_track",
        "max_tracks",
        "tracks_per_artist",
        "max_terms",
        "tracks_per_term",
        "max_listeners",
        "history_length",
        "partial_strength",
        "late_skip_strength",
        "early_skip_strength",
        "feedback_strength",
        "popularity_half_life_ms",
        "popular_candidates",
        "new_tracks_kept",
    }
)
"""Settings of what is learned, which all variants share."""
MOST_TIMES: Final = 100
"""A variant may have so many times the usual number of anything: what it needs in memory and time stays bounded."""


@dataclass(frozen=True, slots=True)
class RankingSettings:
    """Settings of the recommender; the defaults were chosen on a validation slice of a streamed listening log.

    Decays are in places or plays, ages in milliseconds.
    """

    # memory bounds
    max_sessions: int = 500_000
    """Rows of the session store: a few weeks of a large platform, years of a small one; 160 MB when full."""
    session_row_length: int = 40
    """Tracks in a row; a longer session goes on in a new row. Sessions of 5 to 40 tracks say most about each other."""
    sessions_per_track: int = 512
    """Newest sessions kept per track, a power of two."""
    max_tracks: int = 5_000_000
    """Tracks that get an index; plays of further ones are not learned, so that garbage ids cannot fill the memory."""
    tracks_per_artist: int = 512
    """Newest tracks kept per artist, a power of two."""
    max_terms: int = 1_000_000
    """Terms of descriptions, as titles and tags have them; further ones are not taken in. 200 MB when full."""
    tracks_per_term: int = 512
    """Newest tracks kept per term, a power of two: what more tracks have than that tells little of any."""
    max_listeners: int = 200_000
    """Listeners remembered; who was silent longest is forgotten first."""
    history_length: int = 8_192
    """Plays remembered per listener; more than half a year of heavy listening."""

    # what a listen counts as a positive, 1 for a completed one
    partial_strength: float = 1.0
    late_skip_strength: float = 0.5
    early_skip_strength: float = 0.3
    """A track turned away at once is evidence of what was on offer more than of taste."""
    feedback_strength: float = 0.5
    """Added per unit of explicit feedback: a like is worth a further listen."""

    # the evolving session as a query
    query_length: int = 20
    """Newest tracks of the session that look for neighbours."""

    # session-kNN
    knn_neighbours: int = 150
    knn_rows_per_track: int = 128
    knn_position_decay: float = 8.0
    knn_match_decay: float = 2.0
    knn_distance_decay: float = 4.0
    knn_before_match: float = 0.5
    knn_idf: float = 1.0
    knn_recency_ms: float = 7.0 * DAY_MS
    knn_recency_power: float = 0.5
    knn_own_boost: float = 3.0
    knn_repeat_factor: float = 1.0

    # sequential rules
    rule_antecedents: int = 10
    rule_decay: float = 0.7
    rule_longest_step: int = 15
    rule_rows_per_track: int = 128
    rule_recency_ms: float = 30.0 * DAY_MS
    rule_recency_power: float = 1.0
    rule_repeat_factor: float = 1.0

    # the listener's habits
    habit_antecedents: int = 10
    habit_decay: float = 0.5
    habit_longest_step: int = 10
    habit_step_decay: float = 0.7
    habit_context_bonus: float = 2.0
    habit_gap_s: int = 2_400
    """A play that ended more than this after the one before it began a new sitting."""
    habit_recency_s: float = 7.0 * 86_400
    habit_recency_power: float = 0.5

    # the listener's memory
    memory_decay: float = 0.8
    """Exponent d of the base level; ACT-R's own 0.5 forgets too slowly where the clock is plays."""
    memory_length: int = 2_000
    """Plays looked at."""

    # same artist
    artists_of_session: int = 5
    artist_place_decay: float = 0.6

    # popular and new
    popularity_half_life_ms: int = 14 * DAY_MS
    popular_candidates: int = 100
    new_candidates: int = 50
    new_looked_at: int = 200
    """Newest tracks, of which those are candidates that the encoder places nearest to where the session goes."""
    new_max_plays: int = 20
    """A track played more often than this is not new any more."""
    new_tracks_kept: int = 1_000

    # audio
    audio_tracks: int = 5
    """Newest tracks of the session whose vectors are averaged."""

    # metadata
    metadata_tracks: int = 5
    """Newest described tracks of the session, those that were skipped left out, whose descriptions are added up."""
    metadata_place_decay: float = 0.8
    """Factor per place among them."""
    metadata_least_cosine: float = 0.1
    """Less is a word in common that many titles have: no likeness, and no reason to name."""
    metadata_postings: int = 300
    """Tracks looked at, those of the weightiest terms first: a tag that half the catalogue has makes no list slow."""

    # session encoder
    encoder_repeat_logit: float = -3.0
    """Added for tracks of the session: its direction lies near its own tracks, whether they come again or not."""

    # fusion
    candidates_per_source: int = 100
    rank_constant: float = 10.0
    weight_session_knn: float = 0.4
    weight_sequential_rules: float = 0.2
    weight_listener_habit: float = 0.8
    weight_listener_memory: float = 0.3
    weight_same_artist: float = 0.15
    weight_session_encoder: float = 0.3
    weight_audio_neighbours: float = 0.1
    weight_metadata_neighbours: float = 0.1
    weight_popular: float = 0.01
    weight_new: float = 0.005

    # the ranker over the fused candidates
    ranked_candidates: int = 96
    """Best fused candidates that the ranker orders; 0 leaves the order to the fusion."""
    ranker_hidden: int = 32
    ranker_step: float = 0.05
    ranker_lesson_every: int = 4
    """One play in so many is a lesson: a lesson costs as much as a list."""
    ranker_skip_weight: float = 0.5
    """Weight of a lesson whose play was skipped."""
    skip_hidden: int = 8
    """Units of the network that foresees skips."""
    skip_step: float = 0.15
    """Its AdaGrad step."""
    skip_aversion: float = 1.0
    """How far down goes what is likely to be skipped: this times -log P(not skipped); 0 leaves it where it is."""
    knows_successions: bool = True
    """Whether the ranker sees what followed the current track before."""
    knows_company: bool = True
    """Whether it sees what the listener played around the session's tracks before."""
    knows_skip_likeness: bool = True
    """Whether it sees how far a candidate is like what was skipped in this session, and like what was heard out."""
    ranker_history: int = 4_096
    """Newest plays of the listener in which a candidate is looked for."""

    # re-ranking
    exclude_current: bool = True
    """Never recommend the track that is playing. Off only where a public protocol counts it."""
    exclude_skipped: bool = True
    """Never recommend what was skipped in this session."""
    skipped_rests: int = 0
    """Other tracks of the session after which a skipped one may come again, as some are played to their end later in
    it; 0 for never in this session."""
    repeat_factor: float = 0.5
    """Factor on tracks heard in this session already."""
    artist_cap: int = 0
    """Most tracks of one artist in a list, where candidates allow; 0 for no cap: whole albums are played."""
    diversity: float = 0.0
    """Weight of not being similar to what is listed already, beside that of the score; 0 leaves the order as it is."""
    diversity_candidates: int = 60
    """Best candidates that may change their places for it."""
    personal_new_share: float = 0.25
    """Least share of tracks that the listener never played in a personal list, where there are any."""
    exploration_slots: int = 1
    """Last places of a session's list that go to newly announced tracks, where there are any."""
    exploration_choice: int = 50
    """The first so many that may stand there, those of the session's artists before others, are drawn from."""
    exploration_artist_weight: float = 25.0
    """Odds of one of the session's artists beside 1 for another: one among fifty is drawn for every third list."""
    exploration_fit: float = 0.25
    """Logarithm of the odds per logit of the encoder, where it speaks: what fits the session is drawn more often."""
    discovery: float = 0.0
    """Where the discovery dial stands for listeners who never set it: -1 mostly familiar tracks, 1 mostly new ones."""
    discovery_newness: float = 4.0
    """Added, times the dial, to the score of a track that the listener never played, taken off that of another: of
    lists of 20 on a streamed log 0.2, 11, 45 and 90 % are new at -1, 0, 0.5 and 1."""
    discovery_fame: float = 0.3
    """Taken off the score, times the dial, per logarithm of a track's plays: whoever explores wants no charts."""

    popularity_dial: float = 0.0
    """Taken off the score per logarithm of a track's plays: above 0 less of what is popular, below 0 more of it."""

    def __post_init__(self) -> None:
        """Refuse what cannot work.

        Raises:
            Incompatible: names the setting.
        """
        for name, value in asdict(self).items():
            if not -LARGEST <= value <= LARGEST:  # as no comparison with what is not a number is true
                raise Incompatible(f"{name}: {value}; a number of at most {LARGEST} is needed")
            if name in AT_LEAST_1 and value < 1:
                raise Incompatible(f"{name}: {value}; at least 1 is needed")
            if name in POWERS_OF_TWO and (value < 4 or value & (value - 1)):
                raise Incompatible(f"{name}: {value}; a power of two from 4 up is needed")
            if name in ABOVE_0 and value <= 0:
                raise Incompatible(f"{name}: {value}; more than 0 is needed")
            if name in DIALS and not -1 <= value <= 1:
                raise Incompatible(f"{name}: {value}; a number from -1 to 1 is needed")
            if name == "diversity" and not 0 <= value < 1:
                raise Incompatible(f"{name}: {value}; a number from 0 to below 1 is needed")
            if name not in ANY_SIGN and value < 0:
                raise Incompatible(f"{name}: {value}; at least 0 is needed")

    @property
    def knows_listeners(self) -> bool:
        """Whether what a listener played before counts."""
        return self.weight_listener_habit > 0 or self.weight_listener_memory > 0

    def varied(self, values: Mapping[str, float]) -> "RankingSettings":
        """Return settings that differ in `values`, by field; 0 and 1 stand for false and true.

        Raises:
            Incompatible: there is no such setting, all variants share it, or the value is out of range; names it.
        """
        return replace(self, **{name: self._variation(name, value) for name, value in values.items()})

    def _variation(self, name: str, value: float) -> Any:
        usual: dict[str, Any] = {field.name: field.default for field in fields(self)}
        if name not in usual or name in SHAPES_KNOWLEDGE:
            why = "shapes what is learned, which all variants share" if name in usual else "no setting of the ranking"
            may = ", ".join(sorted(usual.keys() - SHAPES_KNOWLEDGE))
            raise Incompatible(f"{name}: {why}; a variant may differ in {may}")
        default = usual[name]
        if isinstance(default, int):
            most = 1 if isinstance(default, bool) else MOST_TIMES * max(1, default)
            if not (0 <= value <= most and value == int(value)):
                raise Incompatible(f"{name}: {value:g}; a whole number from 0 to {most} is needed")
        return type(default)(value)

    def version(self) -> str:
        """Return a short name of this very configuration; it is the `model_version` of the lists it makes."""
        values = asdict(self)
        for field in fields(self):
            if field.name in LATER and values[field.name] == field.default:
                del values[field.name]
        text = repr(sorted(values.items()))
        return f"rank-{blake2b(text.encode(), digest_size=5).hexdigest()}"

    def learned_version(self) -> str:
        """Return a short name of all that decides what is learned; a snapshot of one fits every other of that name."""
        usual: dict[str, Any] = {field.name: field.default for field in fields(self) if field.name in ON_LISTS_ALONE}
        return replace(self, **usual).version()

    @classmethod
    def for_text_sessions(cls) -> "RankingSettings":
        """Return settings for sessions without listeners, times or outcomes, as public research splits have them.

        Chosen on the last tenth of the #nowplaying training sessions.
        """
        return replace(
            cls(),
            sessions_per_track=8_192,
            knn_neighbours=100,
            knn_rows_per_track=5_000,
            knn_position_decay=16.0,
            knn_distance_decay=8.0,
            knn_before_match=0.75,
            knn_idf=0.5,
            knn_recency_ms=64_000 * 60_000.0,
            knn_recency_power=1.0,
            knn_repeat_factor=0.2,
            rule_antecedents=20,
            rule_decay=0.8,
            rule_longest_step=30,
            rule_rows_per_track=512,
            rule_recency_ms=16_000 * 60_000.0,
            rule_recency_power=0.5,
            rule_repeat_factor=0.5,
            exclude_current=False,
            exclude_skipped=False,
            repeat_factor=1.0,
            weight_session_knn=0.7,
            weight_sequential_rules=0.3,
            weight_listener_habit=0.0,
            weight_listener_memory=0.0,
            weight_same_artist=0.0,
            exploration_slots=0,
            rank_constant=3.0,
            ranker_lesson_every=1,
            skip_aversion=0.0,
            knows_company=False,
            knows_skip_likeness=False,
        )
