"""`musicrec worker session` of a release with a defect: it fails on every event of one listener.

python broken_release.py LISTENER
"""

import sys
from collections.abc import Sequence

import streams.session_agent as release
from musicrec.cli.main import main
from streams.messages import Decision, Incoming

LISTENER = sys.argv.pop(1).encode()


class Defective(release.SessionAgent):
    """Cannot handle one listener."""

    async def decide(self, batch: Sequence[Incoming]) -> Decision:
        """Decide, or fail."""
        if any(message.key == LISTENER for message in batch):
            raise LookupError("a defect")
        return await super().decide(batch)


if __name__ == "__main__":
    release.SessionAgent = Defective  # type: ignore[misc]
    sys.argv[1:] = ["worker", "session"]
    main()
