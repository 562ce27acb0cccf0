"""Snapshots for tests of the ranking, made by the real session logic: who plays what, minute by minute."""

from musicrec.contracts import EventType, ListenEvent, SessionSnapshot
from musicrec.session import Applied, ListenerState, Position, apply
from musicrec.settings import SessionSettings

START_MS = 1_700_000_000_000
MINUTE_MS = 60_000


class Listening:
    """A small world of listeners; every call is one event, three minutes after the one before."""

    def __init__(self) -> None:
        self.now_ms = START_MS
        self._states: dict[str, ListenerState] = {}
        self._offset = 0

    def play(
        self,
        user_id: str,
        track_id: str,
        artist_id: str | None = None,
        *,
        skip: bool = False,
        market: str | None = None,
    ) -> SessionSnapshot:
        """Let a listener hear a track to its end, or skip it after five seconds."""
        return self._apply(user_id, EventType.SKIP if skip else EventType.PLAY, track_id, artist_id, market=market)

    def session(self, user_id: str, tracks: str, artist_id: str | None = None) -> list[SessionSnapshot]:
        """Let a listener hear the tracks named in `tracks`, after an hour's pause."""
        self.pause()
        return [self.play(user_id, track, artist_id) for track in tracks.split()]

    def feedback(
        self,
        user_id: str,
        kind: EventType,
        track_id: str | None,
        artist_id: str | None = None,
        *,
        discovery: float | None = None,
    ) -> SessionSnapshot:
        """Let a listener say something about a track or an artist, or set a dial."""
        return self._apply(user_id, kind, track_id, artist_id, discovery)

    def pause(self, minutes: int = 60) -> None:
        """Let time pass; an hour ends every session."""
        self.now_ms += minutes * MINUTE_MS

    def _apply(
        self,
        user_id: str,
        kind: EventType,
        track_id: str | None,
        artist_id: str | None,
        discovery: float | None = None,
        market: str | None = None,
    ) -> SessionSnapshot:
        self.now_ms += 3 * MINUTE_MS
        self._offset += 1
        played_ms = {EventType.PLAY: 170_000, EventType.SKIP: 5_000}.get(kind)
        event = ListenEvent(
            event_id=f"e{self._offset:06d}",
            user_id=user_id,
            type=kind,
            occurred_at_ms=self.now_ms,
            track_id=track_id,
            artist_id=artist_id,
            ms_played=played_ms,
            discovery=discovery,
            market=market,
        )
        position = Position("test", 0, self._offset, self.now_ms)
        applied = apply(self._states.get(user_id, ListenerState()), event, position, SessionSettings())
        assert isinstance(applied, Applied)
        self._states[user_id] = applied.state
        return applied.snapshot
