"""Where a training that is stopped goes on."""

import hashlib
import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from musicrec.errors import Incompatible
from musicrec.sequence.training_sessions import TrainingSessions

if TYPE_CHECKING:
    from musicrec.sequence.trainer import Trained, TrainingSettings

WEIGHTS: Final = "checkpoint.safetensors"
DESCRIPTION: Final = "checkpoint.json"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """A folder with the newest state of one training."""

    folder: Path
    training: TrainingSessions
    settings: "TrainingSettings"

    def write(self, trained: "Trained", epochs: int) -> None:
        """Write everything that the next epoch begins with; the description last, so that it is true."""
        self.folder.mkdir(parents=True, exist_ok=True)
        tensors = {f"network.{name}": tensor.contiguous() for name, tensor in trained.network.state_dict().items()}
        tensors |= {"tracks.vectors": trained.tracks.vectors, "tracks.squares": trained.tracks.squares}
        for parameter, state in trained.optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{parameter}.{name}": tensor.contiguous() for name, tensor in state.items()}
        (self.folder / DESCRIPTION).unlink(missing_ok=True)
        save_file(tensors, self.folder / WEIGHTS)
        text = json.dumps({"of": self._identity(), "epochs": epochs})
        (self.folder / DESCRIPTION).write_text(text, encoding="utf-8")

    def restore(self, trained: "Trained") -> int:
        """Load what was written, where something was; return how many epochs are done.

        Raises:
            Incompatible: it was made with other settings, or of other sessions.
        """
        description = self.folder / DESCRIPTION
        if not description.exists():
            return 0
        found = json.loads(description.read_text(encoding="utf-8"))
        if found["of"] != self._identity():
            raise Incompatible(
                f"{description}: made with other settings or sessions; delete it, or name another --work folder"
            )
        tensors = load_file(self.folder / WEIGHTS)
        trained.network.load_state_dict(_part(tensors, "network."))
        trained.tracks.vectors, trained.tracks.squares = tensors["tracks.vectors"], tensors["tracks.squares"]
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in _part(tensors, "optimiser.").items():
            parameter, key = name.split(".", 1)
            state.setdefault(int(parameter), {})[key] = tensor
        trained.optimiser.load_state_dict({**trained.optimiser.state_dict(), "state": state})
        return int(found["epochs"])

    def _identity(self) -> dict[str, object]:
        sessions = hashlib.sha256("\n".join(self.training.track_ids).encode())
        for session, contexts in zip(self.training.sessions, self.training.contexts, strict=True):
            sessions.update(session.tobytes() + contexts.tobytes())
        return {"settings": asdict(self.settings), "sessions": sessions.hexdigest(), "torch": torch.__version__}


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
