"""A start asks its servers again until they answer, or its deadline is over."""

import pytest

from musicrec.errors import Incompatible, MusicrecError, Unavailable
from streams.waiting_start import answered


class Server:
    """Raises what it was given, one after the other, and answers then."""

    def __init__(self, *errors: MusicrecError) -> None:
        self.errors = list(errors)
        self.asked = 0

    async def ask(self) -> str:
        self.asked += 1
        if self.errors:
            raise self.errors.pop(0)
        return "here"


async def test_a_late_answer_is_the_answer_and_each_miss_is_told_before_the_next_question() -> None:
    server = Server(Unavailable("away"), Unavailable("loading"))
    missed: list[tuple[str, int]] = []

    assert await answered("agent", server.ask, 60.0, lambda why: missed.append((why, server.asked))) == "here"

    assert missed == [("away", 1), ("loading", 2)]


async def test_without_patience_there_is_one_question() -> None:
    server = Server(Unavailable("away"))
    with pytest.raises(Unavailable, match="away"):
        await answered("agent", server.ask, 0.0)
    assert server.asked == 1


async def test_after_the_deadline_the_last_reason_counts() -> None:
    server = Server(*(Unavailable(f"away {number}") for number in range(99)))
    with pytest.raises(Unavailable, match="away 1"):
        await answered("agent", server.ask, 1.0)
    assert server.asked == 2


async def test_what_waiting_does_not_mend_is_raised_at_once() -> None:
    server = Server(Unavailable("away"), Incompatible("refused"), Unavailable("away"))
    with pytest.raises(Incompatible, match="refused"):
        await answered("agent", server.ask, 60.0)
    assert server.asked == 2
