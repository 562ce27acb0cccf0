"""Session logic without I/O: events in, session snapshots out; the same code live, in replay and in evaluation."""

from musicrec.session.listener_state import AppliedEvent, ListenerState, Position
from musicrec.session.sessionizer import Applied, Duplicate, apply, standing_session

__all__ = ["Applied", "AppliedEvent", "Duplicate", "ListenerState", "Position", "apply", "standing_session"]
