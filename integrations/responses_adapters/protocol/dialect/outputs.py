"""Pictures and files in the outputs of tools, for servers that take text there and nothing else."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ...profiles import ServerProfile
from .items import Json

__all__ = ["inexpressible_parts", "text_outputs"]

_OUTPUTS: Final = frozenset({"function_call_output", "custom_tool_call_output"})
_TEXTS: Final = frozenset({"input_text", "output_text", "text"})
_MEDIA: Final = frozenset({"input_audio", "input_file", "input_image"})


def text_outputs(items: list[Any], profile: ServerProfile) -> list[Any]:
    """The same items, each tool output a string, its pictures and files in a user message behind the outputs.

    An output with a part that the server does not take in messages either stays as it is.
    """
    if profile.tool_output == "parts":
        return items
    fixed: list[Any] = []
    moved: list[Json] = []
    for item in items:
        if moved and not _is_output(item):
            fixed.append(_message(moved))
            moved = []
        if _is_output(item) and isinstance(item["output"], list):
            media = [part for part in item["output"] if part.get("type") not in _TEXTS]
            if all(part.get("type") in profile.message_parts for part in media):
                fixed.append({**item, "output": _text(item["output"])})
                moved += _labelled(media, item)
                continue
        fixed.append(item)
    return [*fixed, _message(moved)] if moved else fixed


def inexpressible_parts(items: list[Any], profile: ServerProfile) -> Iterator[tuple[Json, str]]:
    """Each item that holds a part that the server takes nowhere, and the type of that part."""
    for item in items:
        if not isinstance(item, Mapping):
            continue
        held = item.get("output") if _is_output(item) else item.get("content")
        for part in held if isinstance(held, list) else ():
            kind = part.get("type") if isinstance(part, Mapping) else None
            if kind in _MEDIA and kind not in profile.message_parts:
                yield dict(item), str(kind)


def _is_output(item: Any) -> bool:
    return isinstance(item, Mapping) and item.get("type") in _OUTPUTS


def _text(parts: list[Json]) -> str:
    """The text of an output, with a word for each part that is moved."""
    return "\n".join(
        part.get("text", "")
        if part.get("type") in _TEXTS
        else f"({_noun(part)}: in the message after the outputs)"
        for part in parts
    )


def _labelled(media: list[Json], output: Mapping[str, Any]) -> list[Json]:
    if not media:
        return []
    label = f"From the output of the call {output.get('call_id')}:"
    return [{"type": "input_text", "text": label}, *media]


def _noun(part: Json) -> str:
    return str(part.get("type", "part")).removeprefix("input_")


def _message(parts: list[Json]) -> Json:
    return {"type": "message", "role": "user", "content": parts}
