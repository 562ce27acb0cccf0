"""The tracks most like the mean of those that the listener liked, by content.

A track's content is its artist, one-hot, and how popular it is: a listening log knows no more, there is no audio in it.
The mean of the liked tracks' vectors is then a weight per artist.

Source: Pazzani, Billsus, "Content-based recommendation systems", The Adaptive Web, 2007 (profile of liked vectors).
"""

from collections import defaultdict
from dataclasses import dataclass
from heapq import nlargest

import numpy as np

from musicrec.evaluation.play_memory import CANDIDATES, PlayMemory, Question, Ranking


@dataclass(frozen=True, slots=True)
class ContentProfile:
    """score(track) = weight of its artist · (plays + 1)^popularity_power.

    Attributes:
        place_decay: factor per place back in the running session.
        history_weight: what the listener's history before it counts in all, the newest track counting 1.
        artists: the heaviest ones whose tracks are scored.
        popularity_power: how much popularity counts.
    """

    place_decay: float = 0.8
    history_weight: float = 1.0
    artists: int = 20
    popularity_power: float = 0.5

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the tracks of the artists that weigh most."""
        return self.best(memory, question, CANDIDATES)

    def best(self, memory: PlayMemory, question: Question, limit: int) -> Ranking:
        """Return `limit` tracks at most."""
        weights = self.profile(memory, question)
        tracks: list[int] = []
        artist_weights: list[float] = []
        for artist in nlargest(self.artists, weights, key=lambda artist: (weights[artist], -artist)):
            theirs = memory.tastes.tracks_of.newest_first(artist)
            tracks += theirs
            artist_weights += [weights[artist]] * len(theirs)
        listed = np.array(tracks, np.int64)
        scores = np.array(artist_weights) * (memory.counts[listed] + 1.0) ** self.popularity_power
        order = np.lexsort((listed, -scores))[:limit]
        return listed[order], scores[order]

    def profile(self, memory: PlayMemory, question: Question) -> dict[int, float]:
        """Return the weight in the mean of what was liked of the session's artists and of the listener's favourites."""
        weights: defaultdict[int, float] = defaultdict(float)
        for place, track in enumerate(question.tracks):
            artist = int(memory.artist_of[track])
            if artist >= 0:
                weights[artist] += self.place_decay**place
        taste = memory.tastes.by_listener.get(question.listener)
        if taste is not None:
            for artist in {*weights, *taste.favourites}:
                weights[artist] += self.history_weight * taste.share_of(artist)
        return weights
