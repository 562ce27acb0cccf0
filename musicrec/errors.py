"""Every error that musicrec raises on purpose, by whose fault it is.

    MusicrecError
    ├── BadInput        the sender's fault: dead-letter it, never retry
    ├── Unavailable     the surroundings' fault: retry within a deadline, then degrade
    └── Incompatible    the operator's fault: refuse to start, name the setting

A message names the value, the place and the way out.
"""

from enum import StrEnum


class MusicrecError(Exception):
    """Root of all errors raised on purpose."""


class DeadLetterReason(StrEnum):
    """Why a message stands in a dead-letter topic; the values are part of the contract."""

    EMPTY = "empty"
    """No value where a value is needed (a tombstone on a topic without compaction)."""
    TOO_LARGE = "too_large"
    """Value or headers exceed the size limit of the topic."""
    MALFORMED = "malformed"
    """Not UTF-8, not JSON, or JSON that is not an object."""
    INVALID = "invalid"
    """JSON that breaks the contract: a field is missing, of the wrong type or out of range."""
    UNSUPPORTED_VERSION = "unsupported_version"
    """`schema_version` is newer than this release reads, or the CloudEvents type is not of this topic."""
    KEY_MISMATCH = "key_mismatch"
    """The message key is missing or differs from the id in the body."""
    TOO_LATE = "too_late"
    """Event time lies further behind the listener's newest event than the grace."""
    IN_THE_FUTURE = "in_the_future"
    """Event time lies further ahead of the broker's clock than the tolerance."""
    CONFLICTING_DUPLICATE = "conflicting_duplicate"
    """An event id seen before, with another body."""
    URI_FORBIDDEN = "uri_forbidden"
    """The audio URI's scheme, host or path is not on the allow-list."""
    FETCH_FAILED = "fetch_failed"
    """The audio could not be read: missing file, HTTP error, deadline, too many bytes."""
    UNDECODABLE = "undecodable"
    """The bytes are not audio that can be decoded within the limits."""
    TOO_LONG = "too_long"
    """More seconds or channels than the limit."""
    DECODE_TIMEOUT = "decode_timeout"
    """The decoder was killed at its deadline, or died."""
    UNREADABLE_STATE = "unreadable_state"
    """What Redis keeps for this listener is damaged, or its key is of another type: delete the key, then replay."""
    HANDLER_ERROR = "handler_error"
    """The handler failed on this message alone, every time: a defect of musicrec; please report it."""


class BadInput(MusicrecError):
    """The message or the argument is wrong and stays wrong.

    Attributes:
        reason: what a dead letter says.
    """

    def __init__(self, message: str, reason: DeadLetterReason = DeadLetterReason.INVALID) -> None:
        super().__init__(message)
        self.reason = reason


class Unavailable(MusicrecError):
    """A service or a resource is away for now; the same call may succeed later."""


class Incompatible(MusicrecError):
    """Settings, versions or files that do not fit together; only an operator can mend it."""
