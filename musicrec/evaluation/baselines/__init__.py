"""What every recommender must beat.

Those for text sessions have settings chosen on validation data, but for VMIS-kNN, which has its authors', and SASRec,
which has its library's kind; those for streams have settings that are known to be good elsewhere, but for factors and
content, whose settings were chosen on the first 100,000 plays of a log.
"""

from types import MappingProxyType
from typing import Final

from musicrec.errors import BadInput
from musicrec.evaluation.baselines.als import Als
from musicrec.evaluation.baselines.baseline import Baselines
from musicrec.evaluation.baselines.content_profile import ContentProfile
from musicrec.evaluation.baselines.item_knn import ItemKnn
from musicrec.evaluation.baselines.personal_recency import PersonalRecency
from musicrec.evaluation.baselines.popularity import AllTimePopularity, RecentPopularity
from musicrec.evaluation.baselines.preference_classifier import PreferenceClassifier
from musicrec.evaluation.baselines.rank_fusion import RankFusion
from musicrec.evaluation.baselines.sasrec import SasRec
from musicrec.evaluation.baselines.sequential_rules import SequentialRules
from musicrec.evaluation.baselines.session_knn import VmisKnn, Vstan
from musicrec.evaluation.baselines.transitions import Markov, PersonalMarkov
from musicrec.evaluation.baselines.truncated_svd import TruncatedSvd

USUAL: Final = ("popularity", "markov", "session-knn")
"""Quick ones, beside every evaluation."""

BY_NAME_ONLY: Final = ("sasrec",)
"""Left out of `all`: it needs an extra of its own and trains for a quarter of an hour."""

FOR_STREAMS: Final[Baselines] = MappingProxyType(
    {
        "popularity": AllTimePopularity(),
        "recent-popularity": RecentPopularity(),
        "markov": Markov(),
        "personal-markov": PersonalMarkov(),
        "personal-recency": PersonalRecency(),
        "item-knn": ItemKnn(),
        "sequential-rules": SequentialRules(),
        "session-knn": VmisKnn(),
        "vstan": Vstan(),
        "svd": TruncatedSvd(dimension=512, repeat_factor=0.3),
        "als": Als(dimension=64, confidence=40.0, iterations=8, repeat_factor=1.0),
        "content-profile": ContentProfile(history_weight=0.3),
        "preference-classifier": PreferenceClassifier(),
        "rank-fusion": RankFusion(((PersonalMarkov(), 0.7), (Vstan(), 0.3))),
    }
)
"""For logs with listeners and times."""

# Chosen by tests/measure/tune_baselines.py on the newest tenth of the #nowplaying training sessions.
_TEXT_VSTAN: Final = Vstan(
    neighbours=100,
    position_decay=16.0,
    before_match=0.75,
    idf=0.5,
    recency_ms=64_000 * 60_000.0,
    recency_power=1.0,
    repeat_factor=0.2,
)
_TEXT_RULES: Final = SequentialRules(
    antecedents=20,
    antecedent_decay=0.8,
    longest_step=30,
    rows_per_track=512,
    recency_ms=16_000 * 60_000.0,
    recency_power=0.5,
    repeat_factor=0.5,
)

FOR_TEXT_SESSIONS: Final[Baselines] = MappingProxyType(
    {
        "popularity": AllTimePopularity(),
        "markov": Markov(),
        "item-knn": ItemKnn(tracks=20, place_decay=0.8),
        "sequential-rules": _TEXT_RULES,
        "session-knn": VmisKnn(),
        "vstan": _TEXT_VSTAN,
        "svd": TruncatedSvd(dimension=1_024, repeat_factor=1.0),
        "als": Als(dimension=256, confidence=160.0, iterations=8, repeat_factor=1.0),
        "sasrec": SasRec(),
        "rank-fusion": RankFusion(((_TEXT_VSTAN, 0.8), (_TEXT_RULES, 0.2)), rank_constant=1.0),
    }
)
"""For public splits: nobody's history, and no times but the order of the file."""


def chosen(baselines: Baselines, names: str) -> Baselines:
    """Return the baselines that `names`, separated by commas, asks for; `all` for all but `BY_NAME_ONLY`.

    Raises:
        BadInput: a name is not known.
    """
    if names == "all":
        return {name: baseline for name, baseline in baselines.items() if name not in BY_NAME_ONLY}
    wanted = [name.strip() for name in names.split(",") if name.strip()]
    for name in wanted:
        if name not in baselines:
            raise BadInput(f"no baseline {name!r}; there are {', '.join(baselines)}, and all")
    return {name: baselines[name] for name in wanted}
