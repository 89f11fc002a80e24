"""Cancel a coroutine at each point where it waits."""

import asyncio
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator
from typing import Any


@types.coroutine
def cancelled_at(coroutine: Coroutine[Any, Any, Any], step: int) -> Generator[Any, Any, Any]:
    """Run *coroutine*, and cancel its task while it waits for the *step*-th time, counted from 1."""
    task, inner, waits = asyncio.current_task(), coroutine.__await__(), 0
    resume: Callable[[], Any] = lambda: inner.send(None)  # noqa: E731
    while True:
        try:
            waiting_for = resume()
        except StopIteration as stop:
            return stop.value
        waits += 1
        if waits == step:
            asyncio.get_running_loop().call_soon(task.cancel)
        try:
            yield waiting_for
            resume = lambda: inner.send(None)  # noqa: E731
        except BaseException as error:
            resume = lambda thrown=error: inner.throw(thrown)  # noqa: E731


async def sweep(operation: Callable[[], Coroutine[Any, Any, Any]], after: Callable[[], Awaitable[None]]) -> int:
    """Cancel *operation* at every point where it waits, look *after* each time; returns how many points there are.

    It is done once before, so that it then waits as often each time: connections are open, statements prepared.
    """
    await operation()

    async def cancelled(step: int) -> Any:
        return await cancelled_at(operation(), step)

    step = 0
    while True:
        step += 1
        try:
            await asyncio.create_task(cancelled(step))
        except asyncio.CancelledError:
            await after()
        else:
            return step - 1
