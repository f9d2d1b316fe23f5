"""One output item in canonical form."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

__all__ = [
    "ANY_READER",
    "EXTENSION",
    "ITEM_TYPES",
    "Json",
    "Reader",
    "is_invented",
    "normalize_item",
]

Json: TypeAlias = dict[str, Any]

EXTENSION: Final = "responses_adapters"
"""Key under which a response keeps what has no canonical place."""

ITEM_TYPES: Final = frozenset(
    """
    additional_tools apply_patch_call apply_patch_call_output code_interpreter_call compaction computer_call
    computer_call_output custom_tool_call custom_tool_call_output file_search_call function_call
    function_call_output image_generation_call local_shell_call local_shell_call_output mcp_approval_request
    mcp_approval_response mcp_call mcp_list_tools message program program_output reasoning shell_call
    shell_call_output tool_search_call tool_search_output web_search_call
    """.split()  # noqa: SIM905 - a list would take a line for each
)
"""Item types of the API; OpenAI's SDK takes any other for a message."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Reader:
    """What the client makes of an answer.

    Attributes:
        item_types: Item types it understands; others are kept under `EXTENSION`.
        mirror_reasoning: Repeat raw reasoning as a summary, because it shows only summaries.
    """

    item_types: frozenset[str] = ITEM_TYPES
    mirror_reasoning: bool = False


ANY_READER: Final = Reader()
"""A client that understands the whole API."""

_PREFIX: Final = {"function_call": "fc", "message": "msg", "reasoning": "rs"}
_INVENTED: Final = "_invented_"


def is_invented(identifier: object) -> bool:
    """Whether we made this id up, so that it must never be sent."""
    return isinstance(identifier, str) and _INVENTED in identifier


def normalize_item(
    item: object, index: int, reader: Reader, *, response_id: str = ""
) -> Json | None:
    """The item in canonical form, or `None` if its type has none that the client understands.

    Args:
        item: What the server sent.
        index: Its place in `output`; an invented id is unique within its response only.
        reader: The client.
        response_id: Makes an invented `call_id` unique in the conversation.
    """
    if not isinstance(item, Mapping):
        return None
    kind = item.get("type") or _guess_type(item)
    if not isinstance(kind, str) or kind not in reader.item_types:
        return None
    fixed: Json = {**item, "type": kind}
    if kind in _PREFIX and not fixed.get("id"):
        fixed["id"] = f"{_PREFIX[kind]}{_INVENTED}{index}"
    if kind == "message":
        fixed["content"] = _content(item.get("content"))
        fixed.setdefault("role", "assistant")
        fixed.setdefault("status", "completed")
    elif kind == "function_call":
        if not isinstance(item.get("arguments"), str):
            fixed["arguments"] = json.dumps(item.get("arguments") or {}, ensure_ascii=False)
        if not item.get("call_id"):
            fixed["call_id"] = item.get("id") or f"call{_INVENTED}{response_id}_{index}"
    elif kind == "reasoning":
        fixed["summary"] = _texts(item.get("summary"), "summary_text")
        if item.get("content") is not None:
            fixed["content"] = _texts(item.get("content"), "reasoning_text")
        if reader.mirror_reasoning and not fixed["summary"]:
            fixed["summary"] = [
                {"type": "summary_text", "text": part["text"]}
                for part in fixed.get("content") or ()
                if part.get("text")
            ]
    return fixed


def _guess_type(item: Mapping[str, Any]) -> str | None:
    if "role" in item:
        return "message"
    return "function_call" if "arguments" in item and "name" in item else None


def _content(content: object) -> list[Any]:
    if isinstance(content, str):
        return [{"type": "output_text", "text": content, "annotations": []}] if content else []
    return [_part(part) for part in content] if isinstance(content, list) else []


def _part(part: object) -> object:
    if isinstance(part, str):
        return {"type": "output_text", "text": part, "annotations": []}
    if not isinstance(part, Mapping):
        return {"type": "output_text", "text": str(part), "annotations": []}
    kind = "output_text" if part.get("type", "text") == "text" else part["type"]
    if kind == "output_text" and not isinstance(part.get("annotations"), list):
        return {**part, "type": kind, "annotations": []}
    return {**part, "type": kind}


def _texts(texts: object, kind: str) -> list[Json]:
    if isinstance(texts, str):
        texts = [texts] if texts else []
    if not isinstance(texts, list):
        return []
    return [
        {**text, "type": kind if text.get("type", "text") == "text" else text["type"]}
        if isinstance(text, Mapping)
        else {"type": kind, "text": str(text)}
        for text in texts
    ]
