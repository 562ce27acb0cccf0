"""Pictures as SVG: the same figures make the same file."""

from pathlib import Path
from typing import Any

from musicrec.errors import Incompatible


def pyplot() -> Any:
    """Return matplotlib's `pyplot`, set up to draw files.

    Raises:
        Incompatible: matplotlib is missing.
    """
    try:
        import matplotlib
    except ModuleNotFoundError:
        raise Incompatible("the picture needs matplotlib: pip install 'musicrec[bench]'") from None
    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "musicrec"
    from matplotlib import pyplot as found

    return found


def save(figure: Any, path: Path) -> None:
    """Write a figure without the time at which it was made, and let it go."""
    figure.savefig(path, metadata={"Date": None})
    pyplot().close(figure)
