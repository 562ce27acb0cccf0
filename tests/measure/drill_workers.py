"""Faults of workers: they are gone, stand still, come and go, or lack what they need."""

import asyncio
import os
import resource
import signal
from typing import Final

import reach_tests  # noqa: F401
from conftest import until_ready
from drill import Drill, Fault, announce_for_ever, no_more_tracks, nothing
from probe import producing, publish, publish_events

from musicrec.client import play
from musicrec.contracts import Track
from musicrec.local.free_port import LOOPBACK
from musicrec.topics import EMBEDDINGS, TRACKS

GUESTS: Final = ("guest", "other guest")
IN_USE: Final = 0.9
"""Share of the open files that a worker may have."""
SMALL_FILE_BYTES: Final = 32 * 1024
"""Larger ones cannot be written, as on a full disk; the log stays below."""
SNAPSHOT_INTERVAL_S: Final = 600
"""Default of MUSICREC_RANKING__SNAPSHOT_INTERVAL_S."""
SNAPSHOT_SHORTER: Final = 60
BOT: Final = "a-bot"
BOT_AT_A_TIME: Final = 500
BACKLOG: Final = 1_000
CATALOGUE_TRACKS, TRACKS_AT_A_TIME = 150_000, 5_000


async def kill_one_ranking_worker(drill: Drill) -> None:
    drill.kill("ranking", "1")


async def start_one_ranking_worker(drill: Drill) -> None:
    await drill.back("ranking", "1")


async def kill_all_ranking_workers(drill: Drill) -> None:
    drill.kill("ranking", "0")
    drill.kill("ranking", "1")


async def start_all_ranking_workers(drill: Drill) -> None:
    await asyncio.gather(drill.back("ranking", "0"), drill.back("ranking", "1"))


async def kill_the_session_worker(drill: Drill) -> None:
    drill.kill("session", "0")


async def start_the_session_worker(drill: Drill) -> None:
    await drill.back("session", "0")


async def kill_the_outcome_worker(drill: Drill) -> None:
    drill.kill("outcome", "0")


async def start_the_outcome_worker(drill: Drill) -> None:
    await drill.back("outcome", "0")


async def kill_the_embedder(drill: Drill) -> None:
    drill.kill("embedder", "0")


async def start_the_embedder(drill: Drill) -> None:
    await drill.back("embedder", "0")


async def kill_the_page(drill: Drill) -> None:
    drill.beside["web"].signal(signal.SIGKILL)


async def start_the_page(drill: Drill) -> None:
    drill.start_page()


async def restart_again_and_again(drill: Drill) -> None:
    for _ in range(4):
        drill.kill("outcome", "0")
        worker = drill.start("outcome", "0")
        while "health: http" not in worker.log_file.read_text(errors="replace"):
            await asyncio.sleep(0.1)
        await asyncio.sleep(3.0)  # until it was scraped


async def stand_still(drill: Drill) -> None:
    workers = [drill.stage.workers[f"ranking-{instance}"] for instance in "01"]
    for worker in workers:
        worker.signal(signal.SIGSTOP)
    await asyncio.sleep(30.0)
    for worker in workers:
        worker.signal(signal.SIGCONT)


async def hiccup(drill: Drill) -> None:
    drill.goes_on("hiccups", drill.starved("ranking-0", "ranking-1", share=0.8, every_s=4.0))


async def no_more_hiccups(drill: Drill) -> None:
    await drill.ends("hiccups")


async def let_one_take_another_way(drill: Drill) -> None:
    await drill.open_way()
    await drill.again("ranking", "1", MUSICREC_KAFKA__BOOTSTRAP_SERVERS=f"{LOOPBACK}:{drill.way.port}")
    drill.goes_on("tracks", announce_for_ever(drill, 2.0))


async def lose_its_fetches(drill: Drill) -> None:
    drill.way.loses = EMBEDDINGS.name


async def start_it_elsewhere(drill: Drill) -> None:
    await drill.again("ranking", "1", MUSICREC_KAFKA__BOOTSTRAP_SERVERS=drill.stage.stack.kafka.bootstrap_servers)
    drill.way.loses = None


async def come_and_go(drill: Drill) -> None:
    """As a test system does that points at this Kafka: workers without an instance id leave as soon as they are in."""

    async def join_and_leave(instance: str) -> None:
        while True:
            worker = drill.start("outcome", instance, MUSICREC_AGENT__INSTANCE_ID="")
            drill.kept_down.add(f"outcome-{instance}")
            await until_ready(worker)
            await worker.stop()

    for guest in GUESTS:
        drill.goes_on(guest, join_and_leave(guest))


async def end_the_guests(drill: Drill) -> None:
    for guest in GUESTS:
        await drill.ends(guest)
        await drill.stage.workers.pop(f"outcome-{guest}").stop()


def limit(drill: Drill, what: int, most: int | None) -> None:
    """Set what the second ranking worker may have from now on; None for as much as it might."""
    pid = drill.stage.workers["ranking-1"].pid
    _, hard = resource.prlimit(pid, what)
    resource.prlimit(pid, what, (hard if most is None else most, hard))


async def allow_few_files(drill: Drill) -> None:
    pid = drill.stage.workers["ranking-1"].pid
    limit(drill, resource.RLIMIT_NOFILE, round(len(os.listdir(f"/proc/{pid}/fd")) / IN_USE))


async def allow_more_files(drill: Drill) -> None:
    limit(drill, resource.RLIMIT_NOFILE, None)


async def save_often(drill: Drill) -> None:
    """Divide the pause between two snapshots too, of every worker that the rule looks at."""
    pause_s = str(SNAPSHOT_INTERVAL_S // SNAPSHOT_SHORTER)
    for instance in "01":
        await drill.again("ranking", instance, MUSICREC_RANKING__SNAPSHOT_INTERVAL_S=pause_s)


async def fill_the_disk(drill: Drill) -> None:
    limit(drill, resource.RLIMIT_FSIZE, SMALL_FILE_BYTES)


async def make_room(drill: Drill) -> None:
    limit(drill, resource.RLIMIT_FSIZE, None)


async def a_bot_plays(drill: Drill) -> None:
    """A listener who plays as much as is worked off, and a backlog more."""

    async def play_on() -> None:
        async with producing(drill.stage.stack) as producer:
            while True:
                lag = await drill.prometheus.query('sum(musicrec_consumer_lag_messages{topic="musicrec.listens.v1"})')
                if not lag or float(lag[0]["value"][1]) < BACKLOG:
                    events = [play(BOT, f"track-{n % 50}", ms_played=170_000) for n in range(BOT_AT_A_TIME)]
                    await publish_events(producer, events)
                await asyncio.sleep(0.2)

    drill.goes_on("bot", play_on())


async def the_bot_is_stopped(drill: Drill) -> None:
    await drill.ends("bot")


async def publish_a_catalogue(drill: Drill) -> None:
    drill.goes_on("starved", drill.starved("ranking-1", share=0.1))
    async with producing(drill.stage.stack) as producer:
        for first in range(0, CATALOGUE_TRACKS, TRACKS_AT_A_TIME):
            tracks = [
                Track(track_id=f"catalogue-{number}", title=f"Track {number}", artist_id=f"artist-{number // 10}")
                for number in range(first, first + TRACKS_AT_A_TIME)
            ]
            await publish(producer, TRACKS.name, [(track.track_id.encode(), track.encode()) for track in tracks])


async def feed_the_follower(drill: Drill) -> None:
    await drill.ends("starved")


FAULTS: Final = (
    Fault(
        "one of two ranking workers is killed",
        "MusicrecWorkerUnreachable",
        "`musicrec worker ranking`",
        kill_one_ranking_worker,
        start_one_ranking_worker,
    ),
    Fault(
        "both ranking workers are killed",
        "MusicrecAgentDown",
        "`musicrec worker ranking`",
        kill_all_ranking_workers,
        start_all_ranking_workers,
    ),
    Fault(
        "the only session worker is killed",
        "MusicrecNobodyConsumes",
        "`musicrec worker session`",
        kill_the_session_worker,
        start_the_session_worker,
    ),
    Fault(
        "the only outcome worker is killed",
        "MusicrecServiceDown",
        "`musicrec worker outcome`",
        kill_the_outcome_worker,
        start_the_outcome_worker,
    ),
    Fault(
        "the only embedder is killed",
        "MusicrecServiceDown",
        "`musicrec worker embedder`",
        kill_the_embedder,
        start_the_embedder,
    ),
    Fault("the page is killed", "MusicrecServiceDown", "`musicrec web`", kill_the_page, start_the_page),
    Fault(
        "what a ranking worker asks of `musicrec.track-embeddings.v1` is lost on its way",
        "MusicrecIndexBehind",
        "it is started anew, elsewhere",
        lose_its_fetches,
        start_it_elsewhere,
        before=let_one_take_another_way,
        after=no_more_tracks,
        fires_within_s=240.0,
    ),
    Fault("a worker is killed four times", "MusicrecRestartLoop", "it is left alone", restart_again_and_again, nothing),
    Fault(
        "two outcome workers of a test system join the group and leave it, again and again",
        "MusicrecRebalanceStorm",
        "they are ended",
        come_and_go,
        end_the_guests,
        shorter=5,
        fires_within_s=300.0,
    ),
    Fault(
        "a ranking worker has nine of ten open files that it may have",
        "MusicrecOpenFiles",
        "`prlimit --nofile`",
        allow_few_files,
        allow_more_files,
    ),
    Fault(
        "both ranking workers stand still for half a minute",
        "MusicrecListsLate",
        "they go on",
        stand_still,
        nothing,
    ),
    Fault(
        "both ranking workers stand still for 0.8 s of each 4 s",
        "MusicrecListsLateSlowly",
        "they go on",
        hiccup,
        no_more_hiccups,
        shorter=1440,
        fires_within_s=180.0,
    ),
    Fault(
        "a bot plays as fast as it is worked off",
        "MusicrecLagPersistent",
        "the bot is stopped",
        a_bot_plays,
        the_bot_is_stopped,
        fires_within_s=240.0,
    ),
    Fault(
        "150,000 tracks are published while a ranking worker has a tenth of a core",
        "MusicrecFollowerLag",
        "it gets its core",
        publish_a_catalogue,
        feed_the_follower,
    ),
    Fault(
        "a ranking worker cannot write its snapshots",
        "MusicrecSnapshotOld",
        "room is made",
        fill_the_disk,
        make_room,
        before=save_often,
        shorter=SNAPSHOT_SHORTER,
        fires_within_s=240.0,
    ),
)
