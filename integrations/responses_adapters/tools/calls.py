"""The function calls of a response."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from .source import InvalidArgumentsError
from .tool import parse_arguments

__all__ = ["ToolCall", "function_calls", "is_repeat"]


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


def is_repeat(call: ToolCall, first: ToolCall) -> bool:
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
