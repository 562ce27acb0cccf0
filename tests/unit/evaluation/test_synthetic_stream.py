"""The generated stream for speed measurements."""

from collections import Counter

from musicrec.evaluation.synthetic_stream import (
    LONGEST_SESSION,
    StreamShape,
    synthetic_catalogue,
    synthetic_snapshots,
)
from musicrec.recommend.description_terms import terms_of

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


def test_the_catalogue_has_the_tracks_of_the_stream_with_their_artists_and_on_request_descriptions() -> None:
    plain, described = list(synthetic_catalogue(500)), list(synthetic_catalogue(500, described=True))
    artists = {entry.track_id: entry.artist_id for each in synthetic_snapshots(SHAPE) for entry in each.entries}
    assert artists.items() <= {track.track_id: track.artist_id for track in plain}.items()
    assert [(track.track_id, track.artist_id) for track in plain] == [
        (track.track_id, track.artist_id) for track in described
    ]
    assert not any(terms_of(track) for track in plain)
    held = Counter(term for track in described for term in terms_of(track))
    assert held.most_common(1)[0][1] > 100
    assert sum(count == 1 for count in held.values()) > 100
