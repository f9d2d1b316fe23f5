"""A finished response as a LangChain message, every output item kept."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple, TypeAlias

from langchain_core.messages import AIMessage, InvalidToolCall, ToolCall
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import invalid_tool_call, tool_call

from ..protocol.items import Item
from ..tools import DecodedCall, Toolbox
from .replay import CUSTOM_INPUT

__all__ = ["PROVIDER", "Call", "Decode", "blocks_of", "call_of", "to_message"]


Decode: TypeAlias = Callable[[str, Any], DecodedCall]
"""From the name and arguments on the wire to the user's own (tool names, nulls added for strictness)."""

# The `responses/v1` vocabulary; any other item is wrapped, so that no reader drops or misreads it.
_BLOCK_ITEMS: Final = frozenset(
    {
        "apply_patch_call",
        "apply_patch_call_output",
        "code_interpreter_call",
        "compaction",
        "computer_call",
        "custom_tool_call",
        "file_search_call",
        "function_call",
        "image_generation_call",
        "mcp_approval_request",
        "mcp_call",
        "mcp_list_tools",
        "reasoning",
        "tool_search_call",
        "tool_search_output",
        "web_search_call",
    }
)
_PLAIN_METADATA: Final = (
    "id",
    "model",
    "status",
    "created_at",
    "incomplete_details",
    "error",
    "service_tier",
    "metadata",
)
_plain: Final = Toolbox(()).decode_call

PROVIDER: Final = {"model_provider": "openai"}
"""Lets LangChain's `content_blocks` translate our content."""


def to_message(response: Mapping[str, Any], decode: Decode | None = None) -> AIMessage:
    """The message of a finished response, every output item kept in order.

    Args:
        response: The response body.
        decode: Restores the user's names and arguments in `tool_calls`; the raw items stay verbatim.

    Calls whose arguments are not a JSON object become `invalid_tool_calls`.
    """
    content: list[str | dict[Any, Any]] = []
    calls: list[ToolCall] = []
    invalid: list[InvalidToolCall] = []
    for item in response.get("output") or ():
        content.extend(blocks_of(item))
        if (call := call_of(item, decode)) is None:
            continue
        if call.arguments is not None:
            calls.append(tool_call(name=call.name, args=call.arguments, id=call.call_id))
        else:
            invalid.append(
                invalid_tool_call(name=call.name, args=call.text, id=call.call_id, error=call.error)
            )
    return AIMessage(
        content=content,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=_usage(response.get("usage")),
        response_metadata=_metadata(response),
    )


def _metadata(response: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: response[key] for key in _PLAIN_METADATA if response.get(key)}
    return plain | {"model_name": response.get("model"), **PROVIDER}


def _usage(usage: Any) -> UsageMetadata | None:
    """Token counts, under whichever of the two common vocabularies the server uses."""
    if not isinstance(usage, Mapping):
        return None
    read = _number(usage, "input_tokens", "prompt_tokens") or 0
    written = _number(usage, "output_tokens", "completion_tokens") or 0
    total = _number(usage, "total_tokens")
    result = UsageMetadata(
        input_tokens=read,
        output_tokens=written,
        total_tokens=read + written if total is None else total,
    )
    details = usage.get("input_tokens_details") or usage.get("prompt_tokens_details") or {}
    inputs = InputTokenDetails()
    if (cached := _number(details, "cached_tokens")) is not None:
        inputs["cache_read"] = cached
    if (cache_write := _number(details, "cache_write_tokens", "cache_creation_tokens")) is not None:
        inputs["cache_creation"] = cache_write
    if inputs:
        result["input_token_details"] = inputs
    details = usage.get("output_tokens_details") or usage.get("completion_tokens_details") or {}
    if (reasoning := _number(details, "reasoning_tokens")) is not None:
        result["output_token_details"] = OutputTokenDetails(reasoning=reasoning)
    return result


def _number(record: Mapping[str, Any], *names: str) -> int | None:
    for name in names:
        if isinstance(value := record.get(name), int | float):
            return int(value)
    return None


def blocks_of(item: Item) -> list[Item]:
    """The content blocks of one output item; `messages.to_items` is the way back."""
    kind = item.get("type")
    if kind == "message" and item.get("role", "assistant") == "assistant" and item.get("content"):
        return _messageblocks_of(item)
    if kind == "reasoning":
        return [_reasoning_block(item)]
    if kind in _BLOCK_ITEMS:
        return [dict(item)]
    return [{"type": "non_standard", "value": item}]


def _messageblocks_of(item: Item) -> list[Item]:
    shared: Item = {key: item[key] for key in ("id", "status", "phase") if key in item}
    standard = {"type", "role", "content", *shared}
    if extras := {key: value for key, value in item.items() if key not in standard}:
        shared["extras"] = extras
    content = item["content"]
    parts = [{"type": "output_text", "text": content}] if isinstance(content, str) else content
    blocks: list[Item] = []
    for part in parts:
        if part.get("type") == "output_text":
            blocks.append({**part, "type": "text", **shared})
        elif part.get("type") == "refusal":
            blocks.append({**part, **shared})
        else:
            blocks.append({"type": "non_standard", "value": part, "part_of": item.get("id")})
    return blocks


def _reasoning_block(item: Item) -> Item:
    """Raw reasoning text goes where LangChain looks for it; the first part only, which is where servers put it."""
    block = dict(item)
    first, *others = item.get("content") or [{}]
    if first.keys() == {"type", "text"} and first["type"] == "reasoning_text":
        block["reasoning"] = first["text"]
        block["content"] = others
        if not others:
            del block["content"]
    return block


class Call(NamedTuple):
    """A call for the client to run; `arguments` is `None` where `error` says why they are none."""

    call_id: str | None
    name: str
    text: str
    arguments: dict[str, Any] | None
    error: str | None = None


def call_of(item: Item, decode: Decode | None) -> Call | None:
    """The call that an output item stands for, `None` if it is not one for the client to run."""
    kind = item.get("type")
    call_id = item.get("call_id") or item.get("id")
    name = item.get("name") or ""
    if kind == "custom_tool_call":
        text = item.get("input") or ""
        return Call(call_id, name, text, {CUSTOM_INPUT: text})
    if kind != "function_call":
        return None
    raw = item.get("arguments")
    text = raw if isinstance(raw, str) else json.dumps(raw or {})
    call = (decode or _plain)(name, text)
    return Call(call_id, call.name, text, call.arguments, call.error)
