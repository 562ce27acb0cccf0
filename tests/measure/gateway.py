"""What the gateway adds: a post, an event and its list, lists as a stream, beside the way by Kafka; and posts flat out.

One session-ranking and one outcome worker, one gateway, one platform's token.  The phases follow each other at the same
rate, open loop: what is due is sent whether or not earlier ones are through.
"""

import asyncio
import time
from argparse import Namespace
from collections.abc import Awaitable, Callable, Iterator

import aiohttp
import reach_tests  # noqa: F401
from gateway_process import GatewayProcess, until_readyz
from live_path import Answer, LivePath, percentiles
from pydantic_core import from_json
from stage import Stage, arguments_of, run, say, show
from usage import cpu_s

from musicrec.bench.listen_load import listen_load
from musicrec.contracts import ListenEvent

ENOUGH = 10_000_000
"""Requests a minute: no limit is what is measured here."""
AT_ONCE = 32
"""Connections of the phases flat out."""
IN_ONE_POST = 100
SETTLE_S = 2.0

Send = Callable[[ListenEvent], Awaitable[None]]


class Player:
    """Calls the gateway."""

    def __init__(self, http: aiohttp.ClientSession) -> None:
        self._http = http
        self.due_s: dict[str, float] = {}
        self.answers: list[Answer] = []

    async def post(self, *events: ListenEvent) -> None:
        """Post events; they are on the broker when this returns."""
        body = b"[" + b",".join(event.encode() for event in events) + b"]"
        async with self._http.post("/v1/events", data=body, headers={"Content-Type": "application/json"}) as answer:
            assert answer.status == 200, await answer.text()
            await answer.read()

    async def list_after(self, event: ListenEvent) -> None:
        """Post an event and take its list."""
        headers = {"Content-Type": "application/json"}
        async with self._http.post("/v1/list-after", data=event.encode(), headers=headers) as answer:
            assert answer.status == 200, await answer.text()
            assert from_json(await answer.read())["items"] is not None

    async def follow(self, user_id: str) -> None:
        """Take a listener's lists as they come, and note when those that are waited for do."""
        async with self._http.get("/v1/lists", params={"user_id": user_id}) as stream:
            assert stream.status == 200, await stream.text()
            async for line in stream.content:
                if line.startswith(b"data: {"):
                    now_s, made = time.perf_counter(), from_json(line[6:])
                    for event_id in (made["trigger"]["event_id"], *made.get("passed_over", ())):
                        if (due_s := self.due_s.pop(event_id, None)) is not None:
                            self.answers.append(Answer(due_s, now_s - due_s, 0))


async def paced(events: Iterator[ListenEvent], send: Send, *, rate_per_s: float, seconds: float) -> list[Answer]:
    """Send at a rate; return how long each took, from when it was due."""
    answers: list[Answer] = []
    began_s = time.perf_counter()

    async def one(event: ListenEvent, due_s: float) -> None:
        await send(event)
        answers.append(Answer(due_s, time.perf_counter() - due_s, 0))

    async with asyncio.TaskGroup() as group:
        for number in range(round(rate_per_s * seconds)):
            due_s = began_s + number / rate_per_s
            if (wait_s := due_s - time.perf_counter()) > 0:
                await asyncio.sleep(wait_s)
            group.create_task(one(next(events), due_s))
    return answers


async def flat_out(events: Iterator[ListenEvent], player: Player, *, in_one: int, seconds: float) -> float:
    """Post over several connections, each as soon as the one before is answered; return events per second."""
    began_s, posted = time.perf_counter(), 0

    async def one_connection() -> None:
        nonlocal posted
        while time.perf_counter() < began_s + seconds:
            batch = [next(events) for _ in range(in_one)]
            await player.post(*batch)
            posted += len(batch)

    await asyncio.gather(*(one_connection() for _ in range(AT_ONCE)))
    return posted / (time.perf_counter() - began_s)


async def measure(stage: Stage, chosen: Namespace) -> None:
    """Start all, measure each phase, print."""
    rate, seconds = chosen.rate, chosen.seconds
    await stage.start_all("session-ranking", "outcome")
    gateway = await GatewayProcess(stage.stack, stage.folder).listens()
    try:
        headers = gateway.token(None, requests_per_minute=ENOUGH)
        unlimited = aiohttp.TCPConnector(limit=0)
        async with (
            aiohttp.ClientSession(gateway.url, headers=headers, connector=unlimited) as http,
            LivePath.on(stage.stack.kafka) as path,
        ):
            await until_readyz(http)
            player = Player(http)
            await path.publish("warm-up", listen_load("warm-up"), rate_per_s=rate, count=500)
            await path.all_answered(60.0)
            say(f"{rate:g}/s, {seconds:g} s each")
            await path.publish("kafka", listen_load("kafka"), rate_per_s=rate, count=round(rate * seconds))
            await path.all_answered(60.0)
            show(f"by Kafka, event to list: {percentiles(path.answers['kafka'])}")
            used_s = cpu_s(gateway.process)
            posts = await paced(listen_load("post"), player.post, rate_per_s=rate, seconds=seconds)
            show(f"POST /v1/events, on the broker: {percentiles(posts)}")
            used_s = _show_used(gateway, used_s, len(posts))
            await asyncio.sleep(SETTLE_S)
            lists = await paced(listen_load("list"), player.list_after, rate_per_s=rate, seconds=seconds)
            show(f"POST /v1/list-after, event to list: {percentiles(lists)}")
            _show_used(gateway, used_s, len(lists))
            await streams(gateway, player, path, chosen)
            for in_one in (1, IN_ONE_POST):
                await asyncio.sleep(SETTLE_S)
                used_s = cpu_s(gateway.process)
                per_s = await flat_out(listen_load(f"flat-{in_one}"), player, in_one=in_one, seconds=seconds)
                show(f"POST /v1/events flat out, {in_one} in one, {AT_ONCE} connections: {per_s:,.0f} events/s")
                _show_used(gateway, used_s, round(per_s * seconds))
    finally:
        await gateway.process.stop()


async def streams(gateway: GatewayProcess, player: Player, path: LivePath, chosen: Namespace) -> None:
    """Publish by Kafka what listeners play who take their lists as streams."""
    # The listeners of this load, of whom so many have a stream each.
    listeners = [f"stream-listener-{number}" for number in range(chosen.streams)]
    following = [asyncio.create_task(player.follow(listener)) for listener in listeners]
    await asyncio.sleep(SETTLE_S)
    used_s = cpu_s(gateway.process)

    async def publish(event: ListenEvent) -> None:
        player.due_s[event.event_id] = time.perf_counter()
        await path.publish("streams", iter([event]), count=1, timed=False)

    load = listen_load("stream", listeners=chosen.streams)
    sent = await paced(load, publish, rate_per_s=chosen.rate, seconds=chosen.seconds)
    await asyncio.sleep(SETTLE_S)
    show(f"{chosen.streams} streams GET /v1/lists, event to list: {percentiles(player.answers)}")
    show(f"  lists that did not come: {len(player.due_s)} of {len(sent)}")
    _show_used(gateway, used_s, len(sent))
    for task in following:
        task.cancel()
    for ended in await asyncio.gather(*following, return_exceptions=True):
        if not isinstance(ended, asyncio.CancelledError | None):
            raise ended


def _show_used(gateway: GatewayProcess, before_s: float, events: int) -> float:
    """Print what an event cost the gateway; return what it has used until now."""
    now_s = cpu_s(gateway.process)
    show(f"  the gateway: {(now_s - before_s) / events * 1000:.2f} ms of a core per event")
    return now_s


def main() -> None:
    """Read the command line and measure."""
    parser = arguments_of(__doc__)
    parser.add_argument("--rate", type=float, default=100.0, help="events per second")
    parser.add_argument("--seconds", type=float, default=15.0, help="of each phase")
    parser.add_argument("--streams", type=int, default=200, help="listeners who take their lists as a stream")
    chosen = parser.parse_args()
    run(lambda stage: measure(stage, chosen), chosen.folder)


if __name__ == "__main__":
    main()
