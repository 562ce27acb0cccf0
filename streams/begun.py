"""A coroutine whose first step is done here and now; one that waits for nothing is then done, and needs no task."""

from collections.abc import Coroutine, Generator
from typing import Any, Generic, TypeVar

T = TypeVar("T")


class Begun(Coroutine[Any, Any, T], Generic[T]):
    """A coroutine that has begun; whoever wants the rest of one that waits makes a task of it.

    >>> async def one() -> int:
    ...     return 1
    >>> begun = Begun(one())
    >>> begun.done, begun.result
    (True, 1)
    """

    def __init__(self, coroutine: Coroutine[Any, Any, T]) -> None:
        """Do the first step of a coroutine that has not begun; what it raises in that step is raised here."""
        self._coroutine = coroutine
        self._waits_for: list[Any] = []
        self.done = False
        self.result: T | None = None
        """What it has returned, once it is done."""
        try:
            self._waits_for.append(coroutine.send(None))
        except StopIteration as end:
            self.done, self.result = True, end.value

    def send(self, value: Any) -> Any:
        """Go on; whoever does so first is told what the coroutine waits for."""
        return self._waits_for.pop() if self._waits_for else self._coroutine.send(value)

    def throw(self, *error: Any) -> Any:
        """Raise where the coroutine waits."""
        self._waits_for.clear()
        return self._coroutine.throw(*error)

    def close(self) -> None:
        """End it where it waits."""
        self._coroutine.close()

    def __await__(self) -> Generator[Any, Any, T]:
        raise TypeError("make a task of it: the event loop is told by a task alone what it waits for")
