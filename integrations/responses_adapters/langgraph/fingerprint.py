"""What decides a message's wire form, as bytes: cheap enough to compute for every message on every turn."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any, Final

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

__all__ = ["essence", "fingerprint", "role_of", "without_index"]

_DEVELOPER: Final = "__openai_role__"  # langchain-core's key for the developer role
_CACHE_MARKS: Final = frozenset({"cache_control", "prompt_cache_breakpoint"})
_VOLATILE: Final = _CACHE_MARKS | {"id", "status", "annotations", "logprobs", "index"}
_TEXT_KEYS: Final = _VOLATILE | {"type", "text"}
_CALLS: Final = frozenset({"function_call", "custom_tool_call"})
_ID_IS_CONTENT: Final = frozenset({"item_reference", "image_generation_call"})

# One look-up in place of a chain of `isinstance`, for every message of every turn.
_ROLES: Final[dict[type, str]] = {AIMessage: "assistant", HumanMessage: "user", ToolMessage: "tool"}
_PLAIN: Final = frozenset({"assistant", "user", "system", "developer"})

_encode: Final[Callable[[Any], str]] = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), default=repr
).encode


def fingerprint(message: BaseMessage) -> bytes:
    """The bytes that decide a message's wire form, without building it.

    The same for a string and its one text block, for a streamed and a whole answer, before and after a checkpoint;
    different after any edit of role, text, parts, tool calls or tool output. Item ids, status and annotations are
    left out: servers and front ends change them freely; so are marks of the prompt cache, which move from turn to turn.
    """
    content: Any = message.content
    if not isinstance(content, str):
        content = [*map(essence, content)] or ""
        if len(content) == 1 and isinstance(content[0], str):
            content = content[0]
    role = role_of(message)
    further = _further(message, role)
    # Most messages need no JSON; what starts with one of these words cannot be taken for it.
    if isinstance(content, str) and not further and role in _PLAIN:
        return f"{role} {content}".encode("utf-8", "surrogatepass")
    if isinstance(content, str) and further and role == "tool":
        return f"{role} {further!r} {content}".encode("utf-8", "surrogatepass")
    return _encode([role, content, *further]).encode()


def _further(message: BaseMessage, role: str) -> Sequence[Any]:
    """What decides the wire form beside role and content."""
    if role == "assistant" and isinstance(message, AIMessage):
        further: list[Any] = []
        if message.tool_calls:
            further.append(
                [(call["name"], call["args"], call["id"]) for call in message.tool_calls]
            )
        if message.invalid_tool_calls:
            invalid = [(c["name"], c["args"], c["id"]) for c in message.invalid_tool_calls]
            further.append(["invalid", invalid])
        return further
    if role == "tool" and isinstance(message, ToolMessage):
        return message.tool_call_id, message.additional_kwargs.get("type")
    return ()


def essence(block: Any) -> Any:
    """A content block without what servers and front ends change freely; plain text as a string."""
    if isinstance(block, str):
        return block
    kind = block.get("type")
    if kind == "text" and isinstance(text := block.get("text"), str) and block.keys() <= _TEXT_KEYS:
        return text
    if kind in _CALLS and "call_id" in block:
        return [block["call_id"]]  # what it says on the wire is decided by `tool_calls`
    kept = {
        key: value
        for key, value in block.items()
        if value is not None and (key not in _VOLATILE or (key == "id" and kind in _ID_IS_CONTENT))
    }
    if _CACHE_MARKS & (extras := kept.get("extras") or {}).keys():
        kept["extras"] = {k: v for k, v in extras.items() if k not in _CACHE_MARKS}
        kept = {key: value for key, value in kept.items() if value != {}}
    if kind == "text" and len(kept) == 2 and "text" in kept:
        return kept["text"]
    if kind == "reasoning":
        return without_index(kept)
    return kept


def without_index(block: dict[str, Any]) -> dict[str, Any]:
    """A block without the positions that LangChain adds to merge streamed chunks."""
    clean = {key: value for key, value in block.items() if key != "index"}
    for key in ("summary", "content"):
        parts = clean.get(key)
        if clean.get("type") == "reasoning" and isinstance(parts, list):
            clean[key] = [
                {k: v for k, v in part.items() if k != "index"} if isinstance(part, dict) else part
                for part in parts
            ]
    return clean


def role_of(message: BaseMessage) -> str:
    """The role that a message has on the wire."""
    if (role := _ROLES.get(type(message))) is not None:
        return role
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, AIMessage):
        return "assistant"
    if isinstance(message, SystemMessage):
        kept: str = message.additional_kwargs.get(_DEVELOPER, "system")
        return kept
    if isinstance(message, ChatMessage):
        return message.role
    return message.type
