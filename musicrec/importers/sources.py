"""Files, folders and archives as one sequence of named byte streams."""

import gzip
import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Final, NamedTuple, cast

from musicrec.errors import BadInput
from musicrec.importers.rows import Unreadable

MAX_LINE_BYTES: Final = 1 << 20
"""A longer line is no listen; ListenBrainz allows 10 KiB."""
MAX_DOCUMENT_BYTES: Final = 1 << 28
"""A JSON document is parsed whole; Spotify cuts its files at 13 MB.  Also the end of a decompression bomb."""

DAMAGED = (OSError, EOFError, zlib.error, lzma.LZMAError, zipfile.BadZipFile, tarfile.TarError)
"""What reading raises where bytes are not what they should be."""
UNREADABLE_ARCHIVE = (Exception,)
"""What opening an archive or a member raises as well: Python's readers of zip and tar let through what their arithmetic
on odd numbers raises, of whatever kind."""


class Source(NamedTuple):
    """One file, on its own or inside an archive."""

    name: str
    """Path, or ARCHIVE!MEMBER."""
    stream: IO[bytes]
    """Decompressed bytes."""


class Line(NamedTuple):
    """One line of text."""

    place: str
    """FILE:LINE."""
    text: str
    """Without its line end."""


def open_sources(paths: Sequence[Path], wanted: Callable[[str], bool]) -> Iterator[Source]:
    """Open every file that `paths` name, one after the other.

    A file is taken as it is; of a folder, a zip or a tar, those whose file name (without `.gz`) is `wanted`, sorted by
    path where the container can be sorted.

    Raises:
        BadInput: a path does not exist, an archive is damaged, or holds nothing that is wanted.
    """
    for path in paths:
        found = False
        for source in _open_path(path, wanted):
            found = True
            yield source
        if not found:
            raise BadInput(f"{path}: holds no file with a name of this format")


def lines(source: Source) -> Iterator[Line | Unreadable]:
    """Yield the lines of a UTF-8 text; only line feeds end a line, since titles hold other separators."""
    number = 0
    with damage_named(source.name):
        while raw := source.stream.readline(MAX_LINE_BYTES):
            number += 1
            place = f"{source.name}:{number}"
            if len(raw) == MAX_LINE_BYTES and not raw.endswith(b"\n"):
                while (rest := source.stream.readline(MAX_LINE_BYTES)) and not rest.endswith(b"\n"):
                    pass
                yield Unreadable(place, f"a line longer than {MAX_LINE_BYTES} bytes")
                continue
            try:
                text = raw.decode("utf-8-sig" if number == 1 else "utf-8")
            except UnicodeDecodeError as error:
                yield Unreadable(place, f"not UTF-8 at byte {error.start}")
                continue
            yield Line(place, text.rstrip("\r\n"))


def document(source: Source) -> bytes:
    """Return the whole of a source.

    Raises:
        BadInput: it is damaged or larger than `MAX_DOCUMENT_BYTES`.
    """
    with damage_named(source.name):
        data = source.stream.read(MAX_DOCUMENT_BYTES + 1)
    if len(data) > MAX_DOCUMENT_BYTES:
        raise BadInput(f"{source.name}: larger than {MAX_DOCUMENT_BYTES} bytes; split it")
    return data


def open_binary(path: Path) -> IO[bytes]:
    """Open a file for reading, decompressed where its name ends in `.gz`."""
    return cast(IO[bytes], gzip.open(path)) if path.suffix == ".gz" else path.open("rb")


@contextmanager
def damage_named(name: str, damage: tuple[type[Exception], ...] = DAMAGED) -> Iterator[None]:
    """Turn what a damaged file or archive raises into an error that names it."""
    try:
        yield
    except damage as error:
        raise BadInput(f"{name}: cannot be read: {error}") from error


def _open_path(path: Path, wanted: Callable[[str], bool]) -> Iterator[Source]:
    if path.is_dir():
        for file in sorted(p for p in path.rglob("*") if p.is_file() and _is_wanted(p.name, wanted)):
            yield from _open_file(file)
    elif path.suffix == ".zip":
        yield from _open_zip(path, wanted)
    elif path.suffixes[-2:] in ([".tar", ".gz"], [".tar", ".xz"], [".tar", ".bz2"]) or path.suffix in (".tar", ".tgz"):
        yield from _open_tar(path, wanted)
    else:
        yield from _open_file(path)


def _open_file(path: Path) -> Iterator[Source]:
    with damage_named(str(path)):
        stream = open_binary(path)
    with stream:
        yield Source(str(path), stream)


def _open_zip(path: Path, wanted: Callable[[str], bool]) -> Iterator[Source]:
    with damage_named(str(path), UNREADABLE_ARCHIVE):
        archive = zipfile.ZipFile(path)
    with archive:
        for member in sorted(archive.namelist()):
            if not _is_wanted(Path(member).name, wanted):
                continue
            name = f"{path}!{member}"
            with damage_named(name, UNREADABLE_ARCHIVE):
                stream = archive.open(member)
            with stream:
                yield Source(name, _gunzipped(member, stream))


def _open_tar(path: Path, wanted: Callable[[str], bool]) -> Iterator[Source]:
    """Read a tar as a stream: it is passed through once, so its members come in its own order."""
    with damage_named(str(path), UNREADABLE_ARCHIVE):
        archive = _open_tar_stream(path)
    with archive:
        while True:
            with damage_named(str(path), UNREADABLE_ARCHIVE):
                member = archive.next()
            if member is None:
                return
            if member.isfile() and _is_wanted(Path(member.name).name, wanted):
                with damage_named(f"{path}!{member.name}", UNREADABLE_ARCHIVE):
                    stream = archive.extractfile(member)
                if stream is not None:
                    yield Source(f"{path}!{member.name}", _gunzipped(member.name, stream))


def _open_tar_stream(path: Path) -> tarfile.TarFile:
    return tarfile.open(path, "r|*")


def _gunzipped(name: str, stream: IO[bytes]) -> IO[bytes]:
    return cast(IO[bytes], gzip.GzipFile(fileobj=stream)) if name.endswith(".gz") else stream


def _is_wanted(file_name: str, wanted: Callable[[str], bool]) -> bool:
    # macOS puts ._NAME beside each member of an archive.
    return not file_name.startswith(".") and wanted(file_name.removesuffix(".gz"))
