"""The records that cross a topic: the published contract, and the only definition of it."""

from musicrec.contracts.dead_letter import DeadLetter
from musicrec.contracts.embedding import EmbeddingHead, Genre, Segment, TrackEmbedding
from musicrec.contracts.listen import EventType, ListenEvent
from musicrec.contracts.model import ModelAnnouncement, ModelFiles, RankingSetting, RankingVariant
from musicrec.contracts.outcome import Outcome
from musicrec.contracts.recommendation import (
    Degradation,
    ExcludedCandidates,
    Making,
    Mode,
    ReasonCode,
    Recommendation,
    RecommendationRequest,
    RecommendedItem,
    ShadowRecommendation,
    SourceRank,
    Timings,
)
from musicrec.contracts.record import Record, VersionedRecord
from musicrec.contracts.rule import CatalogueRule, RuleEffect
from musicrec.contracts.session import ListenOutcome, SessionEntry, SessionSnapshot, SnapshotHead, Trigger
from musicrec.contracts.track import Track

__all__ = [
    "CatalogueRule",
    "DeadLetter",
    "Degradation",
    "EmbeddingHead",
    "EventType",
    "ExcludedCandidates",
    "Genre",
    "ListenEvent",
    "ListenOutcome",
    "Making",
    "Mode",
    "ModelAnnouncement",
    "ModelFiles",
    "Outcome",
    "RankingSetting",
    "RankingVariant",
    "ReasonCode",
    "Recommendation",
    "RecommendationRequest",
    "RecommendedItem",
    "Record",
    "RuleEffect",
    "Segment",
    "SessionEntry",
    "SessionSnapshot",
    "ShadowRecommendation",
    "SnapshotHead",
    "SourceRank",
    "Timings",
    "Track",
    "TrackEmbedding",
    "Trigger",
    "VersionedRecord",
]
