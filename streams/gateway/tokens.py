"""Who may come: tokens, kept as hashes, one a line of a file.

    mr_<12 hex digits>_<43 characters>
       names the line   256 random bits: nobody finds it by trying, so that one SHA-256 is enough

The file never holds a token.  It is read again when it changes: to take a token back, delete its line.
"""

import hmac
import json
import logging
import os
import re
import secrets
from hashlib import sha256
from pathlib import Path
from typing import Annotated, Final, NamedTuple, Self

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, model_validator

from musicrec.client.events import refused_fields
from musicrec.contracts.record import EpochMs, Id, Sha256, reject
from musicrec.errors import Incompatible
from musicrec.settings import Settings

log = logging.getLogger(__name__)

TOKEN: Final = re.compile(r"mr_([0-9a-f]{12})_[A-Za-z0-9_-]{43}")
_NOBODY: Final = "0" * 64
DEFAULT_NAME: Final = "gateway-tokens.jsonl"


def tokens_file(settings: Settings) -> Path:
    """Return where the hashes of tokens are kept."""
    return settings.gateway.tokens_file or settings.data_dir / DEFAULT_NAME


class Grant(BaseModel):
    """One line: whose token it is, and what it may do."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", use_attribute_docstrings=True)

    token_id: Annotated[str, StringConstraints(pattern="^[0-9a-f]{12}$")]
    """Names the token in logs and commands; no secret."""
    sha256: Sha256
    """Of the whole token."""
    listener: Id | None = None
    """The only listener that it writes and reads for."""
    platform: bool = False
    """Whether it writes and reads for every listener, and writes the catalogue."""
    expires_at_ms: EpochMs | None = None
    """From then on it is refused, epoch milliseconds UTC."""
    requests_per_minute: Annotated[int, Field(ge=1)] | None = None
    """In the place of `MUSICREC_GATEWAY__TOKEN_REQUESTS_PER_MINUTE`."""
    note: Annotated[str, StringConstraints(max_length=256)] = ""
    """For whoever reads the file."""

    @model_validator(mode="after")
    def _belongs_to_somebody(self) -> Self:
        if (self.listener is None) != self.platform:
            raise reject("listener", "listener: a line has either a listener or platform=true")
        return self

    def acts_for(self, user_id: str) -> bool:
        """Whether it may write and read for a listener."""
        return self.platform or self.listener == user_id


class MadeToken(NamedTuple):
    """A token, to be shown once, and the line that is kept of it."""

    token: str
    grant: Grant


def make_token(
    *,
    listener: str | None,
    expires_at_ms: int | None = None,
    requests_per_minute: int | None = None,
    note: str = "",
) -> MadeToken:
    """Make a token, a platform's where no listener is given.

    Raises:
        BadInput: a value breaks the rules of `Grant`; names it.
    """
    token_id = secrets.token_hex(6)
    token = f"mr_{token_id}_{secrets.token_urlsafe(32)}"
    try:
        grant = Grant(
            token_id=token_id,
            sha256=_hash(token),
            listener=listener,
            platform=listener is None,
            expires_at_ms=expires_at_ms,
            requests_per_minute=requests_per_minute,
            note=note,
        )
    except ValidationError as error:
        raise refused_fields(error) from None
    return MadeToken(token, grant)


def append_grant(path: Path, grant: Grant) -> None:
    """Add a line; a new file is its owner's alone."""
    path.parent.mkdir(parents=True, exist_ok=True)
    line = json.dumps(grant.model_dump(exclude_defaults=True), ensure_ascii=False) + "\n"
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT, 0o600)
    with os.fdopen(descriptor, "r+b") as file:
        if (size := os.fstat(descriptor).st_size) and os.pread(descriptor, 1, size - 1) != b"\n":
            line = "\n" + line
        file.write(line.encode())
        file.flush()
        os.fsync(descriptor)


def remove_grant(path: Path, token_id: str) -> bool:
    """Take a line out; return whether it was there.  Whoever reads meanwhile sees the file of before or after."""
    lines = path.read_bytes().splitlines(keepends=True) if path.exists() else []
    left = [line for line in lines if _token_id(line) != token_id]
    if len(left) == len(lines):
        return False
    beside = path.with_name(f".{path.name}.{os.getpid()}")
    descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, path.stat().st_mode & 0o777)
    with os.fdopen(descriptor, "wb") as file:
        file.writelines(left)
        file.flush()
        os.fsync(descriptor)
    beside.replace(path)
    return True


class Tokens:
    """The tokens of a file, as it stands now."""

    def __init__(self, path: Path) -> None:
        """Read the file; one that is not there yet holds no token.

        Raises:
            Incompatible: a line is none, or the file cannot be read; names the line and the field.
        """
        self.path = path
        self._seen = self._identity()
        self._grants, wrong = _read(path)
        if wrong:
            raise Incompatible(f"{path}:{wrong[0]}; `musicrec gateway token` writes such lines")

    def grant_of(self, token: str, now_ms: int) -> Grant | None:
        """Return what a token may do; None for one that is unknown, taken back or expired."""
        self._read_again_if_changed()
        found = TOKEN.fullmatch(token)
        grant = self._grants.get(found[1]) if found else None
        # The same work whether there is such a line or not, and compared in constant time.
        matches = hmac.compare_digest(_hash(token), grant.sha256 if grant is not None else _NOBODY)
        return grant if grant is not None and matches and _lasts(grant, now_ms) else None

    def holds(self, grant: Grant, now_ms: int) -> bool:
        """Return whether a grant of before still stands."""
        self._read_again_if_changed()
        return self._grants.get(grant.token_id) == grant and _lasts(grant, now_ms)

    def _read_again_if_changed(self) -> None:
        identity = self._identity()
        if identity == self._seen:
            return
        try:
            grants, wrong = _read(self.path)
        except Incompatible as error:  # nobody's tokens are better than somebody's former ones
            grants, wrong = {}, [str(error)]
        for line in wrong:
            log.error("%s:%s; nobody comes in with it", self.path, line)
        log.info("%s has changed: %d tokens", self.path, len(grants))
        self._grants, self._seen = grants, identity

    def _identity(self) -> tuple[int, int, int] | None:
        try:
            status = self.path.stat()
        except OSError:
            return None
        return status.st_mtime_ns, status.st_size, status.st_ino


def _lasts(grant: Grant, now_ms: int) -> bool:
    return grant.expires_at_ms is None or now_ms < grant.expires_at_ms


def _hash(token: str) -> str:
    return sha256(token.encode("utf-8", "surrogatepass")).hexdigest()


def _token_id(line: bytes) -> str | None:
    try:
        return Grant.model_validate_json(line).token_id
    except ValidationError:
        return None


def _read(path: Path) -> tuple[dict[str, Grant], list[str]]:
    """Return the lines by token id, and what is wrong with those that are none."""
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return {}, []
    except OSError as error:
        raise Incompatible(
            f"{path} cannot be read: {error.strerror}; MUSICREC_GATEWAY__TOKENS_FILE names it"
        ) from error
    grants: dict[str, Grant] = {}
    wrong: list[str] = []
    for number, line in enumerate(lines, start=1):
        if not line.strip() or line.lstrip().startswith(b"#"):
            continue
        try:
            grant = Grant.model_validate_json(line)
        except ValidationError as error:
            wrong.append(f"{number}: {_what_is_wrong(error)}")
        else:
            grants[grant.token_id] = grant
    return grants, wrong


def _what_is_wrong(error: ValidationError) -> str:
    """Say it without the value, which may be a token that somebody put there by mistake."""
    first = error.errors(include_url=False, include_context=False, include_input=False)[0]
    return ": ".join([*map(str, first["loc"]), first["msg"]])
