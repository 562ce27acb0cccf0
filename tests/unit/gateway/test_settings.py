"""A setting that cannot be is named before anybody is served."""

import asyncio
from pathlib import Path

import pytest

from musicrec.errors import Incompatible, MusicrecError, Unavailable
from musicrec.settings import GatewaySettings, Settings, load_settings
from streams.gateway.server import serve


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
