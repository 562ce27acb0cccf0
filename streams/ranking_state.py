"""What a ranking worker knows: co-listening, catalogue and vectors, followed from the topics.

Each worker follows all partitions, whatever users it answers for: what one listener does, all can profit from within a
second.  Where that is too much for a core it follows a share of them, see `LearnedPartitions`.  It begins with a
snapshot, where it has a good one, and takes the rest from the topics.

A snapshot tells by partition up to where it holds what was learned, and that is all of it that depends on the share:
after a change of the share, partitions that it does not name are learned from their beginning, and what it holds of
others ages as all that is learned does.
"""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import replace
from itertools import groupby
from operator import attrgetter

from aiokafka import ConsumerRecord

from index.follower import EmbeddingFollower, in_daemon_thread
from index.serving import ServingIndex
from musicrec.contracts import SessionSnapshot, Track
from musicrec.errors import BadInput
from musicrec.kafka_access import count_partitions
from musicrec.ranker_files import TrainedRanker, read_ranker
from musicrec.recommend import RankingSettings, Recommender
from musicrec.recommend.session_encoder import SessionEncoder
from musicrec.recommend.variants import Variants
from musicrec.settings import Settings
from musicrec.topic_follower import StartAt, TopicFollower
from musicrec.topics import EMBEDDINGS, RULES, SESSIONS, TRACKS
from streams.announced_encoder import EncoderKind
from streams.announced_model import AnnouncedModel
from streams.announced_models import AnnouncedModels
from streams.announced_ranker import RankerKind
from streams.announced_rules import AnnouncedRules
from streams.announced_variants import AnnouncedVariants
from streams.counters import Counters
from streams.gathering import UNHURRIED
from streams.learned_partitions import Answered, LearnedPartitions
from streams.ranking_snapshots import Learned, RankingSnapshots
from streams.running_sessions import RunningSessions
from streams.snapshot_keeper import SnapshotKeeper
from streams.vitals import Followed

log = logging.getLogger(__name__)

Watched = Callable[[], tuple[Followed, ...]]


class RankingState:
    """State of one ranking worker."""

    def __init__(self, settings: RankingSettings, counters: Counters, ranker: TrainedRanker | None = None) -> None:
        """Make one that knows nothing.

        Args:
            settings: of the ranking.
            counters: what is counted.
            ranker: with which it begins where there is no snapshot.

        Raises:
            Incompatible: the ranker is one for other settings.
        """
        self.index = ServingIndex()
        self._encoder: SessionEncoder | None = None
        self._settings = settings
        self._named_ranker = ranker
        self._ranker = ranker
        self._follower: TopicFollower | None = None
        self._counters = counters
        self._announced = AnnouncedVariants(counters)
        self._rules = AnnouncedRules(counters)
        self._keeper: SnapshotKeeper | None = None
        self._restored_ms: int | None = None
        self.learned = self._nothing()

    @classmethod
    @asynccontextmanager
    async def following(
        cls,
        settings: Settings,
        origin: str,
        counters: Counters,
        watch: Callable[[Watched], None] = lambda _: None,
        answered: Answered = lambda: None,
        is_listing: Callable[[], bool] = lambda: False,
    ) -> AsyncIterator["RankingState"]:
        """Give a state that is caught up with its topics and follows them from then on; it is saved at the end.

        Args:
            settings: connection, folder for snapshots, and how many sessions are remembered.
            origin: of the topics that are followed; snapshots hold their offsets and serve them alone.
            counters: what is counted.
            watch: is given, before the wait, what tells how the followers get on.
            answered: tells whose listeners the worker answers; it learns from them, whatever the share.
            is_listing: whether listeners wait for the worker; it then learns half of the time at most.

        Raises:
            Incompatible: there are too few partitions for the share; the ranker is one for other settings.
            Unavailable: Kafka does not say how many partitions there are.
        """
        chosen = settings.ranking
        partitions = await count_partitions(settings.kafka, SESSIONS.name)
        learned = LearnedPartitions(chosen.learn_from_one_in, partitions, answered)
        names = ("max_sessions", "max_listeners", "discovery", "popularity_dial", "diversity")
        bounded = replace(RankingSettings(), **{name: getattr(chosen, name) for name in names})
        ranker = None if chosen.ranker_path is None else await asyncio.to_thread(read_ranker, chosen.ranker_path)
        state = cls(bounded, counters, ranker)
        connection = settings.kafka.client_options()
        embeddings = EmbeddingFollower(
            connection,
            state.index,
            snapshots=settings.data_dir / "index" / origin,
            on_refused=counters.unreadable.labels(EMBEDDINGS.name).inc,
        )
        snapshots = RankingSnapshots(settings.data_dir / "ranking" / origin, origin, state._nothing)
        encoders = AnnouncedModel(EncoderKind(chosen.encoder_path), counters, models=chosen.models_dir)
        kind = RankerKind(bounded, lambda: state.recommender.beginning)
        rankers = AnnouncedModel(kind, counters, models=chosen.models_dir)
        models = AnnouncedModels(connection, counters, [encoders, rankers], on_other=state._announced.take)
        rules = TopicFollower(connection, [RULES.name], state._rules.take)
        async with AsyncExitStack() as stack:
            stack.push_async_callback(embeddings.stop)
            stack.push_async_callback(rules.stop)
            stack.push_async_callback(models.stop)

            async def first_encoder() -> SessionEncoder | None:
                await models.ready()
                return await encoders.first(chosen.model_wait_s)

            async def restored() -> tuple[StartAt, TrainedRanker | None]:
                start_at, _ = await asyncio.gather(state._restored(snapshots), models.ready())
                # With the snapshot: only it tells whether the networks have begun with the announced one before.
                return start_at, await rankers.first(chosen.model_wait_s)

            (start_at, first_ranker), _, encoder = await asyncio.gather(restored(), embeddings.start(), first_encoder())
            # Before anything is learned: the ranker learns what the encoder's word is worth.
            await state.use_encoder(encoder)
            state._announced.use(state.learned.variants)
            state._rules.use(state.recommender)
            state.learned.variants.settle()
            # Variants are there: they begin with it too.
            await state.use_ranker(first_ranker)
            learned.go_on_with({place.partition for place in start_at.offsets if place.topic == SESSIONS.name})
            # One follower for both topics: its places and what it brought are saved as a pair.  Learning in batches
            # leaves the moment after an event to its own list; the follower would otherwise fetch, decode and learn
            # just while the same event is ranked.
            follower = TopicFollower(
                connection | UNHURRIED.consumer_options,
                [TRACKS.name, SESSIONS.name],
                state.take,
                start_at=start_at,
                on_lost_place=lambda: state._forget(rankers),
                choose=learned.choose,
                gives_way=is_listing,
            )
            state._follower = follower

            def followed() -> tuple[Followed, ...]:
                vectors = Followed(EMBEDDINGS.name, embeddings.is_ready, embeddings.lag, embeddings.ended)
                places = (
                    Followed(topic, follower.caught_up, follower.lag_of(topic), follower.ended)
                    for topic in follower.topics
                )
                ruled = Followed(RULES.name, rules.caught_up, rules.lag, rules.ended)
                return (vectors, *places, models.followed(), ruled)

            watch(followed)
            follower.start()
            rules.start()
            encoders.start(state.use_encoder)
            rankers.start(state.use_ranker)
            stack.push_async_callback(follower.stop)
            keeper = SnapshotKeeper(
                lambda: state.learned,
                follower,
                snapshots,
                interval_s=settings.ranking.snapshot_interval_s,
                saved=start_at.offsets,
            )
            keeper.start()
            state._keeper = keeper
            stack.push_async_callback(keeper.stop)
            await embeddings.ready()
            await follower.ready()
            await rules.ready()
            log.info("caught up: %d records taken from the topics", follower.handled)
            yield state

    @property
    def recommender(self) -> Recommender:
        """Makes the lists."""
        return self.learned.recommender

    @property
    def variants(self) -> Variants:
        """The recommender, and the variants beside it."""
        return self.learned.variants

    @property
    def running(self) -> RunningSessions:
        """The newest snapshot of each listener."""
        return self.learned.running

    @property
    def snapshot_ms(self) -> int | None:
        """When the newest snapshot was taken, epoch milliseconds; None without one."""
        return (self._keeper.newest_ms if self._keeper is not None else None) or self._restored_ms

    def index_version(self) -> str:
        """Return the version of the vectors in use."""
        return self.index.version or "none"

    async def use_encoder(self, encoder: SessionEncoder | None) -> None:
        """Have an encoder, or none, make the lists: between two of them, and only when it has all it needs."""
        maker, encoded = self.recommender, None
        if encoder is not None:
            encoded = await in_daemon_thread(lambda: maker.encoded(encoder))
            if maker is not self.recommender:  # all was forgotten meanwhile, and tracks have other numbers
                return await self.use_encoder(encoder)
        self._encoder = encoder
        maker.use_encoder(encoded)

    async def use_ranker(self, ranker: TrainedRanker | None) -> None:
        """Have the networks go on from a trained ranker: between two lists, two lessons and two snapshots.

        Args:
            ranker: tried out; None leaves the networks as they are, see `announced_ranker`.
        """
        self._ranker = ranker or self._named_ranker
        if ranker is None:
            return
        async with self._follower.held() if self._follower is not None else nullcontext():
            self.learned.variants.begin_with(ranker.networks, ranker.beginning)

    def take(self, records: Sequence[ConsumerRecord]) -> None:
        """Take in records of both topics, in order."""
        handlers = {TRACKS.name: self.take_tracks, SESSIONS.name: self.take_sessions}
        for topic, those in groupby(records, attrgetter("topic")):
            handlers[topic](list(those))

    def take_sessions(self, records: Sequence[ConsumerRecord]) -> None:
        """Learn from snapshots; a bad one is the agent's to dead-letter, and nothing to learn from."""
        for record in records:
            try:
                snapshot = SessionSnapshot.decode(record.value)
            except BadInput:
                self._counters.unreadable.labels(SESSIONS.name).inc()
                continue
            self.running.put(snapshot, record.value)
            self._counters.learned.inc(self.learned.variants.learn(snapshot))

    def take_tracks(self, records: Sequence[ConsumerRecord]) -> None:
        """Take in the catalogue; a tombstone removes a track."""
        for record in records:
            if not record.value:
                self.recommender.remove_track(record.key.decode(errors="replace") if record.key else "")
                continue
            try:
                self.recommender.add_track(Track.decode(record.value))
            except BadInput:
                self._counters.unreadable.labels(TRACKS.name).inc()

    def _nothing(self) -> Learned:
        encoders = [self._encoder] if self._encoder else []
        recommender = Recommender(self._settings, audio=self.index, encoders=encoders)
        if self._ranker is not None:
            self._ranker.teach(recommender)
        return Learned(
            Variants(recommender, self._announced.failed),
            RunningSessions(limit=self._settings.max_listeners // 2),
        )

    def _forget(self, rankers: AnnouncedModel[TrainedRanker]) -> None:
        """Begin anew: the topics are not those that the snapshot was taken from."""
        self.learned = self._nothing()
        rankers.again()
        self._announced.use(self.learned.variants)
        self._rules.use(self.recommender)

    async def _restored(self, snapshots: RankingSnapshots) -> StartAt:
        now_ms, started_s = time.time_ns() // 1_000_000, time.perf_counter()
        snapshot = await in_daemon_thread(lambda: snapshots.load(now_ms=now_ms))
        if snapshot is None:
            begins = f", beginning with {self._ranker.manifest.version}" if self._ranker is not None else ""
            log.info("no ranking snapshot: all is learned from the topics%s", begins)
            return StartAt()
        self.learned = snapshot.learned
        self._restored_ms = snapshot.created_at_ms
        log.info(
            "ranking snapshot of %.0f s ago with %s restored in %.1f s",
            (now_ms - snapshot.created_at_ms) / 1000,
            self.learned.described(),
            time.perf_counter() - started_s,
        )
        return StartAt(offsets=snapshot.offsets)
