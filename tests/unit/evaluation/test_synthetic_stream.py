"""The generated stream for speed measurements."""

from musicrec.evaluation.synthetic_stream import LONGEST_SESSION, StreamShape, synthetic_snapshots

SHAPE = StreamShape(plays=2_000, tracks=500, listeners=20)


def test_the_same_seed_gives_the_same_stream() -> None:
    assert list(synthetic_snapshots(SHAPE)) == list(synthetic_snapshots(SHAPE))


def test_every_listener_counts_revisions_without_a_gap() -> None:
    revisions: dict[str, int] = {}
    snapshots = list(synthetic_snapshots(SHAPE))
    assert len(snapshots) == 2_000
    for snapshot in snapshots:
        assert snapshot.revision == revisions.get(snapshot.user_id, 0) + 1
        revisions[snapshot.user_id] = snapshot.revision
        assert len(snapshot.entries) <= LONGEST_SESSION
