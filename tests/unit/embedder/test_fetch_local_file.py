"""`file:` URIs: what lies under the folder is read, whatever leads out of it is refused."""

import os
import socket
from pathlib import Path
from urllib.parse import quote

import pytest
from exhaustion import no_more_descriptors

from embedder.local_file import open_beneath
from musicrec.errors import BadInput, DeadLetterReason, Unavailable


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "music"
    (folder / "album one").mkdir(parents=True)
    (folder / "album one" / "träck 1.flac").write_bytes(b"sound")
    (folder / "top.wav").write_bytes(b"top")
    (tmp_path / "secret.wav").write_bytes(b"secret")
    return folder


def read(root: Path, uri: str, max_bytes: int = 1_000) -> bytes:
    with open_beneath(root, uri, max_bytes=max_bytes) as audio:
        content = os.read(audio.descriptor, 1_000)
        assert audio.size_bytes == len(content)
        return content


def refused(root: Path, uri: str) -> DeadLetterReason:
    with pytest.raises(BadInput) as caught:
        read(root, uri)
    return caught.value.reason


def test_file_under_the_root_is_read_however_its_uri_is_written(root):
    path = quote(str(root / "album one" / "träck 1.flac"))
    for uri in (f"file://{path}", f"file:{path}", f"file://localhost{path}", f"FILE://{path}"):
        assert read(root, uri) == b"sound"


def test_root_may_be_reached_through_a_symlink_under_either_name(root, tmp_path):
    (tmp_path / "link").symlink_to(root)
    assert read(tmp_path / "link", f"file://{tmp_path}/link/top.wav") == b"top"
    assert read(tmp_path / "link", f"file://{root}/top.wav") == b"top"


@pytest.mark.row(35)
@pytest.mark.parametrize(
    "path",
    [
        "/../secret.wav",
        "/%2e%2e/secret.wav",
        "/album%20one/..%2f..%2f../secret.wav",
        "/album%20one/../top.wav",
        "/./top.wav",
        "//top.wav",
        "/top.wav/",
        "/",
        "",
        "-other/top.wav",
        "/top.wav%00.mp3",
        "/top.wav?x=1",
        "/top.wav#t=1",
    ],
)
def test_path_that_leads_out_or_is_not_plain_is_forbidden(root, path):
    assert refused(root, f"file://{root}{path}") == DeadLetterReason.URI_FORBIDDEN


@pytest.mark.row(35)
@pytest.mark.parametrize("uri", ["file:///etc/passwd", "file:top.wav", "file://example.org/music/top.wav", "file:"])
def test_other_places_are_forbidden(root, uri):
    assert refused(root, uri) == DeadLetterReason.URI_FORBIDDEN


@pytest.mark.row(35)
def test_percent_encoding_is_undone_once(root):
    assert refused(root, f"file://{root}/%252e%252e/secret.wav") == DeadLetterReason.FETCH_FAILED  # a name `%2e%2e`


@pytest.mark.row(35)
def test_symlinks_are_forbidden_as_file_and_as_folder(root, tmp_path):
    (root / "out.wav").symlink_to(tmp_path / "secret.wav")
    (root / "up").symlink_to(tmp_path)
    assert refused(root, f"file://{root}/out.wav") == DeadLetterReason.URI_FORBIDDEN
    assert refused(root, f"file://{root}/up/secret.wav") == DeadLetterReason.URI_FORBIDDEN


@pytest.mark.row(35)
def test_folders_fifos_and_devices_are_forbidden(root):
    os.mkfifo(root / "fifo")
    assert refused(root, f"file://{root}/fifo") == DeadLetterReason.URI_FORBIDDEN
    assert refused(root, f"file://{root}/album%20one") == DeadLetterReason.URI_FORBIDDEN
    assert refused(Path("/dev"), "file:///dev/null") == DeadLetterReason.URI_FORBIDDEN


@pytest.mark.row(35)
def test_sockets_are_forbidden(root):
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(root / "s"))
        assert refused(root, f"file://{root}/s") == DeadLetterReason.URI_FORBIDDEN


@pytest.mark.row(35)
def test_another_case_is_another_place(root):
    assert refused(root, f"file://{str(root).upper()}/top.wav") == DeadLetterReason.URI_FORBIDDEN
    assert refused(root, f"file://{root}/TOP.WAV") == DeadLetterReason.FETCH_FAILED
    assert refused(root, f"file://{root}/%EF%BC%8E%EF%BC%8E/secret.wav") == DeadLetterReason.FETCH_FAILED  # wide dots


@pytest.mark.row(35)
def test_a_link_that_takes_the_place_of_a_folder_leads_nowhere(root, tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "träck 1.flac").write_bytes(b"secret")
    (root / "album one").rename(root / "moved")
    (root / "album one").symlink_to(tmp_path / "elsewhere")
    assert refused(root, f"file://{root}/album%20one/tr%C3%A4ck%201.flac") == DeadLetterReason.URI_FORBIDDEN


@pytest.mark.row(36)
def test_machine_without_descriptors_is_unavailable(root):
    with no_more_descriptors(), pytest.raises(Unavailable, match="Too many open files"):
        read(root, f"file://{root}/top.wav")


def test_missing_file_is_a_failed_fetch(root):
    assert refused(root, f"file://{root}/none.wav") == DeadLetterReason.FETCH_FAILED
    assert refused(root, f"file://{root}/none/none.wav") == DeadLetterReason.FETCH_FAILED
    assert refused(root, f"file://{root}/{'x' * 300}.wav") == DeadLetterReason.FETCH_FAILED


def test_file_above_the_limit_is_a_failed_fetch_that_names_both_sizes(root):
    assert read(root, f"file://{root}/top.wav", max_bytes=3) == b"top"
    with pytest.raises(BadInput, match="3 bytes; at most 2") as caught:
        read(root, f"file://{root}/top.wav", max_bytes=2)
    assert caught.value.reason == DeadLetterReason.FETCH_FAILED


def test_root_that_is_missing_is_the_operators_trouble_and_not_the_senders(tmp_path):
    with pytest.raises(Unavailable):
        read(tmp_path / "unmounted", f"file://{tmp_path}/unmounted/top.wav")


def test_nothing_stays_open(root):
    before = len(os.listdir("/proc/self/fd")) if Path("/proc/self/fd").is_dir() else None
    for _ in range(20):
        read(root, f"file://{root}/album%20one/tr%C3%A4ck%201.flac")
        refused(root, f"file://{root}/album%20one")
        refused(root, f"file://{root}/album%20one/none")
    after = len(os.listdir("/proc/self/fd")) if before is not None else None
    assert after == before
