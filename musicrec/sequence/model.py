"""The kinds of encoder there are."""

from enum import StrEnum


class Model(StrEnum):
    """What mixes the places of a session."""

    ATTENTION = "attention"
    GRU = "gru"
    LSTM = "lstm"
