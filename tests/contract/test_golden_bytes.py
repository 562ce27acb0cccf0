"""Bytes that were valid once are valid for as long as their major version is read, and mean the same.

Files of `golden/` are never changed, and never removed while version 1 is read; new ones are added beside them.
`NAME.vN.json` has every field of its record as it was first published, `NAME.vN.minimal.json` only those that are
needed; what was added later stands in a file of its own, so that the others show that records without it still decode.
"""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from musicrec.contracts import (
    CatalogueRule,
    DeadLetter,
    Degradation,
    EventType,
    ExcludedCandidates,
    Genre,
    ListenEvent,
    ListenOutcome,
    Making,
    Mode,
    ModelAnnouncement,
    ModelFiles,
    Outcome,
    RankingSetting,
    RankingVariant,
    ReasonCode,
    Recommendation,
    RecommendationRequest,
    RecommendedItem,
    Record,
    RuleEffect,
    Segment,
    SessionEntry,
    SessionSnapshot,
    ShadowRecommendation,
    SourceRank,
    Timings,
    Track,
    TrackEmbedding,
    Trigger,
)
from musicrec.documents import json_schema
from musicrec.errors import DeadLetterReason
from musicrec.topics import RECORD_TOPICS

GOLDEN = Path(__file__).parent / "golden"
NOON_MS = 1_600_000_000_000

TRIGGER = Trigger(
    event_id="e-1",
    type=EventType.PLAY,
    track_id="t-1",
    artist_id="a-1",
    outcome=ListenOutcome.COMPLETED,
    occurred_at_ms=NOON_MS,
    published_at_ms=NOON_MS + 250,
    partition=11,
    offset=42,
)

RECORDS: dict[str, Record] = {
    "listen.v1.json": ListenEvent(
        event_id="e-1",
        user_id="ann",
        type=EventType.PLAY,
        occurred_at_ms=NOON_MS,
        track_id="t-1",
        artist_id="a-1",
        ms_played=170_000,
        duration_ms=180_000,
        source="playlist:1",
    ),
    "listen.v1.minimal.json": ListenEvent(
        event_id="e-2",
        user_id="björk 🎵",
        type=EventType.BLOCK_ARTIST,
        occurred_at_ms=NOON_MS + 1,
        artist_id="a-2",
    ),
    "listen.v1.skip.json": ListenEvent(
        event_id="e-3",
        user_id="user:{1}*",
        type=EventType.SKIP,
        occurred_at_ms=NOON_MS + 2,
        track_id="spotify:track:74cksX4vgcm0cHKaV7XE2L",
        ms_played=0,
    ),
    "track.v1.json": Track(
        track_id="t-1",
        title='<b>Strangers</b> & "Friends"',
        artist_id="a-1",
        artist_name="Portishead",
        album="Dummy",
        duration_ms=237_000,
        tags=("trip hop", "1994"),
        audio_uri="file:music/strangers.ogg",
        released_at_ms=1_000_000_000_000,
    ),
    "track.v1.minimal.json": Track(track_id="t-2", title="", artist_name="", album="", tags=()),
    "session.v1.json": SessionSnapshot(
        user_id="ann",
        revision=7,
        session_id="s_1",
        supersedes=("s_0",),
        started_at_ms=NOON_MS - 170_000,
        last_ended_at_ms=NOON_MS,
        entries=(
            SessionEntry(
                track_id="t-0",
                listens=2,
                outcome=ListenOutcome.SKIPPED_LATE,
                ms_played=60_000,
                ended_at_ms=NOON_MS - 100_000,
                feedback=-1.5,
            ),
            SessionEntry(
                track_id="t-1",
                artist_id="a-1",
                listens=1,
                outcome=ListenOutcome.COMPLETED,
                ms_played=170_000,
                played_fraction=17 / 18,
                ended_at_ms=NOON_MS,
                feedback=0.0,
            ),
        ),
        entries_left_out=3,
        previous_track_id="t-0",
        trigger=TRIGGER,
        blocked_tracks=("t-9",),
        blocked_artists=("a-9",),
    ),
    "session.v1.minimal.json": SessionSnapshot(
        user_id="ann",
        revision=1,
        trigger=Trigger(
            event_id="e-2",
            type=EventType.BLOCK_ARTIST,
            occurred_at_ms=NOON_MS + 1,
            published_at_ms=0,
            partition=0,
            offset=0,
        ),
    ),
    "request.v1.json": RecommendationRequest(
        request_id="r-1", user_id="ann", mode=Mode.SIMILAR, track_id="t-1", limit=50, requested_at_ms=NOON_MS
    ),
    "request.v1.minimal.json": RecommendationRequest(
        request_id="r-2", user_id="ann", mode=Mode.PERSONAL, limit=20, requested_at_ms=NOON_MS
    ),
    "track-embedding.v1.json": TrackEmbedding(
        track_id="t-1",
        model_version="light-1",
        dimension=4,
        vector_f16="ADgAOAA4ALg=",
        genres=(Genre(name="jazz", probability=0.75),),
        tempo_bpm=91.5,
        key_profile=(0.25, 0.75),
        duration_ms=30_000,
        embedded_at_ms=NOON_MS,
    ),
    "track-embedding.v1.minimal.json": TrackEmbedding(
        track_id="t-2", model_version="light-1", dimension=4, vector_f16="ADgAOAA4ALg=", embedded_at_ms=NOON_MS
    ),
    "recommendation.v1.json": Recommendation(
        list_id="l_1",
        user_id="ann",
        mode=Mode.SESSION,
        items=(
            RecommendedItem(
                track_id="t-5",
                score=0.0325,
                sources=(SourceRank(source="session-knn", rank=1), SourceRank(source="popular", rank=9)),
                reason=ReasonCode.SESSIONS_LIKE_THIS,
            ),
        ),
        session_id="s_1",
        session_revision=7,
        trigger=TRIGGER,
        request_id="r-1",
        passed_over=("e-0",),
        degraded=(Degradation.NO_AUDIO_INDEX,),
        model_version="m-1",
        index_version="i-1",
        generated_at_ms=NOON_MS + 300,
        timings=Timings(event_to_list_ms=50.5, ranking_ms=0.75),
    ),
    "recommendation.v1.making.json": Recommendation(
        list_id="l_3",
        user_id="ann",
        mode=Mode.SESSION,
        items=(
            RecommendedItem(
                track_id="t-5",
                score=1.5,
                sources=(SourceRank(source="session_knn", rank=3),),
                reason=ReasonCode.SESSIONS_LIKE_THIS,
            ),
            RecommendedItem(
                track_id="t-6", score=1.5, sources=(SourceRank(source="new", rank=1),), reason=ReasonCode.NEW_HERE
            ),
        ),
        model_version="m-1",
        index_version="i-1",
        generated_at_ms=NOON_MS + 300,
        timings=Timings(ranking_ms=0.75),
        making=Making(
            sources=("session_knn", "new"),
            weights=(0.4, 0.005),
            proposed=(100, 0),
            rank_constant=10.0,
            repeat_factor=0.5,
            candidates=97,
            excluded=ExcludedCandidates(playing=1, skipped=2, blocked=3, artist_blocked=4, removed=5),
            ranked=96,
            fusion_ranks=(3, 0),
            ranker_ranks=(2, 0),
            heard=(1,),
            artist_cap=2,
            new_share=0.25,
        ),
    ),
    "recommendation.v1.similar-description.json": Recommendation(
        list_id="l_4",
        user_id="ann",
        mode=Mode.SESSION,
        items=(
            RecommendedItem(
                track_id="t-7",
                score=0.25,
                sources=(SourceRank(source="metadata_neighbours", rank=2),),
                reason=ReasonCode.SIMILAR_DESCRIPTION,
            ),
        ),
        model_version="m-1",
        index_version="none",
        generated_at_ms=NOON_MS + 300,
        timings=Timings(ranking_ms=0.75),
    ),
    "recommendation.v1.minimal.json": Recommendation(
        list_id="l_2",
        user_id="bob",
        mode=Mode.PERSONAL,
        items=(),
        degraded=(Degradation.NO_HISTORY, Degradation.EMPTY_CATALOGUE),
        model_version="m-1",
        index_version="none",
        generated_at_ms=NOON_MS + 300,
        timings=Timings(ranking_ms=0.0),
    ),
    "outcome.v1.json": Outcome(
        user_id="ann",
        event_id="e-1",
        track_id="t-1",
        outcome=ListenOutcome.COMPLETED,
        played_at_ms=NOON_MS,
        session_id="s_1",
        list_id="l_1",
        rank=3,
        list_length=20,
        sources=(SourceRank(source="session-knn", rank=2),),
    ),
    "outcome.v1.minimal.json": Outcome(
        user_id="ann",
        event_id="e-1",
        track_id="t-1",
        outcome=ListenOutcome.SKIPPED_EARLY,
        played_at_ms=NOON_MS,
        list_length=0,
        sources=(),
    ),
    "model.v1.json": ModelAnnouncement(
        name="session_encoder",
        files=ModelFiles(
            version="attention-0123456789ab", manifest_sha256="0123456789abcdef" * 4, folder="2020/encoder 1"
        ),
        announced_at_ms=NOON_MS,
    ),
    "model.v1.minimal.json": ModelAnnouncement(
        name="session_encoder",
        files=ModelFiles(version="attention-0123456789ab", manifest_sha256="0123456789abcdef" * 4, folder="ü"),
        announced_at_ms=NOON_MS,
    ),
}

IN_A_TRACE = {"traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
WITH_VARIANT = {"variant": "calm_2"}
RECORDS |= {
    # Fields that came later stand in files of their own.
    "recommendation.v1.variant.json": RECORDS["recommendation.v1.json"].model_copy(update=WITH_VARIANT),
    "outcome.v1.variant.json": RECORDS["outcome.v1.json"].model_copy(update=WITH_VARIANT),
    "shadow-recommendation.v1.json": ShadowRecommendation(
        **dict(RECORDS["recommendation.v1.json"])
        | WITH_VARIANT
        | {"making": dict(RECORDS["recommendation.v1.making.json"])["making"]}
    ),
    "shadow-recommendation.v1.minimal.json": ShadowRecommendation(**dict(RECORDS["recommendation.v1.minimal.json"])),
    "model.v1.variant.json": ModelAnnouncement(
        name="variant/calm_2",
        variant=RankingVariant(
            settings=(RankingSetting(name="weight_session_encoder", value=0.5),),
            uses_encoder=False,
            experiment="spring",
            start=0.25,
            share=0.125,
        ),
        announced_at_ms=NOON_MS,
    ),
    "model.v1.shadow.json": ModelAnnouncement(
        name="variant/night", variant=RankingVariant(shadow=True), announced_at_ms=NOON_MS
    ),
}

AT_THE_DIAL = {"type": EventType.SET_DISCOVERY, "track_id": None, "artist_id": None, "outcome": None}
RECORDS |= {
    "listen.v1.discovery.json": ListenEvent(
        event_id="e-4", user_id="ann", type=EventType.SET_DISCOVERY, occurred_at_ms=NOON_MS, discovery=-0.25
    ),
    "session.v1.discovery.json": RECORDS["session.v1.json"].model_copy(
        update={"discovery": -0.25, "trigger": TRIGGER.model_copy(update=AT_THE_DIAL)}
    ),
    "recommendation.v1.discovery.json": RECORDS["recommendation.v1.making.json"].model_copy(
        update={
            "making": dict(RECORDS["recommendation.v1.making.json"])["making"].model_copy(
                update={"discovery": -0.25, "new_to_listener": (2,)}
            )
        }
    ),
}

WITH_MAKING = dict(RECORDS["recommendation.v1.making.json"])
RECORDS |= {
    "recommendation.v1.propensity.json": Recommendation(
        **WITH_MAKING
        | {"items": (WITH_MAKING["items"][0], WITH_MAKING["items"][1].model_copy(update={"propensity": 0.125}))}
    ),
    "recommendation.v1.popularity-dial.json": Recommendation(
        **WITH_MAKING | {"making": WITH_MAKING["making"].model_copy(update={"dial_ranks": (), "popularity_dial": -0.5})}
    ),
    "recommendation.v1.skips.json": Recommendation(
        **WITH_MAKING
        | {"making": WITH_MAKING["making"].model_copy(update={"skips_per_1000": (412, 0), "skip_moves": (6, 0)})}
    ),
    "recommendation.v1.diversity.json": Recommendation(
        **WITH_MAKING | {"making": WITH_MAKING["making"].model_copy(update={"dial_ranks": (4, 0), "diversity": 0.3})}
    ),
}

RECORDS |= {
    "rule.v1.json": CatalogueRule(
        name="dispute 7",
        effect=RuleEffect.DENY,
        tracks=("t-1", "t-2"),
        artists=("a-1",),
        labels=("Ü Records",),
        markets=("DE", "AT"),
        from_ms=NOON_MS,
        until_ms=NOON_MS + 86_400_000,
        reason="until the court decides",
        published_at_ms=NOON_MS - 1,
    ),
    "rule.v1.minimal.json": CatalogueRule(
        name="closed", effect=RuleEffect.DENY, markets=("KP",), published_at_ms=NOON_MS
    ),
    "rule.v1.allow.json": CatalogueRule(
        name="for children", effect=RuleEffect.ALLOW, labels=("Lullabies",), published_at_ms=NOON_MS
    ),
    "listen.v1.market.json": RECORDS["listen.v1.json"].model_copy(update={"market": "DE"}),
    "track-embedding.v1.audio.json": RECORDS["track-embedding.v1.minimal.json"].model_copy(
        update={"audio_sha256": "0123456789abcdef" * 4}
    ),
    "track-embedding.v1.segments.json": RECORDS["track-embedding.v1.minimal.json"].model_copy(
        update={
            "segments": (
                Segment(genres=(Genre(name="folk", probability=0.75), Genre(name="jazz", probability=0.125))),
                Segment(),
            ),
            "spread": 0.25,
        }
    ),
    "recommendation.v1.trace.json": RECORDS["recommendation.v1.minimal.json"].model_copy(update=IN_A_TRACE),
    "shadow-recommendation.v1.trace.json": RECORDS["shadow-recommendation.v1.minimal.json"].model_copy(
        update=IN_A_TRACE
    ),
    "track.v1.rights.json": Track(track_id="t-1", label="Ü Records", markets=("AT", "DE")),
    "track.v1.nowhere.json": Track(track_id="t-1", markets=()),
    "session.v1.market.json": RECORDS["session.v1.json"].model_copy(update={"market": "DE"}),
    "request.v1.market.json": RECORDS["request.v1.json"].model_copy(update={"market": "DE"}),
    "recommendation.v1.ruled-out.json": Recommendation(
        **WITH_MAKING
        | {
            "making": WITH_MAKING["making"].model_copy(
                update={"market": "DE", "excluded": ExcludedCandidates(removed=5, ruled_out=6)}
            )
        }
    ),
}

DEAD_LETTER = DeadLetter(
    original_topic="musicrec.listens.v1",
    original_partition=11,
    original_offset=42,
    original_timestamp=NOON_MS + 250,
    reason=DeadLetterReason.INVALID,
    error_message="ms_played: Input should be a valid integer",
    app="session",
    app_version="0.1.0",
)


def test_every_golden_file_has_its_stated_values_here() -> None:
    assert {path.name for path in GOLDEN.iterdir()} == RECORDS.keys() | {"dead-letter.v1.json"}
    assert {type(record) for record in RECORDS.values()} == {topic.record for topic in RECORD_TOPICS}


@pytest.mark.row(43)
@pytest.mark.parametrize("name", RECORDS)
def test_golden_bytes_have_the_stated_values(name: str) -> None:
    expected = RECORDS[name]

    assert type(expected).decode((GOLDEN / name).read_bytes()) == expected


@pytest.mark.parametrize("name", RECORDS)
def test_a_record_in_the_frame_of_a_schema_registry_is_the_record(name: str) -> None:
    framed = b"\0" + (7).to_bytes(4, "big") + (GOLDEN / name).read_bytes()

    assert type(RECORDS[name]).decode(framed) == RECORDS[name]


@pytest.mark.parametrize("name", RECORDS)
def test_encoding_gives_the_golden_content_and_defaults(name: str) -> None:
    golden, record = json.loads((GOLDEN / name).read_bytes()), RECORDS[name]
    encoded = json.loads(record.encode())

    if name.count(".") == 2:
        assert encoded == golden
    known = {
        field: value for field, value in golden.items() if field in type(record).model_fields and value is not None
    }
    assert {field: value for field, value in encoded.items() if field in known} == known
    for field in encoded.keys() - known.keys():
        assert encoded[field] == json.loads(json.dumps(type(record).model_fields[field].default))


@pytest.mark.parametrize("record", sorted({type(record) for record in RECORDS.values()}, key=lambda r: r.__name__))
def test_the_golden_files_of_a_record_have_every_field_of_it_between_them(record: type[Record]) -> None:
    golden = [json.loads((GOLDEN / name).read_bytes()) for name in RECORDS if type(RECORDS[name]) is record]

    assert {field for content in golden for field in content} >= record.model_fields.keys()


@pytest.mark.parametrize("name", ["recommendation.v1.json", "recommendation.v1.minimal.json"])
def test_a_list_from_before_lists_told_their_making_decodes_without_it(name: str) -> None:
    assert Recommendation.decode((GOLDEN / name).read_bytes()).making is None


@pytest.mark.parametrize("name", [name for name in RECORDS if name.endswith("minimal.json")])
def test_a_minimal_golden_file_has_nothing_to_spare(name: str) -> None:
    golden: dict[str, Any] = json.loads((GOLDEN / name).read_bytes())
    needed = set(json_schema(type(RECORDS[name]))["required"])

    assert golden.keys() >= needed
    # What a record needs beyond that follows from its other fields.
    assert golden.keys() - needed <= {"artist_id", "degraded", "files", "markets"}


def test_the_golden_vector_is_what_it_was() -> None:
    embedding = TrackEmbedding.decode((GOLDEN / "track-embedding.v1.json").read_bytes())

    assert embedding.vector().tolist() == [0.5, 0.5, 0.5, -0.5]
    assert TrackEmbedding.pack(np.array([0.5, 0.5, 0.5, -0.5], np.float32)) == embedding.vector_f16


def test_dead_letter_headers_are_read_and_written_as_they_were() -> None:
    golden = json.loads((GOLDEN / "dead-letter.v1.json").read_bytes())
    headers = [(name, value.encode()) for name, value in golden.items()]

    assert DeadLetter.from_headers([("traceparent", b"00-1"), *headers]) == DEAD_LETTER
    assert DEAD_LETTER.headers() == headers
