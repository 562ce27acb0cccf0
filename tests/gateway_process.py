"""A gateway as a process, and tokens for it."""

import asyncio
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from aiohttp import ClientResponse, ClientSession

from musicrec.local import StackAddresses
from musicrec.local.child_process import ChildProcess
from streams.gateway.tokens import append_grant, make_token, remove_grant

DEADLINE_S = 60.0


class GatewayProcess:
    """`musicrec gateway`, as an operator runs it."""

    def __init__(self, stack: StackAddresses, folder: Path, **settings: object) -> None:
        self.tokens_file = folder / "tokens.jsonl"
        self.tokens: list[str] = []
        """All that were made."""
        own = {"PORT": 0, "TOKENS_FILE": self.tokens_file} | settings
        variables = {f"MUSICREC_GATEWAY__{name}": str(value) for name, value in own.items()}
        program = [sys.executable, "-m", "musicrec.cli.main", "gateway"]
        self.process = ChildProcess.start("gateway", program, folder / "gateway.log", stack.environment() | variables)
        self.url = ""

    async def listens(self) -> "GatewayProcess":
        """Wait until it has said its address."""
        async with asyncio.timeout(DEADLINE_S):
            while (said := re.search(r"^(https?://\S+)/$", self.log, re.MULTILINE)) is None:
                self.process.check_alive()
                await asyncio.sleep(0.05)
        self.url = said[1]
        return self

    @property
    def log(self) -> str:
        """What it has written."""
        return self.process.log_file.read_text(errors="replace")

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        host, _, port = self.url.partition("://")[2].rpartition(":")
        return host, int(port)

    def token(self, listener: str | None, **fields: object) -> Mapping[str, str]:
        """Make a token, a platform's without a listener; return the header that carries it."""
        made = make_token(listener=listener, **fields)  # type: ignore[arg-type]
        append_grant(self.tokens_file, made.grant)
        self.tokens.append(made.token)
        return {"Authorization": f"Bearer {made.token}"}

    def take_back(self, header: Mapping[str, str]) -> None:
        """Take a token back."""
        assert remove_grant(self.tokens_file, header["Authorization"].split("_")[1])


async def until_readyz(http: ClientSession, status: int = 200) -> None:
    """Wait until `/readyz` says so."""
    async with asyncio.timeout(DEADLINE_S):
        while (await http.get("/readyz")).status != status:
            await asyncio.sleep(0.05)


async def problem(response: ClientResponse, status: int) -> dict[str, Any]:
    """Return the problem details of an answer that has to be one."""
    body = await response.json(content_type="application/problem+json")
    assert (response.status, body["status"]) == (status, status), body
    assert body["type"].startswith("urn:dev.musicrec:problem:")
    assert body["detail"]
    return dict(body)
