"""Items on the wire: what may be replayed where, and the repair that keeps calls and outputs together."""

from __future__ import annotations

import json
from collections import defaultdict, deque
from collections.abc import Iterable, Sequence
from typing import Any, Final, Literal, TypeAlias

from ..errors import DanglingToolCallError

__all__ = [
    "CALL_OUTPUTS",
    "Item",
    "open_calls",
    "portable",
    "prune_compacted",
    "repair",
    "unstored",
]

Item: TypeAlias = dict[str, Any]
"""One element of `input` or `output`, as JSON."""

CALL_OUTPUTS: Final = {
    "function_call": "function_call_output",
    "custom_tool_call": "custom_tool_call_output",
}
"""Calls that the client must answer, and the type of the answer."""

_OUTPUT_TYPES: Final = frozenset(CALL_OUTPUTS.values())
_NOT_RUN: Final = "Error: this call was not run."
_BAD_ARGUMENTS: Final = "Error: the arguments were not a JSON object, so this call was not run."


def open_calls(items: Iterable[Item]) -> list[Item]:
    """The calls among `items` that have no output among them, in order."""
    waiting: dict[str, Item] = {}
    for item in items:
        if item.get("type") in CALL_OUTPUTS:
            waiting[item.get("call_id", "")] = item
        elif item.get("type") in _OUTPUT_TYPES:
            waiting.pop(item.get("call_id", ""), None)
    return list(waiting.values())


def portable(items: Iterable[Item]) -> list[Item]:
    """The items as another conversation may receive them: no ids, nothing that only their issuer can read.

    Reasoning and compaction items are left out: another server cannot read them, another agent must not.
    """
    return [
        {key: value for key, value in item.items() if key not in {"id", "status"}}
        for item in items
        if item.get("type") not in {"reasoning", "compaction", "item_reference"}
    ]


def unstored(items: Iterable[Item]) -> list[Item]:
    """The items as the server that issued them without storing them accepts them back.

    Ids of unstored items are "not found" (OpenAI, `store=false`), and so is reasoning without its encrypted content.
    """
    kept: list[Item] = []
    for item in items:
        if item.get("type") != "reasoning":
            kept.append({key: value for key, value in item.items() if key != "id"})
        elif item.get("encrypted_content"):
            kept.append(item)
    return kept


def prune_compacted(groups: Sequence[list[Item]]) -> list[list[Item]]:
    """Drop what the newest compaction item already stands for: everything before it."""
    for index in range(len(groups) - 1, -1, -1):
        for position in range(len(groups[index]) - 1, -1, -1):
            if groups[index][position].get("type") == "compaction":
                return [groups[index][position:], *groups[index + 1 :]]
    return list(groups)


def repair(
    groups: Sequence[list[Item]],
    *,
    pending: Iterable[Item] = (),
    on_dangling: Literal["output", "raise"] = "output",
    calls_elsewhere: bool = False,
) -> list[Item]:
    """Flatten messages into input items so that every call is answered once, right after the answer that made it.

    Args:
        groups: The items of each local message, in order.
        pending: Calls that the server already holds and that still wait for an output.
        on_dangling: `"output"` answers a call that nobody answered with an error the model can read;
            `"raise"` raises.
        calls_elsewhere: Whether what these items continue may hold calls that they answer.

    Other outputs whose call is nowhere (the call was trimmed away) become a user message: the model still reads
    them, and no server refuses the request for an orphan.

    Raises:
        DanglingToolCallError: A call has no output and `on_dangling` is `"raise"`.
    """
    outputs: defaultdict[str, deque[tuple[int, Item]]] = defaultdict(deque)
    for index, group in enumerate(groups):
        for item in group:
            if item.get("type") in _OUTPUT_TYPES:
                outputs[item.get("call_id", "")].append((index, item))

    used: set[int] = set()
    flat: list[Item] = []

    def answer(calls: Iterable[Item], after: int) -> None:
        for call in calls:
            output = _take(outputs[call.get("call_id", "")], after)
            if output is None:
                output = _synthetic_output(call, on_dangling)
            used.add(id(output))
            flat.append(output)

    answer(pending, -1)
    for index, group in enumerate(groups):
        for item in group:
            if item.get("type") not in _OUTPUT_TYPES:
                flat.append(item)
            elif id(item) not in used:
                flat.append(item if calls_elsewhere else _orphan_as_message(item))
        answer((item for item in group if item.get("type") in CALL_OUTPUTS), index)
    return flat


def _take(queue: deque[tuple[int, Item]], after: int) -> Item | None:
    """The first unused output that comes later than its call; server call ids may repeat over turns."""
    while queue:
        index, item = queue[0]
        if index > after:
            queue.popleft()
            return item
        queue.popleft()
    return None


def _synthetic_output(call: Item, on_dangling: Literal["output", "raise"]) -> Item:
    call_id = call.get("call_id", "")
    if on_dangling == "raise":
        raise DanglingToolCallError(
            f"the call {call.get('name')!r} ({call_id}) has no output: run the tool, or answer it with a tool message"
        )
    text = _NOT_RUN
    if call.get("type") == "function_call" and not _is_object(call.get("arguments")):
        text = _BAD_ARGUMENTS
    return {"type": CALL_OUTPUTS[call["type"]], "call_id": call_id, "output": text}


def _is_object(arguments: Any) -> bool:
    if not isinstance(arguments, str):
        return isinstance(arguments, dict)
    if not arguments.strip():
        return True
    try:
        return isinstance(json.loads(arguments), dict)
    except (ValueError, RecursionError):
        return False


def _orphan_as_message(output: Item) -> Item:
    content = output.get("output")
    lead = {"type": "input_text", "text": f"Output of the earlier call {output.get('call_id')}:"}
    parts = content if isinstance(content, list) else [{"type": "input_text", "text": str(content)}]
    return {"type": "message", "role": "user", "content": [lead, *parts]}
