"""Running tool calls: in parallel within a bound, each with its own time-out, each answered in its place."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import inspect
import logging
import threading
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ToolError
from .parts import Output, cap, to_output
from .source import InvalidArgumentsError, ToolContext
from .tool import Tool, parse_arguments

__all__ = ["Approve", "Executor", "OnError", "ToolCall", "function_calls"]

_log: Final = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class ToolCall:
    """One call of the model.

    Attributes:
        call_id: The id that its output must carry.
        name: The tool's name on the wire, `namespace.name` in a namespace.
        arguments: What the model wrote, as JSON text.
        input: The text of a custom tool's call, which has no arguments.
    """

    call_id: str
    name: str
    arguments: Any = None
    input: str | None = None


OnError = Callable[[Exception, ToolCall], str | None]
"""Words for a failure, for the model to read; `None` keeps the words it would have had."""

Approve = Callable[[ToolCall, dict[str, Any]], bool | str | Awaitable[bool | str]]
"""Whether a call may run, given its decoded arguments; a string refuses it with that reason."""


def function_calls(output: Iterable[Any]) -> list[ToolCall]:
    """The calls among a response's output items, which may be dicts or the SDK's objects."""
    calls: list[ToolCall] = []
    for raw in output:
        item = raw if isinstance(raw, Mapping) else _Attributes(raw)
        kind = item.get("type")
        if kind not in ("function_call", "custom_tool_call"):
            continue
        call_id = item.get("call_id") or item.get("id") or ""
        is_custom = kind == "custom_tool_call"
        calls.append(
            ToolCall(
                call_id=str(call_id),
                name=_qualified(item),
                arguments=None if is_custom else item.get("arguments"),
                input=str(item.get("input") or "") if is_custom else None,
            )
        )
    return calls


def _is_repeat(call: ToolCall, first: ToolCall) -> bool:
    """Whether a call is the same one again: only if its arguments mean the same."""
    if call.arguments == first.arguments:
        return call == first
    try:
        same = parse_arguments(call.arguments) == parse_arguments(first.arguments)
    except InvalidArgumentsError:
        return False
    return same and (call.name, call.input) == (first.name, first.input)


def _qualified(item: Any) -> str:
    name, namespace = str(item.get("name") or ""), item.get("namespace")
    return f"{namespace}.{name}" if namespace else name


class _Attributes:
    """Reads an object's attributes the way a mapping is read."""

    def __init__(self, item: Any) -> None:
        self._item = item

    def get(self, key: str) -> Any:
        return getattr(self._item, key, None)


@dataclass(frozen=True, kw_only=True)
class Executor:
    """How calls are run; see `Toolbox` for the options."""

    find: Callable[[str], Tool | None]
    names: Callable[[], list[str]]
    max_parallel: int
    timeout: float | None
    max_output_chars: int
    on_error: OnError | None
    approve: Approve | None

    async def run(self, calls: list[ToolCall], value: Any) -> list[dict[str, Any]]:
        """One output item for each call, in the order of the calls."""
        slots = asyncio.Semaphore(self.max_parallel)
        started: dict[str, tuple[ToolCall, asyncio.Task[Output]]] = {}
        answers: list[tuple[ToolCall, asyncio.Task[Output] | str]] = []
        for call in calls:
            if not call.call_id:
                answers.append((call, "The call has no call_id, so it was not run."))
                continue
            if call.call_id not in started:
                task = asyncio.ensure_future(self._answer(call, value, slots))
                started[call.call_id] = (call, task)
            first, task = started[call.call_id]
            clash = "This call_id was already used for another call, so the call was not run."
            answers.append((call, task if _is_repeat(call, first) else clash))
        tasks = [task for _, task in started.values()]
        try:
            await asyncio.gather(*tasks)
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        return [
            _output_item(call, answer if isinstance(answer, str) else answer.result())
            for call, answer in answers
        ]

    async def _answer(self, call: ToolCall, value: Any, slots: asyncio.Semaphore) -> Output:
        async with slots:
            try:
                return cap(await self._run(call, value), self.max_output_chars)
            except (
                asyncio.CancelledError
            ):  # by the tool itself; for our caller's, `run` ends anyway
                return f"{call.name} was cancelled."
            except Exception as error:  # noqa: BLE001 -- the model is told, the loop goes on
                return cap(self._explain(error, call), self.max_output_chars)

    async def _run(self, call: ToolCall, value: Any) -> Output:
        tool = self.find(call.name)
        if tool is None:
            known = ", ".join(self.names()) or "none"
            raise InvalidArgumentsError(f"there is no tool {call.name!r}; the tools are: {known}")
        arguments = (
            {"input": call.input}
            if call.input is not None
            else tool.decode(parse_arguments(call.arguments))
        )
        refusal = await self._refusal(call, arguments)
        if refusal is not None:
            return refusal
        context = ToolContext(value, call.call_id, tool.original_name)
        limit = asyncio.timeout(self.timeout)
        try:
            async with limit:
                return await _to_output(tool, arguments, context)
        except TimeoutError:
            if not limit.expired():
                raise  # the tool's own
            raise ToolError(f"{call.name} did not finish within {self.timeout} seconds.") from None

    async def _refusal(self, call: ToolCall, arguments: dict[str, Any]) -> str | None:
        if self.approve is None:
            return None
        verdict = self.approve(call, arguments)
        if inspect.isawaitable(verdict):
            verdict = await verdict
        if isinstance(verdict, str):
            return f"The call was declined: {verdict}"
        return None if verdict else "The call was declined by the user."

    def _explain(self, error: Exception, call: ToolCall) -> str:
        if isinstance(error, InvalidArgumentsError):
            words = f"{call.name} was not run: {error}"
        elif isinstance(error, ToolError):  # its words are meant for the model
            words = str(error)
        else:
            _log.warning("tool %s failed", call.name, exc_info=error)
            words = f"{call.name} failed ({type(error).__name__})."
        if self.on_error is None:
            return words
        own = self.on_error(error, call)
        return words if own is None else own


async def _to_output(tool: Tool, arguments: dict[str, Any], context: ToolContext[Any]) -> Output:
    run = tool.run
    if tool.source.is_async:
        result = run(arguments, context)
    else:
        result = await _in_thread(lambda: run(arguments, context))
    if inspect.isawaitable(result):
        result = await result
    return to_output(result)


async def _in_thread(work: Callable[[], Any]) -> Any:
    """Run blocking work in a thread of its own, in the caller's context variables.

    A pool would be shared with everyone else's blocking work and bounded by the machine. The thread cannot be
    stopped: after a time-out it runs on, and its result is dropped; being a daemon it does not hold up the exit.
    """
    loop = asyncio.get_running_loop()
    future: asyncio.Future[Any] = loop.create_future()
    context = contextvars.copy_context()

    def settle(result: Any, error: BaseException | None) -> None:
        if future.done():
            return
        if error is None:
            future.set_result(result)
        else:
            future.set_exception(error)

    def target() -> None:
        result, error = None, None
        try:
            result = context.run(work)
        except BaseException as raised:  # noqa: BLE001 -- handed over to whoever waits
            error = raised
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits any more
            loop.call_soon_threadsafe(settle, result, error)

    threading.Thread(target=target, name="responses-tool", daemon=True).start()
    return await future


def _output_item(call: ToolCall, output: Output) -> dict[str, Any]:
    kind = "function_call_output" if call.input is None else "custom_tool_call_output"
    return {"type": kind, "call_id": call.call_id, "output": output}


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
