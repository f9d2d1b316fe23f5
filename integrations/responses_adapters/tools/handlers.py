"""A function for a tool that is only a definition."""

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from .callables import is_async_callable
from .source import InvalidArgumentsError, ToolContext
from .tool import Tool

__all__ = ["run_handler"]


def run_handler(tool: Tool, handler: Callable[..., Any]) -> Tool:
    """`tool`, run by `handler(**arguments)` once the arguments fit the tool's own schema.

    A type's tool hands its handler the validated object instead. A parameter annotated with `ToolContext` is
    filled in.
    """
    context_name = _context_parameter(handler)
    validate = tool.source.run

    def run(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        injected = {} if context_name is None else {context_name: context}
        if validate is not None and tool.source.is_type:
            return handler(validate(arguments, context), **injected)
        problem = tool.wire.problem(arguments)
        if problem is not None:
            raise InvalidArgumentsError(problem)
        return handler(**arguments, **injected)

    return tool.with_run(run, is_async=is_async_callable(handler))


def _context_parameter(handler: Callable[..., Any]) -> str | None:
    try:
        hints = typing.get_type_hints(handler)
    except (NameError, TypeError, AttributeError):  # one that cannot be resolved hides them all
        hints = getattr(handler, "__annotations__", {})
    return next((n for n, hint in hints.items() if n != "return" and _is_context(hint)), None)


def _is_context(hint: Any) -> bool:
    if isinstance(hint, str):
        return hint.partition("[")[0].rpartition(".")[2] == ToolContext.__name__
    return (typing.get_origin(hint) or hint) is ToolContext
