"""How far a log has been played, on the terminal."""

from collections.abc import Iterator

from rich.console import Console
from rich.progress import Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from musicrec.contracts import ListenEvent


def play_progress() -> Progress:
    """Return a line of progress on stderr that goes when it is done."""
    columns = (SpinnerColumn(), TextColumn("{task.description}"), TextColumn("{task.completed:,.0f} plays"))
    return Progress(*columns, TimeElapsedColumn(), console=Console(stderr=True), transient=True)


def counted(events: Iterator[ListenEvent], progress: Progress, name: str) -> Iterator[ListenEvent]:
    """Yield the events and count them under `name`."""
    task = progress.add_task(name, total=None)
    for count, event in enumerate(events, 1):
        yield event
        if count % 500 == 0:
            progress.update(task, completed=count)
