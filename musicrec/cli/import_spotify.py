"""`musicrec import spotify`."""

from musicrec.cli.import_run import DEFAULT_MAX_BAD_SHARE, Files, MaxBadShare, Out, TracksOut, User, import_rows
from musicrec.importers.spotify import read_spotify


def command(
    files: Files,
    user: User = None,
    out: Out = None,
    tracks_out: TracksOut = None,
    max_bad_share: MaxBadShare = DEFAULT_MAX_BAD_SHARE,
) -> None:
    """Turn Spotify's account data or extended streaming history into listen events in event-time order.

    FILES is the zip as it came, its folder, or single JSON files.  --user is needed where rows have no username.
    Podcasts and audiobooks are left out and counted; a listen that ended by the forward button is a skip.
    """
    import_rows(read_spotify(files, user_id=user), out=out, tracks_out=tracks_out, max_bad_share=max_bad_share)
