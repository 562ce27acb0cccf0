"""A setting that cannot be is named before anybody is served."""

import asyncio
from pathlib import Path

import pytest

from musicrec.contracts import ListenEvent, Track
from musicrec.errors import Incompatible, MusicrecError, Unavailable
from musicrec.settings import GatewaySettings, Settings, load_settings
from streams.gateway.entries import MOST_ENTRIES
from streams.gateway.gate import RECORDS_PER_REQUEST
from streams.gateway.server import MOST_HEADER_BYTES, MOST_MESSAGE_BYTES, serve


@pytest.mark.parametrize(
    ("own", "error", "words"),
    [
        (GatewaySettings(port=0, tls_cert_file=Path("/nowhere.pem")), Incompatible, "MUSICREC_GATEWAY__TLS_CERT_FILE"),
        (GatewaySettings(port=0, host="192.0.2.1"), Unavailable, r"cannot listen on 192\.0\.2\.1:0"),
    ],
)
def test_what_it_cannot_be_served_with_is_named(
    own: GatewaySettings, error: type[MusicrecError], words: str, tmp_path: Path
) -> None:
    settings = Settings(gateway=own, data_dir=tmp_path)
    with pytest.raises(error, match=words):
        asyncio.run(serve(settings, on_address=lambda address: pytest.fail(address), stop=asyncio.Event()))


def test_origins_are_named_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MUSICREC_GATEWAY__CORS_ORIGINS", "https://a.example.org, http://127.0.0.1:3000")
    assert load_settings().gateway.cors_origins == ("https://a.example.org", "http://127.0.0.1:3000")
    for wrong in ("*", "https://a.example.org/", "a.example.org"):
        monkeypatch.setenv("MUSICREC_GATEWAY__CORS_ORIGINS", wrong)
        with pytest.raises(Incompatible, match=r"MUSICREC_GATEWAY__CORS_ORIGINS: .* is no origin"):
            load_settings()


def test_the_page_tells_the_limits_as_they_are_by_default() -> None:
    page, own = (Path(__file__).resolve().parents[3] / "docs/gateway.md").read_text(), GatewaySettings()
    rows = [line for line in page.splitlines() if line.startswith("| ")]
    for words in (
        f"| {own.token_requests_per_minute} a minute; each fifty records count as one more |",
        f"| {own.address_requests_per_minute} a minute from one IPv4 address or IPv6 /64 |",
        f"| {own.max_body_bytes // 1_048_576} MB, {own.body_deadline_s:g} s |",
        f"| 32 kB, {own.headers_deadline_s:g} s |",
        f"| {own.max_connections:,}, {own.max_streams}, {own.max_streams_per_listener} |",
        f"| {own.publish_deadline_s:g} s, {own.list_deadline_s:g} s |",
        f"| {MOST_ENTRIES:,}; {ListenEvent.MAX_BYTES:,} (event), {Track.MAX_BYTES:,} (track) |",
    ):
        assert [row for row in rows if words in row], words
    assert RECORDS_PER_REQUEST == 50
    assert (MOST_HEADER_BYTES, MOST_MESSAGE_BYTES) == (32 * 1024, 4 * 1024)
