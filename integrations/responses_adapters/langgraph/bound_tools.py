"""The tools that a model offers: their definitions, made once, and the way back for the calls."""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Any, Final, Literal, TypeAlias

from ..errors import ConfigurationError
from ..tools import DecodedCall, Toolbox, clean_name
from .hints import did_you_mean

__all__ = ["BoundTools", "ToolCache", "tool_choice"]

Strictness: TypeAlias = bool | Literal["auto"] | None
_CACHED: Final = 8


class BoundTools:
    """Converted tools.

    Args:
        tools: What `Toolbox` takes.
        strict: As in `ChatResponses.bind_tools`.

    Attributes:
        definitions: The `tools` of each request.
    """

    def __init__(self, tools: Iterable[Any], *, strict: Strictness = None) -> None:
        self._toolbox = Toolbox(tools, strict="auto" if strict is None else strict)
        self.definitions: list[dict[str, Any]] = self._toolbox.definitions

    def decode(self, name: str, arguments: Any) -> DecodedCall:
        """A call in the user's own terms."""
        return self._toolbox.decode_call(name, arguments)

    def is_verbatim(self, name: str) -> bool:
        """Whether a call of this name means the same on the wire and to the user, so that it may go out in parts."""
        tool = self._toolbox.get(name)
        return tool is None or (tool.verbatim and tool.original_name == name)


class ToolCache:
    """The last conversions of one model: agents bind the same tools anew on every turn."""

    def __init__(self) -> None:
        self._entries: deque[tuple[list[Any], Strictness, BoundTools]] = deque(maxlen=_CACHED)

    def bind(self, tools: Iterable[Any], *, strict: Strictness) -> BoundTools:
        """The converted tools, from the last time if they are the same ones."""
        wanted = list(tools)
        for known, how, bound in list(self._entries):
            if how == strict and len(known) == len(wanted) and all(map(_same, known, wanted)):
                return bound
        bound = BoundTools(wanted, strict=strict)
        kept = [copy.deepcopy(tool) if isinstance(tool, dict) else tool for tool in wanted]
        self._entries.append((kept, strict, bound))
        return bound

    def take(self, options: dict[str, Any], *, bound: BoundTools | None) -> BoundTools | None:
        """The tools of one call, out of its options: those given with it, or else the bound ones."""
        tools, strict = options.pop("tools", None), options.pop("strict", None)
        if bound is not None and (tools is None or tools is bound.definitions):
            return bound
        return self.bind(tools, strict=strict) if tools else None


def _same(known: Any, wanted: Any) -> bool:
    return known is wanted or (isinstance(known, dict) and bool(known == wanted))


def tool_choice(choice: Any, tools: Iterable[Mapping[str, Any]]) -> Any:
    """The wire form of a tool choice.

    Raises:
        ConfigurationError: It names no bound tool.
    """
    if isinstance(choice, bool):
        return "required" if choice else "auto"
    if isinstance(choice, str):
        if choice in {"auto", "none", "required"}:
            return choice
        if choice == "any":
            return "required"
        by_name = {tool.get("name"): tool for tool in tools}
        if (tool := by_name.get(clean_name(choice))) is not None:
            return {"type": tool["type"], "name": tool["name"]}
        if any(tool.get("type") == choice for tool in tools):
            return {"type": choice}
        known = ", ".join(str(tool.get("name") or tool.get("type")) for tool in tools) or "none"
        raise ConfigurationError(
            f"tool_choice={choice!r} names no bound tool{did_you_mean(choice, [*filter(None, by_name)])} Bound: {known}"
        )
    if isinstance(choice, Mapping) and isinstance(choice.get("function"), Mapping):
        return {"type": "function", "name": clean_name(choice["function"]["name"])}
    return choice
