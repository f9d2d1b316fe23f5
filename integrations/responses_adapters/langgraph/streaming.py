"""The events of a response as LangChain chunks, whose sum is the message of the finished response."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from langchain_core.messages import AIMessage, AIMessageChunk, ToolCallChunk
from langchain_core.messages.tool import tool_call_chunk
from langchain_core.utils.json import parse_partial_json

from ..protocol.items import Item
from .answers import PROVIDER, Decode, blocks_of, call_of

__all__ = ["AnswerStream"]


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
        calls: list[ToolCallChunk] | None = None
        if delta.key == "arguments" and slot.call_open:
            slot.arguments.append(text)
            calls = [tool_call_chunk(args=text, index=block.index)]
        return _chunk([content], calls)

    def _difference(self, slot: _Slot, item: Item, *, done: bool = False) -> AIMessageChunk | None:
        content: list[str | dict[Any, Any]] = []
        for part, want in enumerate(blocks_of(item)):
            block = self._block(slot, part)
            if rest := block.rest(want):
                content.append({"type": want["type"], **rest, "index": block.index})
        calls = list(self._call_chunks(slot, item, done=done))
        if not content and not calls:
            return None
        return _chunk(content, calls)

    def _call_chunks(self, slot: _Slot, item: Item, *, done: bool) -> Iterator[ToolCallChunk]:
        """What LangChain is told of a call: its head when it begins, the rest of its arguments when it is done."""
        call = call_of(item, self._decode) if not slot.call_done else None
        if call is None:
            return
        index = slot.blocks[0].index
        if not done:
            slot.call_open = self._streams_arguments(item.get("name") or "")
            if slot.call_open:
                yield tool_call_chunk(name=call.name, args="", id=call.call_id, index=index)
            return
        slot.call_done = True
        if call.arguments is None:
            arguments = call.text + _spoiler(call.text)
        else:
            arguments = call.text if slot.call_open else json.dumps(call.arguments)
        if not slot.call_open:
            yield tool_call_chunk(name=call.name, args=arguments, id=call.call_id, index=index)
        elif rest := arguments.removeprefix("".join(slot.arguments)):
            yield tool_call_chunk(args=rest, index=index)

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


_BLANK: Final = AIMessageChunk(content=[])


def _chunk(
    content: list[str | dict[Any, Any]], calls: list[ToolCallChunk] | None = None
) -> AIMessageChunk:
    """A chunk of the answer; one without calls leaves nothing to validate, which is most of what a chunk costs."""
    if calls:
        return AIMessageChunk(
            content=content, tool_call_chunks=calls, response_metadata=dict(PROVIDER)
        )
    return _BLANK.model_copy(
        update={
            "content": content,
            "response_metadata": dict(PROVIDER),
            "additional_kwargs": {},
            "tool_calls": [],
            "invalid_tool_calls": [],
            "tool_call_chunks": [],
        }
    )


class _Slot:
    """One output item on its way."""

    __slots__ = ("arguments", "blocks", "call_done", "call_open", "item_id")

    def __init__(self, item_id: str | None) -> None:
        self.item_id = item_id
        self.blocks: dict[int, _Block] = {}
        self.call_open = False  # its head and argument deltas have gone out
        self.call_done = False
        self.arguments: list[str] = []

    @property
    def kind(self) -> str | None:
        if not self.blocks:
            return None
        kind = self.blocks[0].have.get("type")
        return "message" if kind in {"text", "refusal"} else kind


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
        elif (
            isinstance(value, list)
            and isinstance(said, list)
            and (more := _rest_of_list(value, said))
        ):
            rest[key] = more
    return rest


def _rest_of_list(want: list[Any], have: list[Any]) -> list[Any]:
    more: list[Any] = []
    for position, value in enumerate(want):
        if position >= len(have):
            have.append(copy.deepcopy(value))
            more.append(value)
        elif (
            isinstance(value, dict)
            and isinstance(have[position], dict)
            and (deeper := _rest(value, have[position]))
        ):
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
