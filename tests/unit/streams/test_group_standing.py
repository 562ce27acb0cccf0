"""How a worker stands in its group before it has come so far as to be a member."""

from pathlib import Path

from aiokafka import AIOKafkaConsumer

from musicrec.settings import AgentSettings, KafkaSettings
from streams.faust_app import new_app


async def test_client_that_is_still_connecting_is_no_member_and_has_not_given_up(tmp_path: Path) -> None:
    app = new_app("session", KafkaSettings(), AgentSettings(), tmp_path)
    before = app.consumer.group()
    app.consumer._thread._consumer = client = AIOKafkaConsumer(group_id="musicrec-session")
    connecting = app.consumer.group()
    assert (before.member, before.error) == (connecting.member, connecting.error) == (False, None)
    assert app.consumer.partitions({}) == ()
    await client.stop()
