"""Sessions and lists in one process: listen events in, their session snapshots and their recommendations out.

What the session agent and the ranking agent do one after the other, with the snapshots handed over in memory: they are
published as ever, for all who read them, together with the lists that answer them.  An event waits for one hop less.

What a crash leaves behind (the steps are those of `batch_loop`)
    decide  lists are stored, and neither snapshots nor lists are published: the same come again, from the same states.
    emit    both are published and no state is saved: the same snapshots and lists come again, same bytes, same ids.
    save    the events are applied: they come again and change nothing, and their lists are out.

    So an event that it has applied has its list.  One that a session worker has applied gets it from a ranking worker,
    and none where the list of the listener's next event is there before: the two kinds must not apply events beside
    each other, see deploy/README.md.
"""

import time
from collections.abc import Sequence

from musicrec.errors import BadInput, Incompatible, Unavailable
from musicrec.topics import SESSIONS
from streams.express_lane import Haste
from streams.messages import Decision, Handled, Incoming, dead_letter, unpublished
from streams.ranking_agent import SessionRanking
from streams.session_agent import SessionAgent


class ListenRanking:
    """Handler of `musicrec.listens.v1` that has the snapshots of a batch ranked before they are published."""

    name = "session-ranking"
    max_batch = SessionRanking.max_batch

    def __init__(self, sessions: SessionAgent, ranking: SessionRanking) -> None:
        self._sessions = sessions
        self._ranking = ranking

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Apply a batch in order and rank once per listener."""
        decision = await self._sessions.decide(batch)
        try:
            if snapshots := _snapshots(decision):
                decision.then = Handled(snapshots, await self._ranking.decide(snapshots))
        except Exception as error:
            decision.end_trace(error)
            raise
        return decision

    def haste_of(self, value: bytes | None, timestamp_ms: int) -> Haste:
        """Let each event overtake those of other listeners, as the session agent does."""
        return self._sessions.haste_of(value, timestamp_ms)

    async def refuse(self, message: Incoming, reason: BadInput) -> Decision:
        """Refuse the snapshot where it is the ranking that fails: the listener's session goes on."""
        try:
            decision = await self._sessions.decide([message])
        except (Unavailable, Incompatible):
            raise
        except Exception:
            return Decision([dead_letter(message, reason, app=self._sessions.name)])
        if snapshots := _snapshots(decision):
            letters = [dead_letter(snapshot, reason, app=self._ranking.name) for snapshot in snapshots]
            decision.then = Handled(snapshots, Decision(letters))
        return decision


def _snapshots(decision: Decision) -> list[Incoming]:
    return unpublished(decision.messages, SESSIONS, time.time_ns() // 1_000_000)
