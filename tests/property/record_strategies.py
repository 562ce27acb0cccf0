"""Hypothesis strategies for every record, read off the models' own annotations."""

import types
from enum import Enum
from typing import Annotated, Any, Union, get_args, get_origin

import numpy as np
from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from hypothesis import strategies as st
from pydantic import StringConstraints
from pydantic.fields import FieldInfo

from musicrec.contracts import (
    CatalogueRule,
    EventType,
    ListenEvent,
    Mode,
    ModelAnnouncement,
    ModelFiles,
    Outcome,
    RankingVariant,
    Recommendation,
    RecommendationRequest,
    Record,
    RuleEffect,
    ShadowRecommendation,
    TrackEmbedding,
)
from musicrec.trace_context import TRACEPARENT_PATTERN

FILES = ModelFiles(version="v", manifest_sha256="0" * 64, folder="f")
MARKET = "^[A-Z]{2}$"
LONGEST_LIST = 3
"""Items of generated lists: enough for an order, few enough for speed."""


def records(model: type[Record]) -> st.SearchStrategy[Any]:
    """Return a strategy for valid records of a type."""
    needed = {name: _field(field) for name, field in model.model_fields.items() if field.is_required()}
    spare = {name: _field(field) for name, field in model.model_fields.items() if not field.is_required()}
    fields = st.fixed_dictionaries(needed, optional=spare)
    return st.builds(_completed, st.just(model), fields, st.integers(1, 9), st.integers(0, 2**32))


def _completed(model: type[Record], fields: dict[str, Any], dimension: int, seed: int) -> Record:
    """Return a record with what its validators demand beyond its fields' types."""
    if model is ListenEvent:
        kind = fields["type"]
        fields["artist_id"] = fields.get("artist_id") or ("a" if kind.is_about_artist else None)
        fields["track_id"] = fields.get("track_id") or ("t" if kind.is_about_track else None)
        if kind.is_listen and fields.get("ms_played") is None:
            fields["ms_played"] = 0
        if kind is EventType.SET_DISCOVERY and fields.get("discovery") is None:
            fields["discovery"] = 0.5
    if model is RecommendationRequest and fields.get("mode") is Mode.SIMILAR:
        fields["track_id"] = fields.get("track_id") or "t"
    if model is TrackEmbedding:
        vector = np.random.default_rng(seed).normal(size=dimension)
        vector /= np.linalg.norm(vector)
        fields |= {"dimension": dimension, "vector_f16": TrackEmbedding.pack(vector.astype(np.float32))}
        fields["audio_sha256"] = f"{seed:064x}" if fields.get("audio_sha256") else None
    if model is RankingVariant:
        shadow, share = fields.get("shadow", False), fields.get("share", 0.0)
        fields["share"] = 0.0 if shadow else share or 0.5
    if model is ModelAnnouncement:
        files, variant = fields.pop("files", None), fields.pop("variant", None)
        is_variant = variant is not None
        fields |= (
            {"name": f"variant/v{seed}", "variant": variant} if is_variant else {"name": "m", "files": files or FILES}
        )
    if model is CatalogueRule:
        if fields["effect"] is RuleEffect.ALLOW or not fields.get("markets"):
            fields["labels"] = fields.get("labels") or ("l",)
        if fields.get("from_ms") is not None and fields.get("until_ms") is not None:
            fields |= {"from_ms": 1_000_000_000_000, "until_ms": 1_000_000_000_001 + seed}
    if "variant" in fields and model in (Recommendation, ShadowRecommendation, Outcome):
        fields["variant"] = f"v{seed}"
    if model is ModelFiles:
        fields |= {"manifest_sha256": f"{seed:064x}", "folder": f"models/{dimension}"}
    return model(**fields)


def _field(field: FieldInfo) -> st.SearchStrategy[Any]:
    return _values(field.annotation, list(field.metadata))


def _values(annotation: Any, metadata: list[Any]) -> st.SearchStrategy[Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _values(arguments[0], [*metadata, *_constraints(arguments[1:])])
    if origin in (Union, types.UnionType):
        return st.one_of(*(_values(argument, metadata) for argument in arguments))
    if origin is tuple:
        longest = min(_bound(metadata, MaxLen, "max_length", LONGEST_LIST), LONGEST_LIST)
        return st.lists(_values(arguments[0], []), max_size=longest).map(tuple)
    if annotation is type(None):
        return st.none()
    if annotation is str and any(getattr(entry, "pattern", None) == MARKET for entry in _constraints(metadata)):
        return st.sampled_from(["AT", "DE", "ZZ"])
    if annotation is str and any(getattr(e, "pattern", None) == TRACEPARENT_PATTERN for e in _constraints(metadata)):
        return st.from_regex(TRACEPARENT_PATTERN.strip("^$"), fullmatch=True)
    if annotation is str:
        shortest, longest = _bound(metadata, MinLen, "min_length", 0), _bound(metadata, MaxLen, "max_length", 99)
        return st.text(min_size=shortest, max_size=9) | st.just("é" * min(longest, 256))
    if annotation is bool:
        return st.booleans()
    if annotation is int:
        return st.integers(_bound(metadata, Ge, "ge", -(2**63)), _bound(metadata, Le, "le", 2**63))
    if annotation is float:
        least, most = _bound(metadata, Ge, "ge", None), _bound(metadata, Le, "le", None)
        above, below = _bound(metadata, Gt, "gt", None), _bound(metadata, Lt, "lt", None)
        return st.floats(
            least if above is None else above,
            most if below is None else below,
            exclude_min=above is not None,
            exclude_max=below is not None,
            allow_nan=False,
            allow_infinity=False,
        )
    if isinstance(annotation, type) and issubclass(annotation, Enum):
        return st.sampled_from(annotation)
    if isinstance(annotation, type) and issubclass(annotation, Record):
        return records(annotation)
    raise NotImplementedError(f"no strategy for {annotation}")


def _constraints(metadata: tuple[Any, ...]) -> list[Any]:
    found: list[Any] = []
    for entry in metadata:
        if isinstance(entry, FieldInfo):
            found += entry.metadata
        elif isinstance(entry, StringConstraints):
            found += list(entry)
        else:
            found.append(entry)
    return found


def _bound(metadata: list[Any], kind: type, name: str, default: Any) -> Any:
    return next((getattr(entry, name) for entry in _constraints(tuple(metadata)) if isinstance(entry, kind)), default)
