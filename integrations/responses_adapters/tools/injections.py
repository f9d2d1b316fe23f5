"""What LangGraph fills into a tool's parameters, for tools that run without its `ToolNode` too."""

from __future__ import annotations

import dataclasses
import types
import typing
from collections.abc import Mapping
from typing import Any, Final

from ..errors import ToolConversionError
from .source import ToolContext

__all__ = ["fill", "markers_of"]

_ABSENT: Final[Any] = object()

_ADVICE: Final = (
    "pass the graph's state, or its ToolRuntime, as context=, or run the tool in a ToolNode"
)


def fill(name: str, hint: Any, context: ToolContext[Any]) -> Any:
    """The value of one parameter.

    Args:
        name: The parameter.
        hint: Its annotation.
        context: Its value is a `ToolRuntime`, the graph's state, or a PydanticAI run with the state as dependencies.

    Raises:
        ToolConversionError: The context does not hold what is asked for.
    """
    markers = markers_of(hint)
    if "InjectedState" in markers:
        field = getattr(markers["InjectedState"], "field", None)
        what = "the graph's state" if field is None else f"{field!r} of the graph's state"
        found = _state(field, context.value)
    elif "InjectedStore" in markers:
        what, found = "the graph's store", getattr(context.value, "store", None) or _ABSENT
    elif "InjectedToolCallId" in markers:
        what, found = "the id of the call", context.call_id or _ABSENT
    elif "ToolRuntime" in markers:
        return _runtime(context)
    elif "RunnableConfig" in markers:
        return _config(context.value)
    else:
        return context.value
    if found is _ABSENT:
        raise ToolConversionError(
            f"{context.name}: {name!r} asks for {what}, which is not here; {_ADVICE}"
        )
    return found


def markers_of(hint: Any) -> dict[str, Any]:
    """The classes that mark an annotation, by name, base classes included."""
    if typing.get_origin(hint) in (typing.Union, types.UnionType):
        return {k: v for each in typing.get_args(hint) for k, v in markers_of(each).items()}
    found: dict[str, Any] = {}
    for marker in (typing.get_origin(hint) or hint, *getattr(hint, "__metadata__", ())):
        kind = marker if isinstance(marker, type) else type(marker)
        found |= {base.__name__: marker for base in kind.__mro__}
    return found


def _state(field: str | None, value: Any) -> Any:
    if _is_a("ToolRuntime", value):
        value = value.state
    elif _is_a("RunContext", value):
        value = value.deps
    if isinstance(value, list):  # the messages alone, as for ToolNode
        value = {"messages": value}
    if value is None:
        return _ABSENT
    if field is None:
        return value
    if isinstance(value, Mapping):
        return value.get(field, _ABSENT)
    return getattr(value, field, _ABSENT)


def _runtime(context: ToolContext[Any]) -> Any:
    from langgraph.prebuilt import ToolRuntime

    if isinstance(context.value, ToolRuntime):
        return dataclasses.replace(context.value, tool_call_id=context.call_id)
    return ToolRuntime(
        state=context.value,
        context=None,
        config=_config(None),
        stream_writer=lambda _: None,
        tool_call_id=context.call_id,
        store=getattr(context.value, "store", None),
    )


def _config(value: Any) -> Any:
    from langchain_core.runnables.config import ensure_config

    return value.config if _is_a("ToolRuntime", value) else ensure_config()


def _is_a(name: str, value: Any) -> bool:
    return any(base.__name__ == name for base in type(value).__mro__)
