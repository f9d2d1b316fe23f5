"""What the model sees in one turn, and how long that is."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias

__all__ = ["CALL_OUTPUTS", "Context", "Item", "as_items", "count_tokens", "text_of"]

Item: TypeAlias = dict[str, Any]

CALL_OUTPUTS = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
}
"""Item types that the caller must answer, and the type of the answer."""


class Context(list[Item]):
    """The items the model sees in one turn, in order: those the server kept, then those just sent.

    Attributes:
        instructions: The instructions in force, after any inheritance.
        tools: The tools offered, as sent.
        model: The model asked for.
        request: The JSON body of the request.
        kept: How many of the items came from the server's store.
    """

    def __init__(
        self,
        items: Iterable[Item] = (),
        *,
        instructions: str | None = None,
        tools: Sequence[Item] = (),
        model: str = "",
        request: Mapping[str, Any] | None = None,
        kept: int = 0,
    ) -> None:
        super().__init__(items)
        self.instructions = instructions
        self.tools: list[Item] = list(tools)
        self.model = model
        self.request: Mapping[str, Any] = request or {}
        self.kept = kept

    @property
    def texts(self) -> list[str]:
        """The visible text of every item that has one."""
        return [text for text in map(text_of, self) if text]

    @property
    def user_text(self) -> str:
        """The newest user message, empty where there is none."""
        return next((text_of(item) for item in reversed(self) if item.get("role") == "user"), "")

    @property
    def answered(self) -> list[tuple[Item, Item]]:
        """Call and output for each output that stands at the end of the context."""
        outputs: list[Item] = []
        for item in reversed(self):
            if item.get("type") not in CALL_OUTPUTS.values():
                break
            outputs.append(item)
        calls = {item.get("call_id"): item for item in self if item.get("type") in CALL_OUTPUTS}
        return [(calls.get(out.get("call_id"), {}), out) for out in reversed(outputs)]

    def calls(self, name: str | None = None) -> Iterator[tuple[Item, Item | None]]:
        """Every call with its output, or `None` while it is open, oldest first."""
        outputs = {
            item.get("call_id"): item for item in self if item.get("type") in CALL_OUTPUTS.values()
        }
        for item in self:
            if item.get("type") in CALL_OUTPUTS and name in {None, item.get("name")}:
                yield item, outputs.get(item.get("call_id"))


def as_items(value: Any) -> list[Item]:
    """The `input` of a request as items; a string is one user message, a missing `type` a message."""
    if value is None:
        return []
    if isinstance(value, str):
        return [{"type": "message", "role": "user", "content": value}]
    return [item if "type" in item else _typed(item) for item in value]


def _typed(item: Item) -> Item:
    return {"type": "message" if "role" in item else "item_reference", **item}


def text_of(item: Mapping[str, Any]) -> str:
    """The text a reader of this item would see."""
    kind = item.get("type")
    if kind == "function_call":
        return f"{item.get('name')}({item.get('arguments')})"
    if kind == "custom_tool_call":
        return f"{item.get('name')}({item.get('input')})"
    if kind in CALL_OUTPUTS.values():
        return _text_of_parts(item.get("output"))
    if kind == "reasoning":
        return _text_of_parts(item.get("content")) or _text_of_parts(item.get("summary"))
    return _text_of_parts(item.get("content"))


def _text_of_parts(content: Any) -> str:
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return ""
    texts = []
    for part in content:
        if isinstance(part, str):
            texts.append(part)
        elif isinstance(part, dict):
            text = part.get("text", part.get("refusal", ""))
            texts.append(text if isinstance(text, str) else "")
    return "\n".join(text for text in texts if text)


_PICTURE = 340
_PICTURES = {"input_image", "input_file", "input_video", "computer_screenshot"}


def _pictures(item: Item) -> int:
    """Characters that the images and files of an item stand for."""
    content = item.get("content") or item.get("output")
    if not isinstance(content, list):
        return 0
    return _PICTURE * sum(
        isinstance(part, dict) and part.get("type") in _PICTURES for part in content
    )


_READABLE = {"message", "reasoning", *CALL_OUTPUTS, *CALL_OUTPUTS.values()}
_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def count_tokens(items: Iterable[Item], *, extra: Sequence[Any] = ()) -> int:
    """A stable stand-in for a tokenizer: a quarter of the characters, rounded up, plus three an item.

    Args:
        items: Messages, calls, outputs, reasoning; anything else counts as its JSON.
        extra: Instructions and tools.
    """
    characters = overhead = 0
    for item in items:
        overhead += 3
        known = item.get("type") in _READABLE
        characters += len(text_of(item)) if known else len(_dump(item))
        if known:
            characters += len(item.get("encrypted_content") or "") + _pictures(item)
    for value in extra:
        characters += len(value) if isinstance(value, str) else len(_dump(value)) if value else 0
    return -(-characters // 4) + overhead
