"""Responses as LangChain messages: one answer as a whole, or as the chunks of a stream with the same sum."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple, Protocol

from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.messages.ai import InputTokenDetails, OutputTokenDetails, UsageMetadata
from langchain_core.messages.tool import (
    InvalidToolCall,
    ToolCall,
    ToolCallChunk,
    invalid_tool_call,
    tool_call,
    tool_call_chunk,
)
from langchain_core.utils.json import parse_partial_json

from ..protocol.items import Item
from .messages import CUSTOM_INPUT

__all__ = ["AnswerStream", "Decode", "DecodedCall", "to_message"]


class DecodedCall(Protocol):
    """A call as the user's tool is to see it; `arguments` is `None` where `error` says why."""

    @property
    def name(self) -> str: ...
    @property
    def arguments(self) -> dict[str, Any] | None: ...
    @property
    def error(self) -> str | None: ...


Decode = Callable[[str, str], DecodedCall]
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
_PROVIDER: Final = {"model_provider": "openai"}  # lets `content_blocks` translate our content


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
        content.extend(_blocks(item))
        if (call := _call_of(item, decode)) is None:
            continue
        if call["type"] == "tool_call":
            calls.append(call)
        else:
            invalid.append(call)
    return AIMessage(
        content=content,
        tool_calls=calls,
        invalid_tool_calls=invalid,
        usage_metadata=_usage(response.get("usage")),
        response_metadata=_metadata(response),
    )


def _metadata(response: Mapping[str, Any]) -> dict[str, Any]:
    plain = {key: response[key] for key in _PLAIN_METADATA if response.get(key)}
    return plain | {"model_name": response.get("model"), **_PROVIDER}


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


def _blocks(item: Item) -> list[Item]:
    """The content blocks of one output item; `messages.to_items` is the way back."""
    kind = item.get("type")
    if kind == "message" and item.get("role", "assistant") == "assistant" and item.get("content"):
        return _message_blocks(item)
    if kind == "reasoning":
        return [_reasoning_block(item)]
    if kind in _BLOCK_ITEMS:
        return [dict(item)]
    return [{"type": "non_standard", "value": item}]


def _message_blocks(item: Item) -> list[Item]:
    shared = {key: item[key] for key in ("id", "status", "phase") if key in item}
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
    parts = item.get("content")
    if isinstance(parts, list) and parts and parts[0].keys() == {"type", "text"}:
        if parts[0]["type"] == "reasoning_text":
            block["reasoning"] = parts[0]["text"]
            block["content"] = parts[1:]
            if not block["content"]:
                del block["content"]
    return block


def _call_of(item: Item, decode: Decode | None) -> ToolCall | InvalidToolCall | None:
    kind = item.get("type")
    call_id = item.get("call_id") or item.get("id")
    if kind == "custom_tool_call":
        arguments = {CUSTOM_INPUT: item.get("input", "")}
        return tool_call(name=item.get("name", ""), args=arguments, id=call_id)
    if kind != "function_call":
        return None
    raw = item.get("arguments")
    text = raw if isinstance(raw, str) else json.dumps(raw or {})
    call = (decode or _parse)(item.get("name") or "", text)
    if call.arguments is not None:
        return tool_call(name=call.name, args=call.arguments, id=call_id)
    return invalid_tool_call(name=call.name, args=text, id=call_id, error=call.error)


class _Parsed(NamedTuple):
    name: str
    arguments: dict[str, Any] | None = None
    error: str | None = None


def _parse(name: str, text: str) -> DecodedCall:
    try:
        arguments = json.loads(text, strict=False) if text.strip() else {}
    except ValueError as error:
        return _Parsed(name, error=f"the arguments are not JSON: {error}")
    if not isinstance(arguments, dict):
        return _Parsed(name, error="the arguments are not a JSON object")
    return _Parsed(name, arguments)


class AnswerStream:
    """Turns the events of one response into chunks whose sum is the message of the finished response.

    Deltas go out as they come. Whatever they did not say (ids, encrypted reasoning, whole items of servers that
    stream sparsely) follows when the item, and at last the response, is done: always the difference, never twice.

    Args:
        decode: As in `to_message`. Where it changes a call, that call goes out whole instead of in deltas.
        streams_arguments: Whether a call of this name may go out in deltas.
    """

    def __init__(
        self,
        decode: Decode | None = None,
        *,
        streams_arguments: Callable[[str], bool] = lambda _: True,
    ) -> None:
        self._decode = decode
        self._streams_arguments = streams_arguments
        self._slots: list[_Slot] = []
        self._by_id: dict[str, _Slot] = {}
        self._by_index: dict[int, _Slot] = {}
        self._next_index = 0

    def push(self, event: Mapping[str, Any]) -> AIMessageChunk | None:
        """The chunk that an event is worth, if any."""
        kind = event["type"]
        if (delta := _DELTAS.get(kind)) is not None:
            return self._delta(delta, event)
        if kind == "response.output_item.added":
            slot = self._slot(event)
            if event["item"].get("type") == "function_call" and not slot.blocks:
                call = event["item"]
                return self._difference(
                    slot,
                    {key: call[key] for key in ("type", "call_id", "name", "id") if key in call},
                )
        elif kind == "response.output_item.done":
            return self._difference(self._slot(event), event["item"], done=True)
        return None

    def finish(self, message: AIMessage, output: Iterable[Item]) -> AIMessageChunk:
        """The last chunk: what was not streamed, usage and metadata.

        Args:
            message: `to_message` of the finished response, stamped.
            output: The response's output items.
        """
        rest: list[str | dict[Any, Any]] = []
        calls: list[ToolCallChunk] = []
        unmatched = list(self._slots)
        for position, item in enumerate(output):
            slot = self._match(item, position, unmatched)
            if (chunk := self._difference(slot, item, done=True)) is not None:
                rest.extend(chunk.content)
                calls.extend(chunk.tool_call_chunks)
        return AIMessageChunk(
            content=rest,
            tool_call_chunks=calls,
            usage_metadata=message.usage_metadata,
            response_metadata=message.response_metadata,
            chunk_position="last",
        )

    def _delta(self, delta: _Delta, event: Mapping[str, Any]) -> AIMessageChunk | None:
        text = event.get("delta")
        part = event.get(delta.position) or 0
        if not text or (delta.only_first and part):
            return None
        slot = self._slot(event)
        block = self._block(slot, 0 if delta.whole_item else part)
        block.grow(delta, part, text)
        content = delta.content(part, text, block.index)
        calls: list[ToolCallChunk] = []
        if delta.key == "arguments" and slot.call_open:
            calls.append(tool_call_chunk(args=text, index=block.index))
        return AIMessageChunk(
            content=[content], tool_call_chunks=calls, response_metadata=dict(_PROVIDER)
        )

    def _difference(self, slot: _Slot, item: Item, *, done: bool = False) -> AIMessageChunk | None:
        content: list[str | dict[Any, Any]] = []
        for part, want in enumerate(_blocks(item)):
            block = self._block(slot, part)
            if rest := block.rest(want):
                content.append({"type": want["type"], **rest, "index": block.index})
        calls = list(self._call_chunks(slot, item, done=done))
        if not content and not calls:
            return None
        return AIMessageChunk(
            content=content, tool_call_chunks=calls, response_metadata=dict(_PROVIDER)
        )

    def _call_chunks(self, slot: _Slot, item: Item, *, done: bool) -> Iterator[ToolCallChunk]:
        kind = item.get("type")
        if kind not in {"function_call", "custom_tool_call"} or slot.call_done:
            return
        index = slot.blocks[0].index
        if not done:
            if self._streams_arguments(item.get("name") or ""):
                slot.call_open = True
                yield tool_call_chunk(
                    name=item.get("name"), args="", id=item.get("call_id"), index=index
                )
            return
        slot.call_done = True
        call = _call_of(item, self._decode)
        assert call is not None
        if slot.call_open:
            sent = slot.arguments
            text = item.get("arguments") or ""
            rest = text[len(sent) :] if text.startswith(sent) else ""
            if call["type"] == "invalid_tool_call":
                rest += _spoiler(sent + rest)
            if rest:
                yield tool_call_chunk(args=rest, index=index)
        elif call["type"] == "tool_call":
            yield tool_call_chunk(
                name=call["name"], args=json.dumps(call["args"]), id=call["id"], index=index
            )
        else:
            text = call["args"] or ""
            yield tool_call_chunk(
                name=call["name"], args=text + _spoiler(text), id=call["id"], index=index
            )

    def _slot(self, event: Mapping[str, Any]) -> _Slot:
        """The item an event is about: by id, which is stable, else by position, else the newest."""
        item_id = event.get("item_id") or (event.get("item") or {}).get("id")
        index = event.get("output_index")
        if item_id in self._by_id:
            return self._by_id[item_id]
        if index is not None and (known := self._by_index.get(index)) is not None:
            if known.item_id is None or item_id is None:
                return known
        elif index is None and item_id is None and self._slots and "item" not in event:
            return self._slots[-1]
        slot = _Slot(item_id)
        self._slots.append(slot)
        if item_id is not None:
            self._by_id[item_id] = slot
        if index is not None:
            self._by_index[index] = slot
        return slot

    def _match(self, item: Item, position: int, unmatched: list[_Slot]) -> _Slot:
        """The streamed item that a final one completes; the final list may be shorter or shifted."""
        found = self._by_id.get(item.get("id", ""))
        if found is None:
            candidate = self._by_index.get(position)
            same = candidate is not None and candidate.kind in {None, item.get("type")}
            found = candidate if same and candidate in unmatched else None
        if found is None:
            found = next(
                (s for s in unmatched if s.kind == item.get("type") and not s.item_id), None
            )
        if found is None:
            return _Slot(item.get("id"))
        if found in unmatched:
            unmatched.remove(found)
        return found

    def _block(self, slot: _Slot, part: int) -> _Block:
        block = slot.blocks.get(part)
        if block is None:
            block = slot.blocks[part] = _Block(self._next_index)
            self._next_index += 1
        return block


class _Slot:
    """One output item on its way."""

    __slots__ = ("blocks", "call_done", "call_open", "item_id")

    def __init__(self, item_id: str | None) -> None:
        self.item_id = item_id
        self.blocks: dict[int, _Block] = {}
        self.call_open = False
        self.call_done = False

    @property
    def kind(self) -> str | None:
        if not self.blocks:
            return None
        kind = self.blocks[0].have.get("type")
        return "message" if kind in {"text", "refusal"} else kind

    @property
    def arguments(self) -> str:
        text: str = self.blocks[0].settled().get("arguments", "")
        return text


class _Delta(NamedTuple):
    """Where the text of a delta event goes in a content block."""

    block: str
    key: str
    position: str = "content_index"
    whole_item: bool = False  # the block stands for the item, not for one of its parts
    only_first: bool = False  # later parts come whole, with the item

    def content(self, part: int, text: str, index: int) -> Item:
        if self.key == "summary":
            value: Any = [{"type": "summary_text", "text": text, "index": part}]
        else:
            value = text
        return {"type": self.block, self.key: value, "index": index}


_RAW_REASONING: Final = _Delta("reasoning", "reasoning", whole_item=True, only_first=True)
_DELTAS: Final[dict[str, _Delta]] = {
    "response.output_text.delta": _Delta("text", "text"),
    "response.refusal.delta": _Delta("refusal", "refusal"),
    "response.reasoning_summary_text.delta": _Delta(
        "reasoning", "summary", position="summary_index", whole_item=True
    ),
    "response.reasoning_text.delta": _RAW_REASONING,
    "response.reasoning.delta": _RAW_REASONING,  # Open Responses' name
    "response.function_call_arguments.delta": _Delta("function_call", "arguments", whole_item=True),
}


class _Block:
    """What has been said of one content block so far."""

    __slots__ = ("_pieces", "have", "index")

    def __init__(self, index: int) -> None:
        self.index = index
        self.have: Item = {}
        self._pieces: dict[tuple[str, int], list[str]] = {}

    def grow(self, delta: _Delta, part: int, text: str) -> None:
        self.have.setdefault("type", delta.block)
        key = (delta.key, part if delta.key == "summary" else 0)
        self._pieces.setdefault(key, []).append(text)

    def settled(self) -> Item:
        """Everything said, the pieces of deltas joined."""
        for (key, part), pieces in sorted(self._pieces.items()):
            text = "".join(pieces)
            if key == "summary":
                parts = self.have.setdefault(key, [])
                if len(parts) <= part:
                    parts.append({"type": "summary_text", "text": ""})
                parts[min(part, len(parts) - 1)]["text"] += text
            else:
                self.have[key] = self.have.get(key, "") + text
        self._pieces.clear()
        return self.have

    def rest(self, want: Item) -> Item:
        """What is still to be said for `want`, which counts as said from now on."""
        return _rest(want, self.settled())


def _rest(want: Item, have: Item) -> Item:
    rest: Item = {}
    for key, value in want.items():
        if key not in have:
            rest[key] = value
            have[key] = copy.deepcopy(value)  # it grows apart from the event it came with
            continue
        said = have[key]
        if said == value:
            continue
        if isinstance(value, str) and isinstance(said, str):
            if value.startswith(said):
                rest[key] = value[len(said) :]
                have[key] = value
        elif isinstance(value, dict) and isinstance(said, dict):
            if deeper := _rest(value, said):
                rest[key] = deeper
        elif isinstance(value, list) and isinstance(said, list):
            if more := _rest_of_list(value, said):
                rest[key] = more
    return rest


def _rest_of_list(want: list[Any], have: list[Any]) -> list[Any]:
    more: list[Any] = []
    for position, value in enumerate(want):
        if position >= len(have):
            have.append(copy.deepcopy(value))
            more.append(value)
        elif isinstance(value, dict) and isinstance(have[position], dict):
            if deeper := _rest(value, have[position]):
                more.append({**deeper, "index": position})
    return more


def _spoiler(arguments: str) -> str:
    """What to append so that LangChain, which completes cut JSON when it merges chunks, cannot run a cut call."""
    for suffix in ("", "]", '"]', '\\"]'):
        try:
            if not isinstance(parse_partial_json(arguments + suffix), dict):
                return suffix
        except ValueError:
            return suffix
    return ""
