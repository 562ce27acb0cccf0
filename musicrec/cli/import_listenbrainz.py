"""`musicrec import listenbrainz`."""

from musicrec.cli.import_run import DEFAULT_MAX_BAD_SHARE, Files, MaxBadShare, Out, TracksOut, User, import_rows
from musicrec.importers.listenbrainz import read_listenbrainz


def command(
    files: Files,
    user: User = None,
    out: Out = None,
    tracks_out: TracksOut = None,
    max_bad_share: MaxBadShare = DEFAULT_MAX_BAD_SHARE,
) -> None:
    """Turn ListenBrainz listens into listen events in event-time order.

    FILES is an account's export (zip), its JSON lines, or saved answers of the API.  --user is needed for an export,
    whose listens do not say whose they are.  Where duration_played is missing, the length of a listen is taken as the
    time until the next one, at most the track's duration (4 minutes where it is unknown), at least 30 seconds.
    """
    import_rows(read_listenbrainz(files, user_id=user), out=out, tracks_out=tracks_out, max_bad_share=max_bad_share)
