"""OpenVINO runs without what its package does besides."""

import os
import subprocess
import sys

PROGRAM = """
import sys
import embedder.openvino_network
print(sorted(name for name, module in sys.modules.items() if module and name.startswith("openvino_telemetry")))
"""


def test_loading_the_network_reports_to_nobody() -> None:
    # CI=true alone keeps the package from reporting.
    environment = {name: value for name, value in os.environ.items() if name != "CI"}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True, timeout=60, env=environment
    )
    assert done.stdout.strip() == "[]"
