"""Licences and advisories: what a release is checked for, and what the checks say when they find something."""

import asyncio
import subprocess
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from aiohttp import web

ROOT = Path(__file__).resolve().parents[2]
RELEASE = ROOT / "deploy/release"

LOCK = """\
numpy==2.4.6 \\
    --hash=sha256:{hash}
yarl==1.25.1 \\
    --hash=sha256:{hash}
""".format(hash="0" * 64)


def run(script: str, *arguments: str | Path) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, RELEASE / script, *arguments], capture_output=True, text=True, timeout=120, check=False
    )


def test_every_licence_is_permissive_or_was_looked_at() -> None:
    done = run("licences.py")
    assert (done.returncode, done.stderr) == (0, "")
    assert (ROOT / "deploy/licences.md").read_text() == done.stdout, "run `make licences`"
    assert "| soxr | LGPL-2.1-or-later | yes | used as it is" in done.stdout


def test_a_package_that_nobody_has_looked_at_fails(tmp_path: Path) -> None:
    lock = tmp_path / "requirements.lock"
    tools = (ROOT / "requirements.lock").read_text().splitlines(keepends=True)
    lock.write_text(next(line for line in tools if line.startswith("certifi==")))
    assert run("licences.py", lock).returncode == 0
    lock.write_text(next(line for line in tools if line.startswith("hypothesis==")))
    done = run("licences.py", lock)
    assert done.returncode == 1
    assert "hypothesis" in done.stderr
    assert "MPL-2.0 is not known to be permissive" in done.stderr


@pytest.fixture
async def advisories() -> AsyncIterator[str]:
    """An advisory service in the form of OSV that knows one vulnerability of one package."""

    async def query(request: web.Request) -> web.Response:
        asked = await request.json()
        if asked["package"]["name"] != "yarl":
            return web.json_response({})
        affected = {
            "package": {"name": "yarl", "ecosystem": "PyPI"},
            "ranges": [{"type": "ECOSYSTEM", "events": [{"introduced": "0"}, {"fixed": "99.0"}]}],
        }
        return web.json_response({"vulns": [{"id": "PYSEC-1-1", "summary": "invented", "affected": [affected]}]})

    app = web.Application()
    app.add_routes([web.post("/v1/query", query)])
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}/v1/query"
    await runner.cleanup()


async def audited(lock: Path, service: str) -> tuple[int, str]:
    done = await asyncio.to_thread(run, "audit.py", lock, "--", "-s", "osv", "--osv-url", service)
    return done.returncode, done.stdout


async def test_a_known_vulnerability_fails_by_name(advisories: str, tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(LOCK)
    status, said = await audited(lock, advisories)
    assert status == 1
    assert "yarl 1.25.1: PYSEC-1-1, mended in 99.0" in said


async def test_none_known_is_said_with_the_number_that_was_looked_up(advisories: str, tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(LOCK.split("yarl")[0])
    assert await audited(lock, advisories) == (0, "some.lock: 1 packages, no known vulnerability\n")


async def test_a_service_that_cannot_be_reached_is_no_clean_answer(tmp_path: Path) -> None:
    lock = tmp_path / "some.lock"
    lock.write_text(LOCK)
    status, said = await audited(lock, "http://127.0.0.1:1/v1/query")
    assert status == 2
    assert "nothing could be looked up" in said
