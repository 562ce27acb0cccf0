"""Ranks of tracks that nobody played: musicrec, what its encoder says alone, neighbours by sound or description."""

from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from index.exact import ExactIndex
from musicrec.contracts import SessionSnapshot
from musicrec.evaluation.audio import LabelledClips
from musicrec.evaluation.lent_descriptions import DescribedTracks, lent_tracks
from musicrec.evaluation.lent_sounds import LentSounds, Moment, moments, rank_among
from musicrec.recommend import Recommender
from musicrec.recommend.audio_neighbours import mean_direction
from musicrec.recommend.session_encoder import SessionEncoder
from musicrec.sequence.log_sessions import sessions_of

HEARD: Final = 5
"""Newest tracks of a session whose sounds are averaged, as the ranking does."""
DIMENSION: Final = 48
LISTED: Final = 20

Scores = NDArray[np.float32]
Ranks = dict[str, list[int]]
"""Of the targets, from 1, 0 for none; by what they are ranked among: `unplayed` ones, or `all`."""


class Trial:
    """Half of the tracks held out: in the catalogue and the audio index, and never played."""

    def __init__(
        self, lent: LentSounds, held: frozenset[str], sounds: Scores, sound_version: str, clips: LabelledClips
    ) -> None:
        """Prepare a trial.

        Args:
            lent: the log.
            held: the tracks that are held out.
            sounds: float32, shape (clips, dimension), unit length.
            sound_version: of the embedder that made them.
            clips: that were lent, and what is said of them.
        """
        self._lent, self._held = lent, held
        self._clips = clips
        self._tracks = sorted(lent.clip_of)
        self._row_of = {track: row for row, track in enumerate(self._tracks)}
        self._all = np.arange(len(self._tracks))
        self._unplayed = np.array(sorted(self._row_of[track] for track in held), np.int64)
        self._sounds = np.stack([sounds[lent.clip_of[track]] for track in self._tracks])
        self._index = ExactIndex(sounds.shape[1], sound_version)
        for track, sound in zip(self._tracks, self._sounds, strict=True):
            self._index.upsert(track, sound)
        self._half_ms = lent.events[len(lent.events) // 2].occurred_at_ms

    def ranks(
        self, work: Path, progress: Callable[[Iterable[Moment]], Iterable[Moment]] = lambda plays: plays
    ) -> dict[str, Ranks]:
        """Return the ranks of the targets, by model; all learn on the same plays.

        Args:
            work: an empty folder for the encoder.
            progress: wraps the plays.
        """
        encoder = self._trained(work)
        described = lent_tracks(self._lent, self._clips, with_group=True)
        itself = lent_tracks(self._lent, self._clips, with_group=False)
        ours = {name: Recommender(audio=self._index, encoders=[encoder]) for name in ("musicrec", "musicrec-described")}
        for track in described:
            ours["musicrec-described"].add_track(track)
            ours["musicrec"].add_track(track.model_copy(update={"title": "", "album": "", "tags": ()}))
        models = {
            "encoder": self._by_direction(encoder, by_artist=True, by_sound=True),
            "encoder-artist": self._by_direction(encoder, by_artist=True, by_sound=False),
            "encoder-sound": self._by_direction(encoder, by_artist=False, by_sound=True),
            "audio-knn": self._by_sound(HEARD),
            "audio-knn-current": self._by_sound(1),
            "description-knn": DescribedTracks(described).cosines,
            "description-knn-itself": DescribedTracks(itself).cosines,
        }
        found: dict[str, Ranks] = {name: {"unplayed": [], "all": []} for name in (*ours, *models)}
        for moment in progress(list(moments(self._lent.events, self._held))):
            if moment.after is not None:
                for recommender in ours.values():
                    recommender.learn(moment.after)
            elif moment.before is not None and moment.before.trigger.occurred_at_ms > self._half_ms:
                for name, recommender in ours.items():
                    self._ask_ours(recommender, moment.before, moment.track, found[name])
                for name, scores_of in models.items():
                    self._ask(scores_of(moment.before), moment.before, moment.track, found[name])
        return found

    def _ask_ours(self, ours: Recommender, before: SessionSnapshot, target: str, found: Ranks) -> None:
        ranked = ours.rank(before, LISTED)
        names = (ours.knowledge.catalogue.track_id(index) for index in ranked.candidates.tolist())
        orders = {
            "all": [item.track_id for item in ranked.items],
            "unplayed": [name for name in names if name in self._held],
        }
        for among, order in orders.items():
            found[among].append(order.index(target) + 1 if target in order else 0)

    def _ask(self, scores: Scores | None, before: SessionSnapshot, target: str, found: Ranks) -> None:
        playing = self._row_of[before.entries[-1].track_id]
        for among, rows in (("unplayed", self._unplayed), ("all", self._all[self._all != playing])):
            found[among].append(0 if scores is None else rank_among(scores, self._row_of[target], rows))

    def _by_sound(self, heard: int) -> Callable[[SessionSnapshot], Scores | None]:
        def scores(before: SessionSnapshot) -> Scores | None:
            liked = [entry.track_id for entry in reversed(before.entries) if not entry.outcome.is_skip]
            mean = mean_direction(self._index.vectors(liked[:heard]))
            return None if mean is None else self._sounds @ mean

        return scores

    def _by_direction(
        self, encoder: SessionEncoder, *, by_artist: bool, by_sound: bool
    ) -> Callable[[SessionSnapshot], Scores | None]:
        """Return scores by an encoder that places what it was not trained on in a certain way."""
        trained = {track: row for row, track in enumerate(encoder.track_ids)}
        matrix = np.zeros((len(self._tracks), DIMENSION), np.float32)
        for row, track in enumerate(self._tracks):
            artist = self._lent.artist_of[track] if by_artist else None
            place = encoder.placed(artist, self._sounds[row] if by_sound else None)
            if track in trained:
                place = encoder.codes.values[trained[track]] * encoder.codes.steps[trained[track]]
            if place is not None:
                matrix[row] = place

        def scores(before: SessionSnapshot) -> Scores | None:
            known = [entry for entry in before.entries if entry.track_id in trained][-encoder.longest :]
            if not known:
                return None
            ended_at_s = np.array([entry.ended_at_ms // 1000 for entry in known], np.int64)
            direction = encoder.direction(
                matrix[[self._row_of[entry.track_id] for entry in known]],
                np.array([entry.outcome.is_skip for entry in known]),
                np.diff(ended_at_s, prepend=ended_at_s[0]),
            )
            return matrix @ direction

        return scores

    def _trained(self, work: Path) -> SessionEncoder:
        from musicrec.sequence.encoder_loading import load_encoder
        from musicrec.sequence.export import KnownOfTracks, export
        from musicrec.sequence.trainer import TrainingSettings, train
        from musicrec.sequence.training_sessions import TrainingSessions

        learned = [
            event
            for event in self._lent.events
            if event.track_id not in self._held and event.occurred_at_ms <= self._half_ms
        ]
        training = TrainingSessions.of(sessions_of(learned))
        settings = replace(TrainingSettings(), dimension=DIMENSION)
        trained = train(training, None, settings, work / "work", lambda report: None)
        sounds = {track: self._sounds[self._row_of[track]] for track in training.track_ids}
        known = KnownOfTracks(self._lent.artist_of, sounds, self._index.version)
        export(trained, training, settings, work / "encoder", known=known, trained_until_ms=self._half_ms, metrics={})
        return load_encoder(work / "encoder")
