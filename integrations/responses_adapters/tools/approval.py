"""Asking before a call runs."""

from __future__ import annotations

import inspect
import json
import logging
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, Final

from ..errors import ToolError
from .calls import ToolCall
from .running import run_tool
from .source import ToolContext
from .tool import Tool

__all__ = ["Approve", "DeclinedError", "ask_first", "nobody_to_ask", "refusal"]

_log: Final = logging.getLogger(__name__)

Approve = Callable[[ToolCall, dict[str, Any]], bool | str | Awaitable[bool | str]]
"""Whether a call may run, given its decoded arguments; a string refuses it with that reason."""


class DeclinedError(ToolError):
    """A call may not run; `str()` tells the model so."""


async def refusal(
    approve: Approve | None, tool: Tool, call: ToolCall, arguments: dict[str, Any]
) -> str | None:
    """Why a call may not run, for the model to read; `None` where it may."""
    if approve is None:
        if not tool.source.needs_approval:
            return None
        _log.warning("tool %s needs approval: pass approve= to the Toolbox", tool.original_name)
        return nobody_to_ask(tool.original_name)
    verdict = approve(call, arguments)
    if inspect.isawaitable(verdict):
        verdict = await verdict
    if isinstance(verdict, str):
        return f"The call was declined: {verdict}"
    return None if verdict else "The call was declined by the user."


def nobody_to_ask(name: str) -> str:
    """The words for a call that needs approval where nobody gives any."""
    return f"The call was declined: {name} needs approval, and there is nobody to give it."


def ask_first(tool: Tool, wire_name: str, approve: Approve) -> Tool:
    """`tool` for a framework's own loop: each run asks first, and raises `DeclinedError` where it may not."""

    async def run(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        call = ToolCall(context.call_id, wire_name, json.dumps(arguments, default=str))
        declined = await refusal(approve, tool, call, arguments)
        if declined is not None:
            raise DeclinedError(declined)
        return await run_tool(tool, arguments, replace(context, approved=True))

    return tool.with_run(run, is_async=True)
