"""What has to be other than it was, for a message to be taken when it is replayed."""

from collections.abc import Mapping
from typing import Final

from musicrec.errors import DeadLetterReason as Reason

FOR_EVER: Final = "refused again, always: the bytes stay what they are; the publisher sends a right one"

REMEDIES: Final[Mapping[Reason, str]] = {
    Reason.EMPTY: FOR_EVER,
    Reason.TOO_LARGE: FOR_EVER,
    Reason.MALFORMED: FOR_EVER,
    Reason.INVALID: FOR_EVER,
    Reason.KEY_MISMATCH: FOR_EVER,
    Reason.UNSUPPORTED_VERSION: "refused again until a release runs that reads its version",
    Reason.TOO_LATE: "refused again unless MUSICREC_SESSION__GRACE_MS was raised",
    Reason.IN_THE_FUTURE: "taken once the broker's clock has come near its time",
    Reason.CONFLICTING_DUPLICATE: "refused again: its id belongs to an event with another body",
    Reason.URI_FORBIDDEN: "refused again until MUSICREC_EMBEDDER_ALLOWED_ROOT or _ALLOWED_HOSTS allows it",
    Reason.FETCH_FAILED: "taken once its audio can be read",
    Reason.UNDECODABLE: "refused again until other audio lies at its URI",
    Reason.TOO_LONG: "refused again unless MUSICREC_EMBEDDER_MAX_DURATION_S or _MAX_CHANNELS was raised",
    Reason.DECODE_TIMEOUT: "taken if the decoder was short of time; MUSICREC_EMBEDDER_DECODE_DEADLINE_S gives more",
    Reason.UNREADABLE_STATE: "taken once the Redis key that the letter names is deleted; what it held begins anew",
    Reason.HANDLER_ERROR: "taken once a release runs that has the defect mended",
}
