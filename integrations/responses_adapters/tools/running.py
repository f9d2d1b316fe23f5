"""Running one tool from asynchronous code, and asynchronous code from synchronous."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import itertools
import threading
from collections.abc import Awaitable, Callable, Iterator
from typing import Any, TypeVar

from .source import ToolContext
from .tool import Tool

__all__ = ["collect", "collected", "run_blocking", "run_tool"]

ResultT = TypeVar("ResultT")


async def run_tool(tool: Tool, arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
    """A tool's result, a list where it yields; what may block runs in a thread.

    Raises:
        RuntimeError: It raised `SystemExit`, or the `StopIteration` that no future can carry.
    """
    run = tool.run
    try:
        if tool.source.is_async:
            result = run(arguments, context)
        else:
            result = await _in_thread(lambda: run(arguments, context))
        if inspect.isawaitable(result):
            result = await result
        if inspect.isasyncgen(result):
            return [item async for item in result]
        if inspect.isgenerator(result):
            return await _drained(result)
    except SystemExit as error:  # a tool ends its call, never the program
        raise RuntimeError("the tool raised SystemExit") from error
    return result


def collected(result: Any) -> Any:
    """A result, a list where it yields."""
    return list(result) if inspect.isgenerator(result) else result


async def collect(result: Any) -> Any:
    """The same, awaited if it has to be."""
    if inspect.isawaitable(result):
        result = await result
    if inspect.isasyncgen(result):
        return [item async for item in result]
    return collected(result)


async def _drained(generator: Iterator[Any]) -> list[Any]:
    """All that a generator yields; once nobody waits for it, it is left at its next item."""
    given_up = threading.Event()
    try:
        return await _in_thread(
            lambda: list(itertools.takewhile(lambda _: not given_up.is_set(), generator))
        )
    finally:
        given_up.set()


async def _in_thread(work: Callable[[], ResultT]) -> ResultT:
    """Run blocking work in a thread of its own, in the caller's context variables.

    A pool would be shared with everyone else's blocking work and bounded by the machine. The thread cannot be
    stopped: after a time-out it runs on, and its result is dropped; being a daemon it does not hold up the exit.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[ResultT] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def target() -> None:
        result: Any = None
        error: BaseException | None = None
        try:
            result = context.run(work)
        except StopIteration as raised:  # a future would never be done
            error = RuntimeError("the tool raised StopIteration")
            error.__cause__ = raised
        except BaseException as raised:  # noqa: BLE001 -- handed over to whoever waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=target, name="responses-tool", daemon=True).start()
    return await future


def run_blocking(work: Callable[[], Awaitable[Any]]) -> Any:
    """Run a coroutine to its end from synchronous code, also where a loop is already running."""

    async def main() -> Any:
        return await work()

    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(main())
    context = contextvars.copy_context()
    outcome: dict[str, Any] = {}

    def target() -> None:
        try:
            outcome["result"] = context.run(asyncio.run, main())
        except BaseException as error:  # noqa: BLE001 -- raised again in the caller's thread
            outcome["error"] = error

    thread = threading.Thread(target=target, name="responses-toolbox", daemon=True)
    thread.start()
    thread.join()
    if "error" in outcome:
        raise outcome["error"]
    return outcome["result"]
