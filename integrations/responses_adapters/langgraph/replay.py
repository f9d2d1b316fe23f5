"""Answers back into the items they came from: the server's own wherever they still say what the message says."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from langchain_core.messages import AIMessage

from ..errors import ConfigurationError
from ..protocol.items import Item
from ..tools import clean_name
from .fingerprint import without_index
from .parts import input_part, is_item_type
from .standard import as_sent

__all__ = ["CUSTOM_INPUT", "STAMP", "answer_items"]

STAMP: Final = "responses"
"""Key of an answer's stamp in its `response_metadata`."""

CUSTOM_INPUT: Final = "__arg1"
"""The argument that holds a custom tool's free text in `tool_calls` (LangChain's convention)."""

_TEXT_BLOCKS: Final = frozenset({"text", "output_text", "refusal"})
_CALL_BLOCKS: Final = frozenset({"function_call", "custom_tool_call"})
_PICTURES: Final = frozenset({"image", "image_url"})
_MESSAGE_KEYS: Final = ("id", "status", "phase")
_NO_PART_KEYS: Final = frozenset({*_MESSAGE_KEYS, "type", "extras", "index"})
_PART_KEYS: Final = frozenset({"text", "refusal", "annotations", "logprobs"})
"""All that the API has; other providers, and LangChain, have further ones."""

_WIRE_ANNOTATIONS: Final = frozenset(
    {"file_citation", "url_citation", "container_file_citation", "file_path"}
)


def answer_items(message: AIMessage) -> list[Item]:
    """The items of an answer, of whatever provider it is.

    What is another provider's bookkeeping (thinking, `tool_use`, `server_tool_call` …) has no meaning on the wire
    and is left out; its text, pictures and tool calls are kept.
    """
    return list(_Answer(as_sent(message)).items())


class _Answer:
    """The items of one AIMessage: its blocks in order, its `tool_calls` where they were edited."""

    def __init__(self, message: AIMessage) -> None:
        self._message = message
        metadata = message.response_metadata
        self._ours = STAMP in metadata or metadata.get("model_provider") == "openai"
        self._v1 = metadata.get("output_version") == "v1"
        self._calls = {call["id"]: call for call in message.tool_calls}
        self._invalid = {call["id"]: call for call in message.invalid_tool_calls}
        self._open: tuple[Any, Item] | None = None  # id and item of the message being collected
        self._thought: Item | None = None  # the reasoning item being collected

    def items(self) -> Iterator[Item]:
        content = self._message.content
        blocks = [content] if isinstance(content, str) else content
        for block in blocks:
            if block:
                yield from self._block(
                    {"type": "text", "text": block} if isinstance(block, str) else block
                )
        refusal = self._message.additional_kwargs.get("refusal")
        if refusal and not content:
            yield from self._text({"type": "refusal", "refusal": refusal})
        yield from self._remaining_calls()

    def _block(self, block: Item) -> Iterator[Item]:
        kind = block.get("type")
        if kind != "reasoning":
            self._thought = None
        if kind in _TEXT_BLOCKS or "part_of" in block:
            yield from self._text(block)
            return
        self._open = None
        if kind in _CALL_BLOCKS:
            if block.get("call_id"):  # without one it is another provider's, and in `tool_calls`
                yield from self._raw_call(without_index(block))
        elif kind == "tool_call":
            if (call := self._calls.pop(block.get("id"), None)) is not None:
                yield _call_item(call)
        elif kind == "reasoning":
            yield from self._reasoning(without_index(block))
        elif kind == "non_standard":
            value = block.get("value")
            if self._ours and isinstance(value, dict):
                wrapped_call = value.get("type") in _CALL_BLOCKS and value.get("call_id")
                yield from self._raw_call(value) if wrapped_call else [value]
        elif kind in _PICTURES and not self._ours:
            yield _shown(block)
        elif is_item_type(kind) and (kind != "compaction" or "encrypted_content" in block):
            yield without_index(block)

    def _text(self, block: Item) -> Iterator[Item]:
        if "part_of" not in block and block.get("text", block.get("refusal")) is None:
            return
        part = _wire_part(block, verbatim=self._ours and not self._v1)
        item_id = block.get("part_of", block.get("id"))
        if self._open is not None and self._open[0] == item_id:
            self._open[1]["content"].append(part)
            return
        item: Item = {"type": "message", "role": "assistant", "content": [part]}
        if self._ours:
            item |= {key: block[key] for key in _MESSAGE_KEYS if key in block}
            item |= {} if self._v1 else block.get("extras", {})
            if isinstance(item.get("id"), str) and item["id"].startswith("lc_"):
                del item["id"]
        self._open = (item_id, item)
        yield item

    def _reasoning(self, block: Item) -> Iterator[Item]:
        if self._v1:
            text = block.pop("reasoning", None)
            block |= block.pop("extras", {})
            block["summary"] = [
                *block.get("summary", ()),
                *([] if text is None else [{"type": "summary_text", "text": text}]),
            ]
            if self._continues_thought(block):
                return
            self._thought = block
        elif "reasoning" in block:
            first = {"type": "reasoning_text", "text": block.pop("reasoning")}
            block["content"] = [first, *block.get("content", [])]
        if self._ours or "encrypted_content" in block:
            yield block

    def _continues_thought(self, block: Item) -> bool:
        """Whether this was a further block of the item before it: LangChain makes one block of each summary part."""
        known = self._thought
        if known is None or not self._ours:
            return False
        if None not in {known.get("id"), block.get("id")} and known["id"] != block["id"]:
            return False
        summary = [*known["summary"], *block["summary"]]
        known |= block
        known["summary"] = summary
        return True

    def _raw_call(self, raw: Item) -> Iterator[Item]:
        call_id = raw.get("call_id")
        call = self._calls.pop(call_id, None)
        if call is None:
            if self._invalid.pop(call_id, None) is not None:
                yield raw
        elif _same_call(raw, call):
            yield raw
        else:
            edited = {key: value for key, value in raw.items() if key not in {"id", "status"}}
            yield edited | _call_item(call, custom=raw["type"] == "custom_tool_call")

    def _remaining_calls(self) -> Iterator[Item]:
        for call in self._calls.values():
            yield _call_item(call)
        for bad in self._invalid.values():
            yield {
                "type": "function_call",
                "call_id": bad["id"],
                "name": clean_name(bad["name"] or "unknown"),
                "arguments": bad["args"] or "",
            }


def _wire_part(block: Item, *, verbatim: bool) -> Item:
    if "part_of" in block:
        value: Item = block["value"]
        return value
    part = {
        key: value
        for key, value in block.items()
        if (key not in _NO_PART_KEYS if verbatim else key in _PART_KEYS)
    }
    if block["type"] == "refusal":
        return {"type": "refusal", **part}
    annotations = [_wire_annotation(a) for a in part.get("annotations") or ()]
    if not verbatim:
        annotations = [a for a in annotations if a.get("type") in _WIRE_ANNOTATIONS]
    if not verbatim or annotations:
        part["annotations"] = annotations
    return {"type": "output_text", **part}


def _shown(picture: Item) -> Item:
    """A picture that another provider's model made; the API has none in what an assistant said."""
    label = {"type": "input_text", "text": "The assistant's picture:"}
    parts = [label, input_part(picture, where="an answer")]
    return {"type": "message", "role": "user", "content": parts}


def _wire_annotation(annotation: Item) -> Item:
    if "file_index" not in annotation:
        return annotation
    renamed = dict(annotation)
    renamed["index"] = renamed.pop("file_index")  # ChatOpenAI renames it in file citations
    return renamed


def _call_item(call: Any, *, custom: bool = False) -> Item:
    head = {"call_id": call["id"], "name": clean_name(call["name"])}
    if custom:
        return {"type": "custom_tool_call", **head, "input": call["args"].get(CUSTOM_INPUT, "")}
    try:
        return {"type": "function_call", **head, "arguments": json.dumps(call["args"])}
    except TypeError as error:
        raise ConfigurationError(
            f"the arguments of call {call['id']} of {call['name']} were edited to something that is not JSON"
            f" ({error}): write them as the model would"
        ) from error


def _same_call(raw: Item, call: Any) -> bool:
    """Whether `tool_calls` still says what the raw item says, up to name cleaning and nulls added for strictness."""
    if raw.get("name") not in {call["name"], clean_name(call["name"])}:
        return False
    if raw["type"] == "custom_tool_call":
        return bool(call["args"] == {CUSTOM_INPUT: raw.get("input")})
    try:
        arguments = json.loads(raw.get("arguments") or "{}", strict=False)
    except (ValueError, RecursionError):
        return False
    return bool(
        arguments == call["args"] or _without_nulls(arguments) == _without_nulls(call["args"])
    )


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
