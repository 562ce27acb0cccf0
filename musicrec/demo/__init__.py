"""What the demo plays when it is given neither a log nor audio: invented music, and an invented audience for it.

Nothing here says how good the recommender is: the audience was written by the same people.  It shows that the path
works, and gives it something that can be learned.
"""

from musicrec.demo.audience import Audience
from musicrec.demo.catalogue import generate_tracks
from musicrec.demo.rendering import write_audio

__all__ = ["Audience", "generate_tracks", "write_audio"]
