"""Announcements that cannot be followed: what is in use stays, and whoever reads log and metrics knows why."""

import asyncio
import logging
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiokafka import ConsumerRecord

from musicrec.contracts import ModelAnnouncement, ModelFiles
from musicrec.recommend.session_encoder import SessionEncoder
from musicrec.sequence.encoder_files import MANIFEST
from musicrec.topics import MODELS
from streams.announced_encoder import EncoderKind
from streams.announced_model import AnnouncedModel
from streams.announced_models import AnnouncedModels
from streams.counters import Counters

NOW_MS = 1_760_000_000_000
DEADLINE_S = 10.0


def record(value: bytes | None, name: str = "session_encoder") -> ConsumerRecord:
    return ConsumerRecord(MODELS.name, 0, 0, NOW_MS, 0, name.encode(), value, None, -1, len(value or b""), [])


def announcement(folder: str, at_ms: int = NOW_MS, name: str = "session_encoder") -> ConsumerRecord:
    files = ModelFiles(version="gru-1", manifest_sha256="0" * 64, folder=folder)
    return record(ModelAnnouncement(name=name, files=files, announced_at_ms=at_ms).encode(), name)


@asynccontextmanager
async def following(
    models: Path | None, *, retry_s: float = 3600.0
) -> AsyncIterator[tuple[AnnouncedModels, Counters, list[SessionEncoder | None]]]:
    """Give one that follows what a test hands over, and what it put in use."""
    counters, used = Counters("ranking"), list[SessionEncoder | None]()

    async def use(encoder: SessionEncoder | None) -> None:
        used.append(encoder)

    encoders = AnnouncedModel(EncoderKind(None), counters, models=models, retry_s=retry_s)
    announced = AnnouncedModels({}, counters, [encoders])
    encoders.start(use)
    try:
        yield announced, counters, used
    finally:
        await announced.stop()


async def until(counters: Counters, **expected: int) -> None:
    async with asyncio.timeout(DEADLINE_S):
        while not counters.totals().items() >= expected.items():
            await asyncio.sleep(0.01)


async def test_a_missing_folder_is_looked_for_again_and_logged_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with following(tmp_path, retry_s=0.01) as (announced, counters, used):
        announced.take([announcement("monday")])
        await until(counters, missing=3)
    assert caplog.text.count("session encoder gru-1 is announced and not there") == 1
    assert used == []


async def test_another_manifest_is_refused_once_and_again_when_it_is_announced_anew(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "monday").mkdir()
    (tmp_path / "monday" / MANIFEST).write_text("{}")
    async with following(tmp_path, retry_s=0.01) as (announced, counters, used):
        announced.take([announcement("monday")])
        await until(counters, refused=1)
        await asyncio.sleep(0.1)
        assert counters.totals() == {"refused": 1}
        announced.take([announcement("monday", at_ms=NOW_MS + 1)])
        await until(counters, refused=2)
    assert "is not the announced 000000000000…" in caplog.text
    assert used == []


async def test_a_link_out_of_the_directory_is_refused(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "out").symlink_to("..")
    async with following(tmp_path / "models") as (announced, counters, used):
        announced.take([announcement("out")])
        await until(counters, refused=1)
    assert "is no folder below" in caplog.text
    assert used == []


async def test_without_a_directory_of_models_the_setting_is_named(caplog: pytest.LogCaptureFixture) -> None:
    async with following(None) as (announced, counters, _):
        announced.take([announcement("monday")])
        await until(counters, refused=1)
    assert "need MUSICREC_RANKING__MODELS_DIR" in caplog.text


async def test_what_breaks_the_contract_is_counted_and_other_models_are_not_ours(tmp_path: Path) -> None:
    async with following(tmp_path) as (announced, counters, used):
        announced.take([record(b"{"), record(b"{}"), record(b"\xff", "x")])
        announced.take([announcement("monday", name="another_model"), record(None, "another_model")])
        await asyncio.sleep(0.1)
        assert counters.totals() == {"unreadable": 3}
    assert used == []


async def test_what_was_refused_and_is_withdrawn_leaves_no_encoder(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    async with following(None) as (announced, counters, used):
        announced.take([announcement("monday")])
        await until(counters, refused=1)
        announced.take([record(None)])
        await until(counters, withdrawn=1)
    assert used == [None]
    assert "the announced session encoder is withdrawn" in caplog.text
