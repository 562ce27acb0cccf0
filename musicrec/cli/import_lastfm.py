"""`musicrec import lastfm-1k`."""

from musicrec.cli.import_run import DEFAULT_MAX_BAD_SHARE, Files, MaxBadShare, Out, TracksOut, User, import_rows
from musicrec.importers.lastfm_1k import read_lastfm_1k


def command(
    files: Files,
    user: User = None,
    out: Out = None,
    tracks_out: TracksOut = None,
    max_bad_share: MaxBadShare = DEFAULT_MAX_BAD_SHARE,
) -> None:
    """Turn the Last.fm-1K data set into listen events in event-time order.

    FILES is lastfm-dataset-1K.tar.gz as it came, or the TSV.  Its times are the START of a listen and its length is not
    told: it is taken as the time until the next listen, from 30 seconds to 4 minutes, which is what a scrobble proves.
    --user keeps that one listener.
    """
    import_rows(read_lastfm_1k(files, user_id=user), out=out, tracks_out=tracks_out, max_bad_share=max_bad_share)
