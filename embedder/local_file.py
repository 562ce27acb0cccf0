"""`file:` URIs, under one folder and nowhere else.

The path is opened one component after another, each relative to the one before and none through a symlink
(`O_NOFOLLOW`): there is no moment between a check and an open in which the path could come to mean another file.
"""

import errno
import os
import stat
from pathlib import Path
from urllib.parse import unquote_to_bytes, urlsplit

from embedder.fetched_audio import FetchedAudio
from musicrec.errors import BadInput, DeadLetterReason, Unavailable

GONE_FOR_GOOD = {errno.ENOENT, errno.EACCES, errno.EPERM, errno.ENAMETOOLONG}
"""What a later attempt would meet again. Anything else (EMFILE, EIO, ESTALE) is this machine's trouble."""


def open_beneath(root: Path, uri: str, *, max_bytes: int) -> FetchedAudio:
    """Open the regular file that a `file:` URI names.

    Args:
        root: the folder that it must lie in; may itself be reached through symlinks.
        uri: `file:///path` or `file:/path`, percent-encoded.
        max_bytes: largest file.

    Raises:
        BadInput: URI_FORBIDDEN where the URI leads anywhere but to a regular file under `root` without symlinks;
            FETCH_FAILED where there is no such file, it may not be read or is too large.
        Unavailable: the system cannot open files now.
    """
    parts = _parts_beneath(root, uri)
    folder = _open(root, os.O_RDONLY | os.O_DIRECTORY, None, uri)
    try:
        for part in parts[:-1]:
            inner = _open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, folder, uri)
            os.close(folder)
            folder = inner
        # Without O_NONBLOCK the open of a FIFO waits for its writer, for ever.
        audio = _open(parts[-1], os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK, folder, uri)
    finally:
        os.close(folder)
    return _checked(audio, uri, max_bytes)


def _parts_beneath(root: Path, uri: str) -> list[bytes]:
    split = urlsplit(uri)
    if split.netloc not in ("", "localhost") or split.query or split.fragment:
        raise _forbidden(uri, "names a host, a query or a fragment")
    path = unquote_to_bytes(split.path)
    if b"\0" in path:
        raise _forbidden(uri, "holds a NUL")
    for prefix in (os.fsencode(os.path.abspath(root)), os.fsencode(os.path.realpath(root))):
        if path.startswith(prefix.rstrip(b"/") + b"/"):
            parts = path[len(prefix.rstrip(b"/")) + 1 :].split(b"/")
            if any(part in (b"", b".", b"..") for part in parts):
                raise _forbidden(uri, "holds an empty, `.` or `..` component")
            return parts
    raise _forbidden(uri, "does not lie under the allowed folder")


def _open(path: Path | bytes, flags: int, folder: int | None, uri: str) -> int:
    try:
        return os.open(path, flags | os.O_CLOEXEC, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ELOOP, errno.ENOTDIR, errno.ENXIO):
            raise _forbidden(uri, "leads through a symlink, or to something that is no regular file") from None
        if error.errno in GONE_FOR_GOOD and folder is not None:
            raise BadInput(f"{uri[:200]!r}: {os.strerror(error.errno)}", DeadLetterReason.FETCH_FAILED) from None
        raise Unavailable(f"{uri[:200]!r}: cannot be opened now: {error}") from error


def _checked(audio: int, uri: str, max_bytes: int) -> FetchedAudio:
    status = os.fstat(audio)
    try:
        if not stat.S_ISREG(status.st_mode):
            raise _forbidden(uri, "leads to something that is no regular file")
        if status.st_size > max_bytes:
            raise BadInput(
                f"{uri[:200]!r}: {status.st_size} bytes; at most {max_bytes} are read", DeadLetterReason.FETCH_FAILED
            )
    except BadInput:
        os.close(audio)
        raise
    return FetchedAudio(audio, status.st_size)


def _forbidden(uri: str, why: str) -> BadInput:
    return BadInput(
        f"audio_uri {uri[:200]!r} {why}; a file: URI names a regular file under MUSICREC_EMBEDDER_ALLOWED_ROOT",
        DeadLetterReason.URI_FORBIDDEN,
    )
