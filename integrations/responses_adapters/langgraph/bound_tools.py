"""The tools that a model offers: their definitions, made once, and the way back for the calls."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Literal

from ..errors import ConfigurationError
from ..tools import Toolbox, clean_name
from .hints import did_you_mean

__all__ = ["BoundTools", "tool_choice"]


class BoundTools:
    """Converted tools.

    Args:
        tools: What `Toolbox` takes.
        strict: As in `ChatResponses.bind_tools`.

    Attributes:
        definitions: The `tools` of each request.
        decode: A call in the user's own terms.
    """

    def __init__(
        self, tools: Iterable[Any], *, strict: bool | Literal["auto"] | None = None
    ) -> None:
        self._toolbox = Toolbox(tools, strict="auto" if strict is None else strict)
        self.definitions = self._toolbox.definitions
        self.decode = self._toolbox.decode_call

    def is_verbatim(self, name: str) -> bool:
        """Whether a call of this name means the same on the wire and to the user, so that it may go out in parts."""
        tool = self._toolbox.get(name)
        return tool is None or (tool.verbatim and tool.original_name == name)


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
            f"tool_choice={choice!r} names no bound tool{did_you_mean(choice, filter(None, by_name))} Bound: {known}"
        )
    if isinstance(choice, Mapping) and isinstance(choice.get("function"), Mapping):
        return {"type": "function", "name": clean_name(choice["function"]["name"])}
    return choice
