"""A broker that does not answer is asked again after a pause, which grows to a second and ends with an answer."""

import time
from typing import Any

from musicrec.reconnect_pause import LONGEST_PAUSE_S, ReconnectPause


class Broker:
    """Counts who comes, and answers or not."""

    def __init__(self) -> None:
        self.asked = 0
        self.is_up = False

    async def connect(self, node_id: int, **options: Any) -> str | None:
        self.asked += 1
        return f"connection to {node_id}" if self.is_up else None


async def asked_within(pause: ReconnectPause, broker: Broker, duration_s: float) -> int:
    before, end_s = broker.asked, time.monotonic() + duration_s
    while time.monotonic() < end_s:
        assert await pause(1) is None
    return broker.asked - before


async def test_it_is_asked_ever_less_often() -> None:
    broker = Broker()
    pause = ReconnectPause(broker.connect)

    # Half of each pause at least: 25, 50, 100, 200 and 400 ms.
    assert await asked_within(pause, broker, 1.0) <= 6


async def test_after_an_answer_it_is_asked_at_once_and_the_pause_begins_small() -> None:
    broker = Broker()
    pause = ReconnectPause(broker.connect)
    await asked_within(pause, broker, 0.5)
    broker.is_up = True
    end_s = time.monotonic() + 2 * LONGEST_PAUSE_S
    while await pause(1) is None and time.monotonic() < end_s:
        pass

    assert await pause(1) == await pause(1) == "connection to 1"
    broker.is_up = False
    assert await asked_within(pause, broker, 1.0) >= 2


async def test_each_broker_and_each_kind_of_connection_has_its_own_pause() -> None:
    broker = Broker()
    pause = ReconnectPause(broker.connect)
    for node_id, options in ((1, {}), (2, {}), (1, {"group": "coordination"})):
        assert await pause(node_id, **options) is None

    assert broker.asked == 3
