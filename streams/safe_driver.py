"""Faust's Kafka driver with the guards that its release lacks.

Faust 0.15.3 commits past an event that is still in flight, commits after a crash has acknowledged unfinished events,
and turns the idempotent producer on for transactions only.  Each guard names the fault that it closes; a test runs the
stock driver beside it, so that the guard can go when the release is right.
"""

from collections.abc import Mapping
from typing import Any, cast

from faust.transport.drivers import aiokafka as driver


class SafeConsumer(driver.Consumer):
    """Never commits past an event in flight, and never after a crash."""

    def _new_offset(self, tp: Any) -> int | None:
        # Upstream looks for a gap among acknowledged offsets only, so the commit jumps over an event that is still
        # being handled while a later one is done (faust-streaming #606): a crash then loses it.
        inflight = min(
            (message.offset for message in list(self._unacked_messages) if message.tp == tp and not message.acked),
            default=None,
        )
        if inflight is None:
            return cast("int | None", super()._new_offset(tp))
        acked = self._acked[tp]
        held_back = [offset for offset in acked if offset >= inflight]
        acked[:] = [offset for offset in acked if offset < inflight]
        try:
            return cast("int | None", super()._new_offset(tp))
        finally:
            acked.extend(held_back)

    async def commit(self, topics: Any = None, start_new_transaction: bool = True) -> bool:
        # On a crash Faust cancels the agents, whose streams acknowledge what they held, and commits on its way out.
        if self.app.crashed or self.crashed:
            return False
        return bool(await super().commit(topics, start_new_transaction))


class IdempotentProducer(driver.Producer):
    """Waits for all in-sync replicas and lets the broker drop what a retry sends twice."""

    def _settings_extra(self) -> Mapping[str, Any]:
        return {"acks": "all", "enable_idempotence": True}


class SafeTransport(driver.Transport):
    """The transport of every agent."""

    Consumer = SafeConsumer
    Producer = IdempotentProducer
