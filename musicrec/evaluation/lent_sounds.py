"""Real sessions with real sounds lent to their tracks: how well is a track placed that nobody has played?

No public log of listening comes with its sounds.  So each group of clips (a soundtrack, an album) is lent to one of the
most played artists of a log, a clip to each of that artist's most played tracks, and all other plays are left out.
Who hears which of these artists after which is real, and so is what tells the groups' sounds apart; that two artists
are played together because they sound alike is lost, which favours nobody who knows artists or sounds.

Half of each artist's tracks are held out: they are in the catalogue, and never played.  A case is a play of one.
"""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from musicrec.contracts import ListenEvent, SessionSnapshot
from musicrec.errors import BadInput
from musicrec.evaluation.prequential import is_case
from musicrec.session import Duplicate, ListenerState, Position, apply
from musicrec.settings import SessionSettings


@dataclass(frozen=True, slots=True)
class LentSounds:
    """A log of tracks that have clips.

    Attributes:
        events: plays of these tracks alone, in order.
        clip_of: place of the clip by track id.
        artist_of: by track id.
    """

    events: Sequence[ListenEvent]
    clip_of: dict[str, int]
    artist_of: dict[str, str]

    def held_out(self, fold: int, seed: int) -> frozenset[str]:
        """Return half of each artist's tracks; those of fold 0 and fold 1 are all of them."""
        random = np.random.default_rng(seed)
        tracks = defaultdict(list)
        for track, artist in self.artist_of.items():
            tracks[artist].append(track)
        held: list[str] = []
        for of_artist in tracks.values():
            mixed = [of_artist[place] for place in random.permutation(len(of_artist))]
            held += mixed[fold::2]
        return frozenset(held)


def lend(events: Sequence[ListenEvent], groups: Sequence[str], seed: int) -> LentSounds:
    """Lend clips to the most played tracks of the most played artists.

    Args:
        events: a log.
        groups: label of each clip.
        seed: which of an artist's tracks gets which clip.

    Raises:
        BadInput: the log has too few artists with enough tracks.
    """
    plays: Counter[str] = Counter()
    artist_of: dict[str, str] = {}
    of_artist: dict[str, list[str]] = defaultdict(list)
    artist_plays: Counter[str] = Counter()
    for event in events:
        if event.track_id is None or event.artist_id is None:
            continue
        if event.track_id not in artist_of:
            artist_of[event.track_id] = event.artist_id
            of_artist[event.artist_id].append(event.track_id)
        plays[event.track_id] += 1
        artist_plays[artist_of[event.track_id]] += 1
    random = np.random.default_rng(seed)
    free = [artist for artist, _ in artist_plays.most_common()]
    clip_of: dict[str, int] = {}
    for group, size in Counter(groups).most_common():
        artist = next((each for each in free if len(of_artist[each]) >= size), None)
        if artist is None:
            raise BadInput(f"no artist of the log is left with {size} tracks, as many as {group!r} has clips")
        free.remove(artist)
        clips = [clip for clip, label in enumerate(groups) if label == group]
        tracks = sorted(of_artist[artist], key=lambda track: (-plays[track], track))[:size]
        clip_of.update(zip(tracks, (clips[place] for place in random.permutation(size)), strict=True))
    kept = [event for event in events if event.track_id in clip_of]
    return LentSounds(kept, clip_of, {track: artist_of[track] for track in clip_of})


@dataclass(frozen=True, slots=True)
class Moment:
    """A play of a log, in its session.

    Attributes:
        before: the session before it; None for the first play of one.
        after: the session with it; None for a play of a track that is held out, which never happened.
        track: what was played.
    """

    before: SessionSnapshot | None
    after: SessionSnapshot | None
    track: str


def moments(
    events: Sequence[ListenEvent], held_out: frozenset[str], rules: SessionSettings | None = None
) -> Iterator[Moment]:
    """Yield the plays of a log; those of what is held out change no session."""
    rules = rules or SessionSettings()
    states: dict[str, ListenerState] = {}
    newest: dict[str, SessionSnapshot] = {}
    for offset, event in enumerate(events, 1):
        position = Position("log", 0, offset, event.occurred_at_ms)
        applied = apply(states.get(event.user_id, ListenerState()), event, position, rules)
        if isinstance(applied, Duplicate) or event.track_id is None:
            continue
        before = newest.get(event.user_id) if is_case(applied.snapshot) else None
        if event.track_id in held_out:
            yield Moment(before, None, event.track_id)
            continue
        states[event.user_id], newest[event.user_id] = applied.state, applied.snapshot
        yield Moment(before, applied.snapshot, event.track_id)


def recall_at(ranks: Sequence[int], k: int) -> float:
    """Return the share of cases whose target stands among the first `k`; ranks count from 1, 0 for none."""
    found = np.array(ranks)
    return float(np.mean((found > 0) & (found <= k))) if len(found) else 0.0


def rank_among(scores: NDArray[np.float32], target: int, rows: NDArray[np.int64]) -> int:
    """Return the rank of `target` among `rows` by falling score, ties against us."""
    others = rows[rows != target]
    return 1 + int(np.count_nonzero(scores[others] >= scores[target]))
