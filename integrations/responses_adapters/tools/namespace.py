"""Tools under a shared name, which a server with tool search loads only when the model asks for them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from ..errors import ToolConversionError
from .json_schema import Strictness
from .tool import Tool, make_tools

__all__ = ["Namespace", "members"]


class Namespace:
    """A group of tools; put `{"type": "tool_search"}` beside it, and deferred ones cost no tokens until found.

    Args:
        name: What the model sees the group called; its calls carry it as `namespace`.
        description: What the group is for, which is all the model sees of deferred tools at first.
        tools: Function tools of any kind.
        deferred: Whether the definitions are loaded only when searched for (`defer_loading`).
        strict: As for a `Toolbox`.

    Raises:
        ToolConversionError: A tool cannot be converted, or runs on the server.
    """

    def __init__(
        self,
        name: str,
        description: str,
        tools: Iterable[Any],
        *,
        deferred: bool = True,
        strict: Strictness = "auto",
    ) -> None:
        self.name = name
        self.description = description
        self.tools: list[Tool] = []
        for given in tools:
            for tool in make_tools(given, strict=strict):
                if not isinstance(tool, Tool):
                    raise ToolConversionError(f"a namespace holds function tools, not {tool!r:.80}")
                self.tools.append(_deferred(tool) if deferred else tool)

    def definition(self) -> dict[str, Any]:
        """The namespace as servers take it; a new dict each time."""
        return {
            "type": "namespace",
            "name": self.name,
            "description": self.description,
            "tools": [tool.definition() for tool in self.tools],
        }


def _deferred(tool: Tool) -> Tool:
    extra = {**tool.source.extra, "defer_loading": True}
    return replace(tool, source=replace(tool.source, extra=extra))


def members(namespace: Mapping[str, Any]) -> list[Tool]:
    """The function tools of a namespace that was given as a dict; it is sent as it stands, so nothing is widened."""
    found: list[Tool] = []
    for inner in namespace.get("tools", ()):
        if isinstance(inner, Mapping) and inner.get("type") == "function":
            found += [t for t in make_tools(inner, strict=False) if isinstance(t, Tool)]
    return found
