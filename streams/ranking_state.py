"""What a ranking worker knows: co-listening, catalogue and vectors, followed from the topics.

Each worker follows all partitions, whatever users it answers for: what one listener does, all can profit from within a
second.
"""

from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from aiokafka import ConsumerRecord

from index.follower import EmbeddingFollower
from index.serving import ServingIndex
from musicrec.contracts import SessionSnapshot, Track
from musicrec.errors import BadInput
from musicrec.recommend import Recommender
from musicrec.settings import Settings
from musicrec.topic_follower import TopicFollower
from musicrec.topics import SESSIONS, TRACKS
from streams.counters import Counters
from streams.running_sessions import RunningSessions

LEARNING_BATCH = {"fetch_min_bytes": 64 * 1024, "fetch_max_wait_ms": 100}
"""Learning in batches of a tenth of a second leaves the moment after an event to its own list; the follower would
otherwise fetch, decode and learn just while the same event is ranked."""


class RankingState:
    """State of one ranking worker."""

    def __init__(self, counters: Counters) -> None:
        self.index = ServingIndex()
        self.recommender = Recommender(audio=self.index)
        self.running = RunningSessions()
        self._counters = counters

    @classmethod
    @asynccontextmanager
    async def following(cls, settings: Settings, snapshots: Path, counters: Counters) -> AsyncIterator["RankingState"]:
        """Give a state that is caught up with its topics and follows them from then on.

        Args:
            settings: connection.
            snapshots: folder for snapshots of the vector index, of this Kafka cluster alone: they hold its offsets.
            counters: what is counted.
        """
        state = cls(counters)
        connection = settings.kafka.client_options()
        followers = [
            TopicFollower(connection, [TRACKS.name], state.take_tracks),
            TopicFollower(connection | LEARNING_BATCH, [SESSIONS.name], state.take_sessions),
        ]
        embeddings = EmbeddingFollower(connection, state.index, snapshots=snapshots)
        async with AsyncExitStack() as stack:
            await embeddings.start()
            stack.push_async_callback(embeddings.stop)
            for follower in followers:
                follower.start()
                stack.push_async_callback(follower.stop)
            await embeddings.ready()
            for follower in followers:
                await follower.ready()
            yield state

    def index_version(self) -> str:
        """Return the version of the vectors in use."""
        return self.index.version or "none"

    def take_sessions(self, records: Sequence[ConsumerRecord]) -> None:
        """Learn from snapshots; a bad one is the agent's to dead-letter, and nothing to learn from."""
        for record in records:
            try:
                snapshot = SessionSnapshot.decode(record.value)
            except BadInput:
                self._counters.add("not_learned")
                continue
            self.running.put(snapshot, record.value)
            self._counters.add("learned", self.recommender.learn(snapshot))

    def take_tracks(self, records: Sequence[ConsumerRecord]) -> None:
        """Take in the catalogue; a tombstone removes a track."""
        for record in records:
            if not record.value:
                self.recommender.remove_track(record.key.decode(errors="replace") if record.key else "")
                continue
            try:
                self.recommender.add_track(Track.decode(record.value))
            except BadInput:
                self._counters.add("bad_tracks")
