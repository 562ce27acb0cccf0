"""OpenVINO as it is used here: without the reports that its package sends.

`import openvino` tells its makers over the network that it was imported, unless a file in the user's home folder says
no, and fails for a user who has no home.  It does without where the package that reports is missing.
"""

import sys

sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]  # an import of it now fails

import openvino  # noqa: E402
from openvino import opset13 as ops  # noqa: E402

__all__ = ["openvino", "ops"]
