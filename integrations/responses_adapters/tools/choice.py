"""`tool_choice`: which tools the model may or must call this turn."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from ..errors import ToolConversionError
from ..profiles import ServerProfile
from .names import clean_name

__all__ = ["ChoiceMode", "choose", "restrict"]

ChoiceMode = Literal["auto", "required"]

_MODES = ("auto", "none", "required")
_LABELS = ("name", "server_label", "type")


def choose(
    definitions: Sequence[Mapping[str, Any]], choice: str | Sequence[str], mode: ChoiceMode
) -> str | dict[str, Any]:
    """The `tool_choice` of a request.

    Args:
        definitions: The request's tools.
        choice: `"auto"`, `"none"`, `"required"`, one tool, or several. A tool is called by its name on either side,
            a hosted one by its `name`, `server_label` or `type`.
        mode: Whether one of several must be called.

    Raises:
        ToolConversionError: There is no such tool.
    """
    if isinstance(choice, str):
        known = {_label(definition) for definition in definitions}
        if choice in _MODES and choice not in known:
            return choice
        return _pointer(_find(definitions, choice))
    pointers = [_pointer(_find(definitions, name)) for name in choice]
    return {"type": "allowed_tools", "mode": mode, "tools": pointers}


def restrict(
    definitions: list[dict[str, Any]],
    choice: str | Sequence[str],
    mode: ChoiceMode,
    server: ServerProfile | None,
) -> dict[str, Any]:
    """`tools` and `tool_choice` of a request; where the server would not enforce a selection, only it is sent."""
    chosen = choose(definitions, choice, mode)
    if isinstance(choice, str) or server is None or server.allowed_tools:
        return {"tools": definitions, "tool_choice": chosen}
    selected = [_find(definitions, name) for name in choice]
    kept = [definition for definition in definitions if definition in selected]
    return {"tools": kept, "tool_choice": mode}


def _label(definition: Mapping[str, Any]) -> str:
    return next(str(definition[key]) for key in _LABELS if key in definition)


def _find(definitions: Sequence[Mapping[str, Any]], name: str) -> Mapping[str, Any]:
    for wanted in (name, clean_name(name)):
        for definition in definitions:
            if any(definition.get(key) == wanted for key in _LABELS):
                return definition
    labels = [_label(definition) for definition in definitions]
    near = difflib.get_close_matches(name, labels, n=1)
    hint = f" Did you mean {near[0]!r}?" if near else ""
    raise ToolConversionError(
        f"there is no tool {name!r} to choose.{hint} The tools are {', '.join(labels) or 'none'}"
    )


def _pointer(definition: Mapping[str, Any]) -> dict[str, Any]:
    keys = ("type", "name", "server_label")
    return {key: definition[key] for key in keys if key in definition}
