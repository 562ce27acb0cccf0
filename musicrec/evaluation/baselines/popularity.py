"""What everybody plays."""

from dataclasses import dataclass

from musicrec.evaluation.play_memory import PlayMemory, Question, Ranking


@dataclass(frozen=True, slots=True)
class AllTimePopularity:
    """Plays so far."""

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the most played tracks."""
        top = memory.top[: memory.top_length].copy()
        return top, memory.counts[top]


@dataclass(frozen=True, slots=True)
class RecentPopularity:
    """Plays of about the last day."""

    def rank(self, memory: PlayMemory, question: Question) -> Ranking:
        """Return the tracks with the most plays, each worth half as much after a day."""
        top = memory.lately.top[: memory.lately.top_length].copy()
        return top, memory.lately.scores[top]
