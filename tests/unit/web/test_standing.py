"""What stands on the topics of models and of rules."""

from page_records import NOW_MS

from musicrec.contracts import CatalogueRule, ModelAnnouncement, ModelFiles, RankingSetting, RankingVariant
from musicrec.contracts.rule import RuleEffect
from streams.web.standing import Standing

ENCODER = ModelAnnouncement(
    name="session_encoder",
    files=ModelFiles(version="e7", manifest_sha256="0" * 64, folder="encoders/e7"),
    announced_at_ms=NOW_MS,
)
CALM = ModelAnnouncement(
    name="variant/calm",
    variant=RankingVariant(
        settings=(RankingSetting(name="repeat_factor", value=0.25),), uses_encoder=False, start=0.5, share=0.1
    ),
    announced_at_ms=NOW_MS,
)
DISPUTE = CatalogueRule(
    name="dispute", effect=RuleEffect.DENY, tracks=("t1", "t2"), labels=("l",), markets=("DE",), published_at_ms=NOW_MS
)


def test_models_and_variants_stand_apart_with_what_tells_them_from_others() -> None:
    standing = Standing()
    standing.announce(CALM.name, CALM)
    standing.announce(ENCODER.name, ENCODER)
    view = standing.view()
    assert [(model["name"], model["version"]) for model in view["models"]] == [("session_encoder", "e7")]
    (variant,) = view["variants"]
    assert (variant["name"], variant["share"], variant["start"]) == ("calm", 0.1, 0.5)
    assert variant["settings"] == ["repeat_factor=0.25", "without session encoder"]


def test_a_rule_says_how_much_it_matches_and_where() -> None:
    standing = Standing()
    standing.put_rule(DISPUTE.name, DISPUTE)
    (rule,) = standing.view()["rules"]
    assert (rule["effect"], rule["matches"], rule["markets"], rule["from_ms"]) == ("deny", 3, ["DE"], None)


def test_what_is_withdrawn_is_gone_and_twice_is_no_error() -> None:
    standing = Standing()
    standing.announce(CALM.name, CALM)
    standing.put_rule(DISPUTE.name, DISPUTE)
    for _ in range(2):
        standing.announce(CALM.name, None)
        standing.put_rule(DISPUTE.name, None)
    assert standing.view() == {"models": [], "variants": [], "rules": []}
