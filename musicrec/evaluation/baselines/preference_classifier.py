"""Would this listener say yes to this track?  A logistic regression over content, learned play by play.

What was heard out is a yes; what was skipped is a no, and so are a few tracks of the same listener's candidates that
were not what they played.  Candidates are ranked by the probability of a yes.  Content is the artist, popularity, and
how lately and often the listener heard track and artist: a listening log knows no more, there is no audio in it.

Sources: Pazzani, Billsus, "Content-based recommendation systems", The Adaptive Web, 2007 (yes or no as a classifier);
Duchi, Hazan, Singer, "Adaptive subgradient methods for online learning", JMLR 2011 (AdaGrad).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import ListenOutcome
from musicrec.evaluation.baselines.best_of import best_of
from musicrec.evaluation.baselines.content_profile import ContentProfile
from musicrec.evaluation.play_memory import Play, PlayMemory, Question, Ranking
from musicrec.evaluation.tastes import Heard, Taste

FEATURES = 15
NEVER_MS = 10 * 365 * 86_400_000
NOTHING = Heard()
NOBODY = Taste()


@dataclass(slots=True)
class Weights:
    """Of the regression, with AdaGrad's sums of squared gradients, and what it draws its noes with."""

    weights: NDArray[np.float64] = field(default_factory=lambda: np.zeros(FEATURES))
    squares: NDArray[np.float64] = field(default_factory=lambda: np.full(FEATURES, 1e-6))
    random: np.random.Generator = field(default_factory=lambda: np.random.default_rng(1))

    def step(self, features: NDArray[np.float64], labels: NDArray[np.float64], rate: float) -> None:
        """Go one step down the mean log loss of the examples; features float64, shape (n, FEATURES)."""
        wrong = 1.0 / (1.0 + np.exp(-(features @ self.weights))) - labels
        gradient = wrong @ features / len(labels)
        self.squares += gradient**2
        self.weights -= rate * gradient / np.sqrt(self.squares)


@dataclass(frozen=True, slots=True)
class PreferenceClassifier:
    """P(yes) of the tracks that fit the listener's profile and of those they played lately.

    Attributes:
        profile: where candidates come from.
        by_content: candidates of the profile.
        by_history: tracks last played by the listener that are candidates too.
        noes: candidates that were not played, learned as a no with each play.
        rate: step size.
    """

    profile: ContentProfile = field(default_factory=ContentProfile)
    by_content: int = 60
    by_history: int = 100
    noes: int = 4
    rate: float = 0.1

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the candidates by P(yes)."""
        candidates = self._candidates(memory, question)
        if not len(candidates):
            return np.zeros(0, np.int64), np.zeros(0)
        features = self._features(memory, question, candidates.tolist())
        order, scores = best_of(features @ self._weights(memory).weights)
        return candidates[order], 1.0 / (1.0 + np.exp(-scores))

    def learn(self, memory: PlayMemory, question: Question, play: Play) -> None:
        """Learn a yes or a no from a play that the memory has not learned yet.

        Args:
            question: what would have been asked right before it.
        """
        skipped = play.outcome is not None and play.outcome.is_skip
        if play.outcome is ListenOutcome.PARTIAL:
            return
        model = self._weights(memory)
        candidates = self._candidates(memory, question) if self.noes else np.zeros(0, np.int64)
        others = model.random.choice(candidates, self.noes) if len(candidates) else candidates
        others = others[others != play.track]
        tracks = [play.track, *others.tolist()]
        labels = np.zeros(len(tracks))
        labels[0] = not skipped
        model.step(self._features(memory, question, tracks), labels, self.rate)

    def _weights(self, memory: PlayMemory) -> Weights:
        return memory.models.of(self, memory.plays, None, lambda _: Weights())

    def _candidates(self, memory: PlayMemory, question: Question) -> NDArray[np.int64]:
        by_content, _ = self.profile.best(memory, question, self.by_content)
        listener = memory.listeners.get(question.listener)
        if listener is None:
            return by_content
        history = listener.tracks[max(0, listener.length - self.by_history) : listener.length]
        return np.unique(np.concatenate([by_content, history.astype(np.int64)]))

    def _features(self, memory: PlayMemory, question: Question, tracks: Sequence[int]) -> NDArray[np.float64]:
        """Return float64, shape (tracks, FEATURES)."""
        tastes = memory.tastes
        taste = tastes.by_listener.get(question.listener, NOBODY)
        profile = self.profile.profile(memory, question)
        whole = sum(profile.values()) or 1.0
        session = dict.fromkeys(question.tracks)
        current = memory.artist_of[question.tracks[0]] if question.tracks else -2
        liking = taste.heard.liking
        rows = []
        for track in tracks:
            artist = int(memory.artist_of[track]) if track < memory.known else -1
            heard = tastes.tracks.get(track, NOTHING)
            own = taste.plays.get(track, 0)
            since_ms = max(1_000, question.now_ms - taste.last_ms.get(track, question.now_ms - NEVER_MS))
            rows.append(
                (
                    1.0,
                    math.log1p(own),
                    own > 0,
                    math.log(NEVER_MS / since_ms) / 8.0,
                    math.log1p(taste.weight_of(artist)),
                    profile.get(artist, 0.0) / whole,
                    artist == current,
                    track in session,
                    math.log1p(heard.plays),
                    heard.plays == 0,
                    heard.liking,
                    tastes.artists.get(artist, NOTHING).liking,
                    liking,
                    math.log1p(own) * (artist == current),
                    math.log1p(own) * profile.get(artist, 0.0) / whole,
                )
            )
        return np.array(rows, np.float64)
