"""LangChain messages as Responses items, without loss: what a message means on the wire, and what decides it.

Answers keep the server's items: as `responses/v1` content blocks (the vocabulary of ChatOpenAI, so either can read
the other's messages), and everything that vocabulary does not know as `{"type": "non_standard", "value": item}`.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Final

from langchain_core.messages import (
    AIMessage,
    BaseMessage,
    ChatMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
)

from ..errors import ConfigurationError
from ..protocol.items import Item
from ..tools import clean_name
from .parts import input_part, is_item_type, joined_text, output_part, unwrap

__all__ = [
    "CUSTOM_INPUT",
    "STAMP",
    "conversation_items",
    "fingerprint",
    "in_standard_blocks",
    "lift_instructions",
    "to_items",
]

STAMP: Final = "responses"
"""Key of an answer's stamp in its `response_metadata`."""

_SERVER_CONTENT: Final = "responses_content"
"""Key of the server's own blocks in `response_metadata`, where content holds LangChain's standard blocks instead."""

CUSTOM_INPUT: Final = "__arg1"
"""The argument that holds a custom tool's free text in `tool_calls` (LangChain's convention)."""

_DEVELOPER: Final = "__openai_role__"  # langchain-core's key for the developer role
_TEXT_BLOCKS: Final = frozenset({"text", "output_text", "refusal"})
_CALL_BLOCKS: Final = frozenset({"function_call", "custom_tool_call"})
_MESSAGE_KEYS: Final = ("id", "status", "phase")
_VOLATILE: Final = frozenset({"id", "status", "annotations", "index"})
_ID_IS_CONTENT: Final = frozenset({"item_reference", "image_generation_call"})
_WIRE_ANNOTATIONS: Final = frozenset(
    {"file_citation", "url_citation", "container_file_citation", "file_path"}
)

_encode: Final[Callable[[Any], str]] = json.JSONEncoder(
    sort_keys=True, separators=(",", ":"), default=repr
).encode


def lift_instructions(messages: Sequence[BaseMessage]) -> tuple[str | None, list[BaseMessage]]:
    """Split the leading system messages off, as the text of `instructions`.

    A leading system message that holds more than text stays in the conversation, and so do all behind it.
    """
    texts: list[str] = []
    for message in messages:
        text = joined_text(message.content) if _role(message) == "system" else None
        if text is None:
            break
        texts.append(text)
    return "\n\n".join(filter(None, texts)) or None, list(messages[len(texts) :])


def conversation_items(messages: Sequence[BaseMessage], start: int = 0) -> list[list[Item]]:
    """The items of each message from `start` on; earlier messages only say which calls were custom ones."""
    sent = messages[start:]
    custom: set[str] = set()
    if any(isinstance(message, ToolMessage) for message in sent):
        custom = {call_id for message in messages for call_id in _custom_call_ids(message)}
    return [to_items(message, custom_calls=custom) for message in sent]


def to_items(message: BaseMessage, *, custom_calls: Iterable[str] = ()) -> list[Item]:
    """The wire items of one message.

    Args:
        message: Any LangChain message; an AIMessage may come from any provider.
        custom_calls: Ids of calls to custom tools, whose outputs have a type of their own.

    Raises:
        ConfigurationError: The message holds something that the Responses API cannot express.
    """
    if isinstance(message, AIMessage):
        return list(_Answer(_as_sent(message)).items())
    if isinstance(message, ToolMessage):
        return [_tool_output(message, custom_calls)]
    role = _role(message)
    if role == "assistant":
        return list(_Answer(AIMessage(message.content)).items())
    if role not in {"user", "system", "developer"}:
        raise ConfigurationError(
            f"a {type(message).__name__} cannot be sent to a Responses server:"
            " use user, system, developer, assistant and tool messages"
        )
    if isinstance(message.content, str):
        return [{"type": "message", "role": role, "content": message.content}]
    items: list[Item] = []
    parts: list[Item] = []
    for block in message.content:
        value = unwrap(block)
        if isinstance(value, dict) and is_item_type(value.get("type")):
            items.append(value)
        else:
            parts.append(input_part(value, where=f"a {role} message"))
    if parts:
        items.insert(0, {"type": "message", "role": role, "content": parts})
    return items


def in_standard_blocks(message: AIMessage) -> AIMessage:
    """An answer with LangChain's standard blocks as content, and the server's items beside them for replay."""
    metadata = {
        **message.response_metadata,
        "output_version": "v1",
        _SERVER_CONTENT: message.content,
    }
    return message.model_copy(
        update={"content": message.content_blocks, "response_metadata": metadata}
    )


def _as_sent(message: AIMessage) -> AIMessage:
    """The answer with the server's own blocks as content, if its standard blocks still say the same."""
    raw = message.response_metadata.get(_SERVER_CONTENT)
    if raw is None:
        return message
    metadata = {k: v for k, v in message.response_metadata.items() if k != "output_version"}
    original = message.model_copy(update={"content": raw, "response_metadata": metadata})
    same = [_essence(block) for block in original.content_blocks] == [
        _essence(block) for block in message.content
    ]
    return original if same else message


def fingerprint(message: BaseMessage) -> bytes:
    """The bytes that decide a message's wire form, without building it.

    The same for a string and its one text block, for a streamed and a whole answer, before and after a checkpoint;
    different after any edit of role, text, parts, tool calls or tool output. Item ids, status and annotations are
    left out: servers and front ends change them freely.
    """
    content: Any = message.content
    if not isinstance(content, str):
        content = [_essence(block) for block in content]
        if len(content) == 1 and isinstance(content[0], str):
            content = content[0]
        elif not content:
            content = ""
    if isinstance(message, AIMessage):
        facts: list[Any] = ["assistant", content]
        if message.tool_calls:
            facts.append([(call["name"], call["args"], call["id"]) for call in message.tool_calls])
        if message.invalid_tool_calls:
            facts.append(
                ["invalid", [(c["name"], c["args"], c["id"]) for c in message.invalid_tool_calls]]
            )
    elif isinstance(message, ToolMessage):
        facts = ["tool", content, message.tool_call_id, message.additional_kwargs.get("type")]
    else:
        facts = [_role(message), content]
    return _encode(facts).encode()


def _essence(block: Any) -> Any:
    if isinstance(block, str):
        return block
    kind = block.get("type")
    kept = {
        key: value
        for key, value in block.items()
        if value is not None and (key not in _VOLATILE or (key == "id" and kind in _ID_IS_CONTENT))
    }
    if kind == "text" and len(kept) == 2 and "text" in kept:
        return kept["text"]
    if kind == "reasoning":
        return _without_index(kept)
    return kept


def _without_index(block: Item) -> Item:
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


def _role(message: BaseMessage) -> str:
    if isinstance(message, HumanMessage):
        return "user"
    if isinstance(message, SystemMessage):
        role: str = message.additional_kwargs.get(_DEVELOPER, "system")
        return role
    if isinstance(message, ChatMessage):
        return message.role
    return message.type


def _custom_call_ids(message: BaseMessage) -> Iterator[str]:
    if isinstance(message, AIMessage) and isinstance(message.content, list):
        for block in message.content:
            if isinstance(block, dict) and block.get("type") == "custom_tool_call":
                yield block.get("call_id", "")


def _tool_output(message: ToolMessage, custom_calls: Iterable[str]) -> Item:
    call_id = message.tool_call_id
    content = message.content
    special = message.additional_kwargs.get("type")
    if isinstance(content, list):
        for block in content:
            value = unwrap(block)
            if isinstance(value, dict) and str(value.get("type")).endswith("_output"):
                return {**_without_index(value), "call_id": value.get("call_id") or call_id}
        if (
            special == "computer_call_output"
        ):  # ChatOpenAI's way: one image, flagged in additional_kwargs
            part = input_part(content[0], where="a computer call output")
            return {
                "type": special,
                "call_id": call_id,
                "output": {**part, "type": "computer_screenshot"},
            }
    text = joined_text(content)
    return {
        "type": "custom_tool_call_output" if call_id in custom_calls else "function_call_output",
        "call_id": call_id,
        "output": text if text is not None else [output_part(block) for block in content],
    }


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
        if kind in _TEXT_BLOCKS or "part_of" in block:
            yield from self._text(block)
            return
        self._open = None
        if kind in _CALL_BLOCKS:
            if block.get("call_id"):  # without one it is another provider's, and in `tool_calls`
                yield from self._raw_call(_without_index(block))
        elif kind == "tool_call":
            if (call := self._calls.pop(block.get("id"), None)) is not None:
                yield _call_item(call)
        elif kind == "reasoning":
            yield from self._reasoning(_without_index(block))
        elif kind == "non_standard":
            if self._ours and isinstance(block.get("value"), dict):
                yield block["value"]
        elif is_item_type(kind):
            yield _without_index(block)
        # What is left is another provider's bookkeeping (thinking, tool_use, server_tool_call …): it has no
        # meaning here, and its text and tool calls are already taken.

    def _text(self, block: Item) -> Iterator[Item]:
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
            if text is not None:
                block["summary"] = [{"type": "summary_text", "text": text}]
        elif "reasoning" in block:
            first = {"type": "reasoning_text", "text": block.pop("reasoning")}
            block["content"] = [first, *block.get("content", [])]
        if self._ours or "encrypted_content" in block:
            yield block

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
        if key not in {*_MESSAGE_KEYS, "type", "extras", "index"}
    }
    if block["type"] == "refusal":
        return {"type": "refusal", **part}
    annotations = [_wire_annotation(a) for a in part.get("annotations") or ()]
    if not verbatim:
        annotations = [a for a in annotations if a.get("type") in _WIRE_ANNOTATIONS]
    if not verbatim or annotations:
        part["annotations"] = annotations
    return {"type": "output_text", **part}


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
    return {"type": "function_call", **head, "arguments": json.dumps(call["args"])}


def _same_call(raw: Item, call: Any) -> bool:
    """Whether `tool_calls` still says what the raw item says, up to name cleaning and nulls added for strictness."""
    if raw.get("name") not in {call["name"], clean_name(call["name"])}:
        return False
    if raw["type"] == "custom_tool_call":
        return bool(call["args"] == {CUSTOM_INPUT: raw.get("input")})
    try:
        arguments = json.loads(raw.get("arguments") or "{}", strict=False)
    except ValueError:
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
