"""Networks that turn the vectors of a session's tracks into the direction in which the next one lies.

All have one interface: vectors in, float32, shape (sessions, length, dimension), the oldest track first, and how each
track was heard (`contexts.py`), shape (sessions, length); unit vectors out, of the shape of those that went in, each
from its own place and those before.  A candidate's logit is `exp(log_scale)` times the
cosine of its vector with that.

Sources: Kang, McAuley, "Self-attentive sequential recommendation", ICDM 2018; Borisyuk et al., "LiGR", 2025 (gated
blocks); Gupta et al., "NISER", 2019 (cosines, against the pull of what is popular); Hidasi et al., "Session-based
recommendations with recurrent neural networks", ICLR 2016.
"""

import math
from typing import Final

import torch
from torch import Tensor, nn
from torch.nn import functional

from musicrec.sequence.contexts import CONTEXTS, UNKNOWN_CONTEXT
from musicrec.sequence.model import Model
from musicrec.sequence.training_sessions import LONGEST

FIRST_SCALE: Final = 16.0
HIDDEN_FACTOR: Final = 2
"""Width of a block's gated layer, in dimensions."""


class SequenceNetwork(nn.Module):
    """A mixer of places, and a last map that begins as the identity: untrained, it points at the newest track."""

    def __init__(self, model: Model, dimension: int, blocks: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.dropout = nn.Dropout(dropout)
        self.contexts = nn.Embedding(CONTEXTS, dimension, padding_idx=UNKNOWN_CONTEXT)
        nn.init.zeros_(self.contexts.weight)
        self.mixer: nn.Module = (
            Attention(dimension, blocks, heads, dropout)
            if model is Model.ATTENTION
            else Recurrence(model, dimension, blocks)
        )
        self.last = nn.Linear(dimension, dimension, bias=False)
        nn.init.eye_(self.last.weight)
        self.log_scale = nn.Parameter(torch.tensor(math.log(FIRST_SCALE)))

    def forward(self, vectors: Tensor, contexts: Tensor) -> Tensor:
        """Return the direction at every place."""
        return functional.normalize(self.last(self.mixer(self.dropout(vectors + self.contexts(contexts)))), dim=-1)


class Attention(nn.Module):
    """Blocks of causal self-attention that know how far back each place lies."""

    def __init__(self, dimension: int, blocks: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(_Block(dimension, heads, dropout) for _ in range(blocks))

    def forward(self, vectors: Tensor) -> Tensor:
        """Mix the places."""
        place = torch.arange(vectors.shape[1], device=vectors.device)
        back = place[:, None] - place[None, :]
        future = torch.where(back < 0, torch.finfo(vectors.dtype).min, 0.0)
        for block in self.blocks:
            vectors = block(vectors, back.clamp(0, LONGEST - 1), future)
        return vectors


class _Block(nn.Module):
    def __init__(self, dimension: int, heads: int, dropout: float) -> None:
        super().__init__()
        self.heads = heads
        self.before_attention = nn.LayerNorm(dimension)
        self.queries_keys_values = nn.Linear(dimension, 3 * dimension)
        self.by_distance = nn.Parameter(torch.zeros(heads, LONGEST))
        self.gate = nn.Linear(dimension, dimension)
        self.attended = nn.Linear(dimension, dimension)
        self.before_layer = nn.LayerNorm(dimension)
        self.wide = nn.Linear(dimension, 2 * HIDDEN_FACTOR * dimension)
        self.narrow = nn.Linear(HIDDEN_FACTOR * dimension, dimension)
        self.dropout = nn.Dropout(dropout)
        for silent in (self.attended, self.narrow):
            nn.init.zeros_(silent.weight)
            nn.init.zeros_(silent.bias)

    def forward(self, vectors: Tensor, back: Tensor, future: Tensor) -> Tensor:
        """Return the places after this block."""
        sessions, length, dimension = vectors.shape
        normal = self.before_attention(vectors)
        queries, keys, values = map(self._by_head, self.queries_keys_values(normal).chunk(3, dim=-1))
        logits = queries @ keys.transpose(-1, -2) / math.sqrt(dimension // self.heads)
        weights = (logits + self.by_distance[:, back] + future).softmax(-1)
        attended = (weights @ values).permute(0, 2, 1, 3).reshape(sessions, length, dimension)
        vectors = vectors + self.dropout(self.attended(attended) * self.gate(normal).sigmoid())
        wide, gate = self.wide(self.before_layer(vectors)).chunk(2, dim=-1)
        return vectors + self.dropout(self.narrow(functional.silu(gate) * wide))

    def _by_head(self, vectors: Tensor) -> Tensor:
        sessions, length, dimension = vectors.shape
        return vectors.view(sessions, length, self.heads, dimension // self.heads).permute(0, 2, 1, 3)


class Recurrence(nn.Module):
    """Gated recurrent layers beside a path that leaves the newest track as it is."""

    def __init__(self, model: Model, dimension: int, layers: int) -> None:
        super().__init__()
        kind = nn.GRU if model is Model.GRU else nn.LSTM
        self.layers = kind(dimension, dimension, num_layers=layers, batch_first=True)
        self.out = nn.Linear(dimension, dimension)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, vectors: Tensor) -> Tensor:
        """Mix the places."""
        state, _ = self.layers(vectors)
        return vectors + self.out(state)
