"""Save anywhere, restore, go on: no later list tells the difference."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from listening import START_MS, Listening
from sounds import FewSounds

from musicrec.contracts import EventType, Mode, RecommendationRequest, SessionSnapshot, Track
from musicrec.evaluation.synthetic_stream import StreamShape, synthetic_snapshots
from musicrec.recommend import RankedList, RankingSettings, Recommender
from musicrec.recommend.state import Array, State, Stateful, joined
from streams.running_sessions import RunningSessions

SMALL = RankingSettings(
    max_sessions=6, session_row_length=3, sessions_per_track=4, tracks_per_artist=4, max_tracks=18, max_listeners=3,
    history_length=8, new_tracks_kept=3, new_max_plays=3, popular_candidates=4, ranker_lesson_every=1,
    max_terms=6, tracks_per_term=4,
)  # fmt: skip
ROOMY = RankingSettings(max_sessions=64, max_tracks=100, ranker_lesson_every=2)
LISTENERS, TRACKS = "abcde", 22
RUNNING_LIMIT = 4


class CircleOfVectors(FewSounds):
    """An audio index in which each track's neighbours have the numbers beside its own."""

    version = "circle"

    def __len__(self) -> int:
        return TRACKS

    def vector(self, track_id: str) -> Array | None:
        angle = 2 * np.pi * int(track_id.strip("track-")) / TRACKS
        return np.array([np.cos(angle), np.sin(angle)], np.float32)

    def search(self, vector: Array, k: int) -> list[tuple[str, float]]:
        cosines = {f"t{n}": float(np.float32(vector @ self.vector(f"t{n}"))) for n in range(0, TRACKS, 2)}
        return sorted(cosines.items(), key=lambda pair: (-pair[1], pair[0]))[:k]


@dataclass
class Worker:
    """What a ranking worker learns into and answers from."""

    recommender: Recommender
    running: RunningSessions

    @classmethod
    def new(cls, chosen: RankingSettings, limit: int = RUNNING_LIMIT) -> "Worker":
        return cls(Recommender(chosen, CircleOfVectors()), RunningSessions(limit))

    def take(self, record: SessionSnapshot | Track | str) -> None:
        match record:
            case SessionSnapshot():
                self.running.put(record, record.encode())
                self.recommender.learn(record)
            case Track():
                self.recommender.add_track(record)
            case str():
                self.recommender.remove_track(record)

    def parts(self) -> tuple[Stateful, Stateful]:
        return self.recommender, self.running

    def saved(self) -> list[dict[str, Array]]:
        return [joined(part.state()) for part in self.parts()]

    def restarted(self) -> "Worker":
        """Return a new worker with nothing but what was saved, as bytes."""
        other = Worker.new(self.recommender.settings, self.running._limit)
        for part, saved in zip(other.parts(), self.saved(), strict=True):
            arrays = {
                name: np.frombuffer(array.tobytes(), array.dtype).reshape(array.shape) for name, array in saved.items()
            }
            part.restore(State(arrays))
        return other

    def lists(self, users: Sequence[str], seed: str) -> list[RankedList]:
        """Return every kind of list for these listeners."""
        now_ms = START_MS + 40 * 86_400_000
        made = []
        for user in users:
            snapshot = self.running.get(user)
            if snapshot is not None:
                made.append(self.recommender.rank(snapshot))
            for mode in Mode:
                request = RecommendationRequest(
                    request_id="r", user_id=user, mode=mode, track_id=seed, requested_at_ms=now_ms
                )
                made.append(self.recommender.answer(request, snapshot, now_ms))
        return made


def assert_same_lists(one: list[RankedList], other: list[RankedList]) -> None:
    for ours, theirs in zip(one, other, strict=True):
        assert ours.items == theirs.items
        assert ours.degraded == theirs.degraded
        assert ours.making == theirs.making
        assert ours.candidates.tolist() == theirs.candidates.tolist()
        assert ours.candidate_scores.tolist() == theirs.candidate_scores.tolist()


def assert_same_bytes(one: Worker, other: Worker) -> None:
    for ours, theirs in zip(one.saved(), other.saved(), strict=True):
        assert list(ours) == list(theirs)
        for name, array in ours.items():
            assert (name, array.dtype, array.shape) == (name, theirs[name].dtype, theirs[name].shape)
            assert (name, array.tobytes()) == (name, theirs[name].tobytes())
    assert one.recommender.knowledge.catalogue.available == other.recommender.knowledge.catalogue.available


plays = st.tuples(
    st.just("play"), st.sampled_from(LISTENERS), st.integers(0, TRACKS - 1), st.booleans(), st.sampled_from([0, 0, 60])
)
feedback = st.tuples(
    st.sampled_from([EventType.LIKE, EventType.DISLIKE, EventType.BLOCK_TRACK, EventType.BLOCK_ARTIST]),
    st.sampled_from(LISTENERS),
    st.integers(0, TRACKS - 1),
)
dials = st.tuples(st.just("dial"), st.sampled_from(LISTENERS), st.sampled_from([-1.0, 0.0, 0.5]))
catalogue = st.tuples(st.sampled_from(["announce", "remove"]), st.integers(0, TRACKS - 1), st.integers(0, 3))
TAGS: list[tuple[str, ...]] = [(), ("jazz",), ("jazz", "blau"), ("rock",)]
streams = st.lists(st.one_of(plays, plays, plays, feedback, dials, catalogue), min_size=1, max_size=60)


def records_of(drawn: list[tuple]) -> list[SessionSnapshot | Track | str]:
    world = Listening()
    records: list[SessionSnapshot | Track | str] = []
    for what, *rest in drawn:
        match what:
            case "play":
                user, track, skip, pause = rest
                world.pause(pause)
                records.append(world.play(user, f"t{track}", f"künstler-{track % 4}", skip=skip))
            case "dial":
                user, value = rest
                records.append(world.feedback(user, EventType.SET_DISCOVERY, None, discovery=value))
            case "announce":
                track, artist = rest
                released_ms = START_MS if track % 2 else None
                records.append(
                    Track(
                        track_id=f"t{track}",
                        title=f"Titel {track // 3}",
                        artist_id=f"künstler-{artist}",
                        tags=TAGS[artist],
                        released_at_ms=released_ms,
                    )
                )
            case "remove":
                records.append(f"t{rest[0]}")
            case _:
                user, track = rest
                records.append(world.feedback(user, what, f"t{track}", f"künstler-{track % 4}"))
    return records


@pytest.mark.parametrize("chosen", [SMALL, ROOMY], ids=["small bounds", "wide bounds"])
@settings(max_examples=60, deadline=None)
@given(drawn=streams, data=st.data())
def test_stopped_and_restored_is_never_stopped(
    chosen: RankingSettings, drawn: list[tuple], data: st.DataObject
) -> None:
    records = records_of(drawn)
    stop = data.draw(st.integers(0, len(records)), "records before the stop")
    steady = Worker.new(chosen)
    for record in records[:stop]:
        steady.take(record)
    restored = steady.restarted()
    assert_same_bytes(steady, restored)
    assert_same_lists(steady.lists(LISTENERS, "t3"), restored.lists(LISTENERS, "t3"))
    for record in records[stop:]:
        steady.take(record)
        restored.take(record)
        if isinstance(record, SessionSnapshot):
            assert_same_lists([steady.recommender.rank(record)], [restored.recommender.rank(record)])
    assert_same_lists(steady.lists(LISTENERS, "t3"), restored.lists(LISTENERS, "t3"))
    assert_same_bytes(steady, restored)


@settings(max_examples=30, deadline=None)
@given(streams)
def test_what_was_learned_before_the_stop_is_not_learned_again(drawn: list[tuple]) -> None:
    steady = Worker.new(ROOMY)
    records = [record for record in records_of(drawn) if isinstance(record, SessionSnapshot)]
    for record in records:
        steady.take(record)
    restored = steady.restarted()
    assert not any(restored.recommender.learn(record) for record in records)
    assert_same_bytes(steady, restored)


def test_a_long_stream_restored_three_times_ends_where_the_steady_one_does() -> None:
    bounded = replace(
        RankingSettings(),
        max_sessions=600,
        sessions_per_track=16,
        max_listeners=150,
        history_length=100,
        max_tracks=4_000,
    )
    steady, restored = Worker.new(bounded, 150), Worker.new(bounded, 150)
    shape = StreamShape(plays=20_000, tracks=5_000, listeners=200, seed=7)
    for number, snapshot in enumerate(synthetic_snapshots(shape)):
        if number in (1, 6_000, 13_000):
            restored = restored.restarted()
            assert_same_bytes(steady, restored)
        records: list[SessionSnapshot | Track | str] = [snapshot]
        if number % 40 == 0:
            described = Track(track_id=f"track-{(number * 31) % 5_000}", tags=(f"tag {number % 70}",))
            records += [described, f"track-{number % 5_000}"]
        for record in records:
            steady.take(record)
            restored.take(record)
        if number % 50 == 0:
            assert_same_lists([steady.recommender.rank(snapshot)], [restored.recommender.rank(snapshot)])
    assert steady.recommender.ranker.lessons > 500
    users = [f"listener-{number}" for number in range(0, 200, 10)]
    assert_same_lists(steady.lists(users, "track-3"), restored.lists(users, "track-3"))
    assert_same_bytes(steady, restored)
