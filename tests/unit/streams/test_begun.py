"""A coroutine that has done its first step goes on in a task as if it had been there from the start."""

import asyncio

import pytest

from streams.begun import Begun


async def test_one_that_waits_for_nothing_is_done_at_once() -> None:
    async def one() -> int:
        async with asyncio.Lock():
            return 1

    begun = Begun(one())
    assert (begun.done, begun.result) == (True, 1)


async def test_one_that_waits_goes_on_where_it_was_in_a_task() -> None:
    steps: list[int] = []
    door = asyncio.Event()

    async def walk() -> int:
        steps.append(1)
        await door.wait()
        steps.append(2)
        await asyncio.sleep(0)
        steps.append(3)
        return 4

    begun = Begun(walk())
    assert (begun.done, steps) == (False, [1])
    task = asyncio.create_task(begun)
    await asyncio.sleep(0)
    assert steps == [1]
    door.set()
    assert await task == 4
    assert steps == [1, 2, 3]


async def test_one_whose_wait_is_over_before_its_task_begins_goes_on() -> None:
    door = asyncio.Event()
    begun = Begun(door.wait())
    door.set()
    await asyncio.sleep(0)
    assert await asyncio.create_task(begun) is True


@pytest.mark.parametrize("turns", [0, 1])
async def test_one_that_is_cancelled_is_told_where_it_waits(turns: int) -> None:
    told: list[str] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append("cancelled")
            raise

    task = asyncio.create_task(Begun(wait()))
    for _ in range(turns):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == ["cancelled"]


async def test_what_is_raised_in_the_first_step_is_raised_at_once() -> None:
    async def fail() -> None:
        raise ValueError("first step")

    with pytest.raises(ValueError, match="first step"):
        Begun(fail())


async def test_what_is_raised_later_is_raised_by_the_task() -> None:
    async def fail() -> None:
        await asyncio.sleep(0)
        raise ValueError("second step")

    task = asyncio.create_task(Begun(fail()))
    with pytest.raises(ValueError, match="second step"):
        await task
