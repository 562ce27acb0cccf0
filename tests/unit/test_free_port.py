"""A port for a server that starts later."""

import socket

import pytest

from musicrec.local.free_port import EPHEMERAL, LOOPBACK, free_port


def test_a_port_that_is_taken_is_passed_over() -> None:
    with socket.create_server((LOOPBACK, 0)) as other:
        taken = other.getsockname()[1]
        assert free_port(taken) != taken
    assert free_port(taken) == taken


@pytest.mark.skipif(not EPHEMERAL.exists(), reason="this system does not tell its ephemeral ports")
def test_no_connection_is_given_the_port_before_its_server_starts() -> None:
    lowest, highest = map(int, EPHEMERAL.read_text().split())
    found = {free_port() for _ in range(50)}
    assert not [port for port in found if lowest <= port <= highest]
    assert len(found) > 1
