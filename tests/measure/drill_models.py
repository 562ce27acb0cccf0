"""Faults of announced models, of vectors, and of the quality of lists."""

import asyncio
import time
from typing import Final

import reach_tests  # noqa: F401
from conftest import until_ready
from drill import RATE_PER_S, TRACKS, Drill, Fault, announce_for_ever, no_more_tracks, nothing
from probe import producing, publish
from tiny_encoder import trained, turned

from musicrec.contracts import ModelAnnouncement, ModelFiles, Track
from musicrec.model_announcements import SESSION_ENCODER, put_announcement
from musicrec.sequence.encoder_files import MANIFEST, manifest_sha256
from musicrec.topics import TRACKS as TRACKS_TOPIC

MANY_PER_S: Final = 60
"""A thousand within a quarter of a shortened day, on a loud machine too."""
WEEK_S: Final = 75.0
"""For so long things are well before they get worse; it is all that a shortened week has."""
LENGTH_S: Final = 30
"""Of a sound that takes an embedder as long as a real one."""
EMBEDDERS_USER, EMBEDDERS_PASSWORD, EMBEDDERS_KEYS = "musicrec-embedder", "not-secret", "~musicrec:embedded:*"


async def announce_a_damaged_model(drill: Drill) -> None:
    folder = drill.models / "monday"
    folder.mkdir()
    (folder / MANIFEST).write_text("{")
    files = ModelFiles(version="monday", manifest_sha256=manifest_sha256(folder), folder="monday")
    announced = ModelAnnouncement(name=SESSION_ENCODER, files=files, announced_at_ms=time.time_ns() // 1_000_000)
    await put_announcement(drill.stage.stack.kafka, SESSION_ENCODER, announced)


async def withdraw_the_model(drill: Drill) -> None:
    await drill.musicrec("model", "withdraw", SESSION_ENCODER)


async def train_models(drill: Drill) -> None:
    if not (drill.models / "tuesday").exists():
        await asyncio.to_thread(trained, drill.models / "tuesday", [f"track-{number}" for number in range(TRACKS)])
        turned(drill.models / "tuesday", drill.models / "wednesday")


async def announce_what_nobody_sees(drill: Drill) -> None:
    drill.unmount("0")
    drill.unmount("1")
    await drill.musicrec("model", "announce", "tuesday")


async def mount_both(drill: Drill) -> None:
    drill.mount("0")
    drill.mount("1")


async def announce_what_one_does_not_see(drill: Drill) -> None:
    drill.unmount("1")
    await drill.musicrec("model", "announce", "wednesday")


async def mount_one(drill: Drill) -> None:
    drill.mount("1")


async def start_one_that_waits_for_a_model(drill: Drill) -> None:
    drill.unmount("1")
    await drill.musicrec("model", "announce", "tuesday")
    drill.kill("ranking", "1")
    drill.start("ranking", "1", MUSICREC_RANKING__MODEL_WAIT_S="900")


async def end_the_wait(drill: Drill) -> None:
    drill.mount("1")
    await until_ready(drill.stage.workers["ranking-1"])


async def announce_tracks_without_files(drill: Drill) -> None:
    await announce(
        drill, [Track(track_id=f"lost-{n}", audio_uri=f"{drill.models.as_uri()}/{n}.mp3") for n in range(40)]
    )


async def announce(drill: Drill, tracks: list[Track]) -> None:
    async with producing(drill.stage.stack) as producer:
        await publish(producer, TRACKS_TOPIC.name, [(track.track_id.encode(), track.encode()) for track in tracks])


async def give_the_embedder_a_user(drill: Drill) -> None:
    await drill.redis.execute_command(  # type: ignore[no-untyped-call]
        "ACL", "SETUSER", EMBEDDERS_USER, "on", f">{EMBEDDERS_PASSWORD}", "+@all", EMBEDDERS_KEYS
    )
    url = drill.stage.stack.redis.url.get_secret_value().replace("://", f"://{EMBEDDERS_USER}:{EMBEDDERS_PASSWORD}@")
    await drill.again("embedder", "0", MUSICREC_REDIS__URL=url)
    drill.goes_on("tracks", announce_for_ever(drill, 2.0))


async def take_its_keys_away(drill: Drill) -> None:
    await drill.redis.execute_command("ACL", "SETUSER", EMBEDDERS_USER, "resetkeys")  # type: ignore[no-untyped-call]


async def give_its_keys_back(drill: Drill) -> None:
    await drill.redis.execute_command("ACL", "SETUSER", EMBEDDERS_USER, EMBEDDERS_KEYS)  # type: ignore[no-untyped-call]


async def announce_faster_than_is_embedded(drill: Drill) -> None:
    drill.goes_on("starved", drill.starved("embedder-0", share=0.1))
    drill.goes_on("tracks", announce_for_ever(drill, 20.0, seconds=LENGTH_S))


async def start_another_embedder(drill: Drill) -> None:
    await drill.back("embedder", "1")


async def end_the_other_embedder(drill: Drill) -> None:
    await drill.ends("tracks")
    await drill.ends("starved")
    drill.kept_down.add("embedder-1")
    await drill.stage.workers["embedder-1"].stop()


async def play_for_a_week(drill: Drill) -> None:
    drill.plays.rate_per_s = MANY_PER_S
    await asyncio.sleep(WEEK_S)


async def play_less(drill: Drill) -> None:
    drill.plays.rate_per_s = RATE_PER_S


async def allow_one_track_alone(drill: Drill) -> None:
    await drill.musicrec("rules", "put", "--name", "campaign", "--allow", "--track", "track-0")


async def withdraw_the_rule(drill: Drill) -> None:
    await drill.musicrec("rules", "withdraw", "campaign")


async def skip_every_second(drill: Drill) -> None:
    drill.plays.skipped_one_in = 2


async def skip_as_before(drill: Drill) -> None:
    drill.plays.skipped_one_in = 10


FAULTS: Final = (
    Fault(
        "a damaged model is announced",
        "MusicrecModelRefused",
        "`musicrec model withdraw session_encoder`",
        announce_a_damaged_model,
        withdraw_the_model,
    ),
    Fault(
        "a model is announced whose volume no ranking worker has mounted",
        "MusicrecModelMissing",
        "it is mounted",
        announce_what_nobody_sees,
        mount_both,
        before=train_models,
        shorter=6,
        fires_within_s=240.0,
    ),
    Fault(
        "a model is announced whose volume one of two ranking workers has not mounted",
        "MusicrecModelsDiffer",
        "it is mounted",
        announce_what_one_does_not_see,
        mount_one,
        before=train_models,
        after=withdraw_the_model,
        fires_within_s=180.0,
    ),
    Fault(
        "a ranking worker starts whose volume is not mounted, and may wait for an announced model",
        "MusicrecWorkerUnready",
        "it is mounted",
        start_one_that_waits_for_a_model,
        end_the_wait,
        before=train_models,
        after=withdraw_the_model,
    ),
    Fault(
        "40 tracks whose files are not there",
        "MusicrecEmbedderFailing",
        "the store is mended",
        announce_tracks_without_files,
        nothing,
    ),
    Fault(
        "the embedder has a tenth of a core while 20 tracks/s are announced",
        "MusicrecEmbedderBehind",
        "`musicrec worker embedder` once more",
        announce_faster_than_is_embedded,
        start_another_embedder,
        after=end_the_other_embedder,
        fires_within_s=300.0,
    ),
    Fault(
        "the embedder's Redis user loses its keys",
        "MusicrecEmbeddingMemory",
        "`ACL SETUSER`",
        take_its_keys_away,
        give_its_keys_back,
        before=give_the_embedder_a_user,
        after=no_more_tracks,
        fires_within_s=180.0,
    ),
    Fault(
        "a rule allows one track alone",
        "MusicrecHitRateFallen",
        "`musicrec rules withdraw`",
        allow_one_track_alone,
        withdraw_the_rule,
        before=play_for_a_week,
        after=play_less,
        shorter=240,
        fires_within_s=200.0,
    ),
    Fault(
        "players report half of the plays as skipped",
        "MusicrecSkipRateRisen",
        "they report what was heard",
        skip_every_second,
        skip_as_before,
        before=play_for_a_week,
        after=play_less,
        shorter=240,
        fires_within_s=200.0,
    ),
)
