"""What items and messages say to a model, by the plain reading of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from langchain_core.messages import AIMessage, AnyMessage, HumanMessage, ToolMessage


def shown(item: dict[str, Any]) -> tuple[Any, ...]:
    """What an item says to the model."""
    match item["type"]:
        case "function_call":
            return ("call", item["call_id"], json.loads(item["arguments"]))
        case "function_call_output":
            return ("output", item["call_id"], item["output"])
        case _:
            parts = item["content"]
            text = parts if isinstance(parts, str) else "".join(part["text"] for part in parts)
            return (item["role"], text)


def read(items: Iterable[dict[str, Any]]) -> list[tuple[Any, ...]]:
    """What items say to the model; an output without its call, which lenient servers take, says what a message would."""
    view: list[tuple[Any, ...]] = []
    called: set[str] = set()
    for item in items:
        said = shown(item)
        if said[0] == "call":
            called.add(said[1])
        if said[0] == "output" and said[1] not in called:
            said = ("user", f"Output of the earlier call {said[1]}:{said[2]}")
        view.append(said)
    return view


def wanted(messages: Sequence[AnyMessage]) -> list[tuple[Any, ...]]:
    """What these messages must say to the model, by the plain reading of them."""
    view: list[tuple[Any, ...]] = []
    answered: set[int] = set()
    for position, message in enumerate(messages):
        if isinstance(message, HumanMessage):
            view.append(("user", message.text))
        elif isinstance(message, ToolMessage) and position not in answered:
            view.append(
                ("user", f"Output of the earlier call {message.tool_call_id}:{message.text}")
            )
        elif isinstance(message, AIMessage):
            if message.text:
                view.append(("assistant", message.text))
            view += [("call", call["id"], call["args"]) for call in message.tool_calls]
            for call in message.tool_calls:
                output = "Error: this call was not run."
                for later in range(position + 1, len(messages)):
                    candidate = messages[later]
                    if isinstance(candidate, ToolMessage) and candidate.tool_call_id == call["id"]:
                        answered.add(later)
                        output = candidate.text
                        break
                view.append(("output", call["id"], output))
    return view
