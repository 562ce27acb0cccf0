"""What a loop says of errors that nobody waits for."""

import asyncio

import pytest
import uvloop

from streams.closed_connections import pass_over_closed_connections


async def error_of_a_closed_connection() -> Exception:
    """Return what uvloop raises where something is written to a connection that it has closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(asyncio.Protocol, "127.0.0.1", 0)
    transport, _ = await loop.create_connection(asyncio.Protocol, *server.sockets[0].getsockname())
    transport.abort()
    await asyncio.sleep(0.05)
    server.close()
    with pytest.raises(RuntimeError) as raised:
        transport.write(b"left")
    return raised.value


@pytest.mark.parametrize(
    ("context", "lines"),
    [
        ({"message": "Fatal error on SSL protocol", "protocol": asyncio.Protocol()}, 0),
        ({"message": "Task exception was never retrieved"}, 1),
    ],
)
def test_only_the_error_of_a_connection_that_is_closed_is_passed_over(
    context: dict[str, object], lines: int, caplog: pytest.LogCaptureFixture
) -> None:
    async def report() -> None:
        pass_over_closed_connections(asyncio.get_running_loop())
        error = await error_of_a_closed_connection()
        asyncio.get_running_loop().call_exception_handler(context | {"exception": error})
        asyncio.get_running_loop().call_exception_handler(context | {"exception": RuntimeError("another")})

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(report())
    assert [record.levelname for record in caplog.records if record.name == "asyncio"] == ["ERROR"] * (1 + lines)
