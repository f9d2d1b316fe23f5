"""One create request in the form that a server takes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from ...profiles import ServerProfile
from .items import Json, is_invented
from .outputs import text_outputs

__all__ = ["ENCRYPTED", "has_no_effect", "normalize_request"]

ENCRYPTED: Final = "reasoning.encrypted_content"

_INERT: Final[Mapping[str, tuple[object, ...]]] = {
    "background": (False,),
    "parallel_tool_calls": (True,),
    "service_tier": ("auto",),
    "store": (True,),
    "stream": (False,),
    "tool_choice": ("auto",),
    "top_logprobs": (0,),
    "truncation": ("auto", "disabled"),
}
"""Parameters that change nothing at these values, so a server that refuses them never needs to see them."""

_HINTS: Final = frozenset(
    {"prompt_cache_key", "prompt_cache_retention", "safety_identifier", "stream_options", "user"}
)
"""Parameters that no answer depends on, whatever their value."""

_DEMANDED: Final = {"instructions": "Answer.", "store": False, "stream": True}
"""What is sent for a parameter that a server must have."""


def normalize_request(body: Json, profile: ServerProfile) -> Json:
    """The request as this server takes it; the same object if nothing has to change.

    Translates what has an equivalent and leaves out what has no effect. What would change the meaning stays, for
    the server to refuse.
    """
    fixed = {key: value for key, value in body.items() if not _may_go(key, value, profile)}
    if isinstance(body.get("input"), list):
        fixed["input"] = text_outputs([_item(item, profile) for item in body["input"]], profile)
        if profile.encrypted_reasoning == "always":
            _put_reasoning_first(fixed["input"])
    if "instructions" in profile.refuses and body.get("instructions"):
        _lift(fixed)
    if isinstance(body.get("include"), list):
        _include(fixed, profile)
    if isinstance(body.get("reasoning"), Mapping) and profile.reasoning_summary != "summary":
        renamed = dict(body["reasoning"])
        if (summary := renamed.pop("summary", None)) is not None:
            renamed[profile.reasoning_summary] = summary
        fixed["reasoning"] = renamed
    if isinstance(body.get("metadata"), Mapping):
        fixed["metadata"] = {
            key: value if isinstance(value, str) else _as_text(value)
            for key, value in body["metadata"].items()
        }
    if profile.conversation == "object" and isinstance(body.get("conversation"), str):
        fixed["conversation"] = {"id": body["conversation"]}
    if not profile.strict and isinstance(body.get("tools"), list):
        fixed["tools"] = [_without(tool, "strict") for tool in body["tools"]]
    for name in profile.demands:
        if name != "instructions" or not body.get(name):
            fixed[name] = _DEMANDED[name]
    if not profile.streams:
        fixed.pop("stream", None)
        fixed.pop("stream_options", None)
    return body if fixed == body else fixed


def has_no_effect(name: str, value: object) -> bool:
    """Whether a request says the same without this parameter."""
    return value is None or name in _HINTS or value in _INERT.get(name, ())


def _may_go(name: str, value: object, profile: ServerProfile) -> bool:
    if name == "store" and profile.store == "always":
        return True
    return name in profile.refuses and has_no_effect(name, value)


def _put_reasoning_first(items: list[Any]) -> None:
    """Reasoning that a stream told of only at its end goes back before the message that it led to."""
    kinds = [_kind(item) for item in items]
    for place in range(1, len(items)):
        follows = kinds[place - 1 : place + 1] == ["assistant", "reasoning"]
        if follows and kinds[place + 1 : place + 2] not in (["assistant"], ["function_call"]):
            items[place - 1 : place + 1] = items[place], items[place - 1]


def _kind(item: Any) -> Any:
    """The type of an item, of a message its role."""
    return (item.get("role") or item.get("type")) if isinstance(item, Mapping) else None


def _lift(fixed: Json) -> None:
    """Instructions become the leading system message."""
    instructions = fixed.pop("instructions")
    given = fixed.get("input") or []
    if isinstance(given, str):
        given = [{"type": "message", "role": "user", "content": given}]
    system = {"type": "message", "role": "system", "content": instructions}
    fixed["input"] = [system, *given]


def _include(fixed: Json, profile: ServerProfile) -> None:
    """Encrypted reasoning is not asked for where it comes unasked or never."""
    if profile.encrypted_reasoning in {"on_request", "by_model"}:
        return
    include = [name for name in fixed["include"] if name != ENCRYPTED]
    if include:
        fixed["include"] = include
    else:
        del fixed["include"]


def _item(item: Any, profile: ServerProfile) -> Any:
    if not isinstance(item, Mapping):
        return item
    fixed = dict(item)
    if is_invented(item.get("id")):
        del fixed["id"]
    elif profile.store == "never" and item.get("type") in {"message", "function_call"}:
        fixed.pop("id", None)  # an id that was never stored cannot be looked up
    if item.get("type") == "reasoning":
        if _mirrored(item):
            fixed["summary"] = []
        if profile.encrypted_reasoning == "never" and item.get("encrypted_content", "") is None:
            del fixed["encrypted_content"]  # the server did not say so either
    if profile.input_items == "typed":
        if "type" not in item and "role" in item:
            fixed = {"type": "message", **fixed}
        if item.get("role") == "assistant" and isinstance(item.get("content"), str):
            fixed["content"] = [{"type": "output_text", "text": item["content"], "annotations": []}]
    return fixed


def _mirrored(item: Mapping[str, Any]) -> bool:
    """Whether the summary is the repetition of the raw reasoning that `normalize_item` made."""
    summary = [part.get("text") for part in item.get("summary") or ()]
    return bool(summary) and summary == [part.get("text") for part in item.get("content") or ()]


def _as_text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _without(tool: Any, key: str) -> Any:
    if not isinstance(tool, Mapping):
        return tool
    return {name: value for name, value in tool.items() if name != key}
