"""Running tool calls: in parallel within a bound, each with its own time-out, each answered in its place."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ToolError
from .approval import Approve, refusal
from .calls import ToolCall, is_repeat
from .parts import Output, cap, to_output
from .running import run_tool
from .source import InvalidArgumentsError, ToolContext
from .tool import Tool, parse_arguments

__all__ = ["Executor", "OnError"]

_log: Final = logging.getLogger(__name__)

OnError = Callable[[Exception, ToolCall], str | None]
"""Words for a failure, for the model to read; `None` keeps the words it would have had."""


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
            answers.append((call, task if is_repeat(call, first) else clash))
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
        declined = await refusal(self.approve, tool, call, arguments)
        if declined is not None:
            return declined
        context = ToolContext(
            value, call.call_id, tool.original_name, approved=self.approve is not None
        )
        limit = asyncio.timeout(self.timeout)
        try:
            async with limit:
                return to_output(await run_tool(tool, arguments, context))
        except TimeoutError:
            if not limit.expired():
                raise  # the tool's own
            raise ToolError(f"{call.name} did not finish within {self.timeout} seconds.") from None

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


def _output_item(call: ToolCall, output: Output) -> dict[str, Any]:
    kind = "function_call_output" if call.input is None else "custom_tool_call_output"
    return {"type": kind, "call_id": call.call_id, "output": output}
