"""What the networks of a ranking knew before their first lesson, kept with them: a restart must not begin anew."""

from dataclasses import dataclass

import numpy as np

from musicrec.recommend.state import Pieces, State, numbers, texts


@dataclass(frozen=True, slots=True)
class Beginning:
    """A trained ranker, or nothing.

    Attributes:
        version: of the ranker; empty for networks that began as beginners.
        manifest_sha256: of its manifest; empty where it was not announced.
        announced_at_ms: when it was announced; 0 where it was not.  What was played before has taught what was there
            before it: a replica that learns those plays late knows no more than the others.
    """

    version: str = ""
    manifest_sha256: str = ""
    announced_at_ms: int = 0

    def state(self) -> Pieces:
        """Yield it; see `Stateful`."""
        yield from texts("began_with", (self.version, self.manifest_sha256))
        yield from numbers("announced_at_ms", self.announced_at_ms)

    @classmethod
    def restored(cls, state: State) -> "Beginning":
        """Return what `state` was taken from.

        Raises:
            Incompatible: something is missing.
        """
        version, manifest_sha256 = state.texts("began_with")
        (announced_at_ms,) = state.array("announced_at_ms", np.int64, 1).tolist()
        return cls(version, manifest_sha256, announced_at_ms)
