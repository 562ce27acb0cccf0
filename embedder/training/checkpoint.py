"""The state of a training run after an epoch, so that one that was stopped ends as one that was not."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from musicrec.errors import Incompatible


@dataclass(frozen=True, slots=True)
class TrainingCheckpoint:
    """Weights, optimiser state and the number of finished epochs of one run.

    Attributes:
        folder: of the two files.
        identity: everything that the run depends on, as JSON has it; a run of another identity is refused.
    """

    folder: Path
    identity: Mapping[str, object]

    @property
    def _paths(self) -> tuple[Path, Path]:
        return self.folder / "checkpoint.safetensors", self.folder / "checkpoint.json"

    def write(self, network: nn.Module, optimiser: torch.optim.Optimizer, epoch: int) -> None:
        """Write weights, optimiser state and the epoch; the description last, so that it is true."""
        self.folder.mkdir(parents=True, exist_ok=True)
        weights, description = self._paths
        tensors = {f"network.{name}": tensor.contiguous() for name, tensor in network.state_dict().items()}
        for index, state in optimiser.state_dict()["state"].items():
            tensors |= {f"optimiser.{index}.{name}": tensor.contiguous() for name, tensor in state.items()}
        description.unlink(missing_ok=True)
        save_file(tensors, weights)
        description.write_text(json.dumps({**self.identity, "epoch": epoch}), encoding="utf-8")

    def restore(self, network: nn.Module, optimiser: torch.optim.Optimizer) -> int:
        """Load a checkpoint where there is one; return the number of finished epochs.

        Raises:
            Incompatible: it is of a run of another identity.
        """
        weights, description = self._paths
        if not description.exists():
            return 0
        found = json.loads(description.read_text(encoding="utf-8"))
        if {name: found.get(name) for name in self.identity} != dict(self.identity):
            raise Incompatible(f"{description}: made with other settings; delete it, or name another working folder")
        tensors = load_file(weights)
        network.load_state_dict({n.removeprefix("network."): t for n, t in tensors.items() if n.startswith("network.")})
        state: dict[int, dict[str, Tensor]] = {}
        for name, tensor in tensors.items():
            if name.startswith("optimiser."):
                _, index, key = name.split(".", 2)
                state.setdefault(int(index), {})[key] = tensor
        saved = optimiser.state_dict()
        saved["state"] = state
        optimiser.load_state_dict(saved)
        return int(found["epoch"])
