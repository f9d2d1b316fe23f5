"""From a finished response to the ordered, typed events that tell of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Collection, Iterator
from typing import Any

from .behaviour import Behaviour
from .context import Item
from .problems import SHAPES, ApiError

__all__ = ["encode_event", "event_log", "sse", "to_json", "without", "words"]

Event = dict[str, Any]

to_json: Callable[[Any], str] = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode

_WORDS = re.compile(r"\s*\S+\s*$|\s*\S+|\s+")


def event_log(response: dict[str, Any], *, queued: bool = False) -> list[Event]:
    """Every event of a response that ends as `response` says, numbered from 0.

    Args:
        response: The body in its final state.
        queued: Begin with the `queued` state, as a background response does.
    """
    pending = {**response, "completed_at": None, "output": [], "usage": None}
    pending.update(status="in_progress", error=None, incomplete_details=None)
    log: list[Event] = []

    def say(kind: str, **fields: Any) -> None:
        log.append({"type": kind, "sequence_number": len(log), **fields})

    if queued:
        waiting = {**pending, "status": "queued"}
        say("response.created", response=waiting)
        say("response.queued", response=waiting)
    else:
        say("response.created", response=pending)
    say("response.in_progress", response=pending)
    for index, item in enumerate(response["output"]):
        opening = _OPENINGS.get(item["type"], _opaque_opening)(item)
        say("response.output_item.added", output_index=index, item=opening)
        for kind, fields in _INNER.get(item["type"], _nothing)(item):
            say(kind, item_id=item["id"], output_index=index, **fields)
        say("response.output_item.done", output_index=index, item=item)
    ending = response["status"]
    final = ending if ending in {"incomplete", "failed"} else "completed"
    say(f"response.{final}", response=response)
    return log


def encode_event(event: Event, *, named: bool = True) -> bytes:
    """One event as a server-sent event, with its `event:` line where the server writes one."""
    line = f"event: {event.get('type', 'error')}\n" if named else ""
    return f"{line}data: {to_json(event)}\n\n".encode()


def sse(log: list[Event], behaviour: Behaviour) -> list[bytes]:
    """Events as the server writes them, one block each, with what comes before and after them."""
    blocks = [
        encode_event(event, named=behaviour.event_lines) for event in _dressed(log, behaviour)
    ]
    if behaviour.keep_alive is not None and blocks:
        blocks[0] = f"{behaviour.keep_alive}\n\n".encode() + blocks[0]
    if behaviour.done_line and log and log[-1]["type"] != "response.failed":
        blocks.append(b"data: [DONE]\n\n")
    return blocks


def _dressed(log: list[Event], behaviour: Behaviour) -> Iterator[Event]:
    """The events in the server's own manner."""
    last = log[-1] if log else {}
    if behaviour.failure_status is not None and last.get("type") == "response.failed":
        told = last["response"]["error"]
        error = ApiError(502, told["message"], code=told["code"], type=told["code"])
        yield from _dressed(log[:-1], behaviour)
        yield SHAPES[behaviour.stream_error_shape](error)
        return
    if behaviour.lacks:
        log = [_lacking(event, behaviour.lacks) for event in log]
    only, renames = behaviour.only_events, behaviour.renames
    if only is None and not renames and behaviour.sequence_numbers and not behaviour.omits_nulls:
        yield from log
        return
    for event in log:
        kind = event["type"]
        if only is not None and kind not in only:
            continue
        dressed = {**event, "type": renames.get(kind, kind)}
        if only is not None:
            dressed = {name: dressed[name] for name in only[kind]}
        if not behaviour.sequence_numbers:
            dressed.pop("sequence_number", None)
        yield _without_nulls(dressed) if behaviour.omits_nulls else dressed


def without(body: Event, fields: Collection[str]) -> Event:
    """An object without some of its fields."""
    return {name: value for name, value in body.items() if name not in fields} if fields else body


def _lacking(event: Event, fields: Collection[str]) -> Event:
    if "response" not in event:
        return event
    return {**event, "response": without(event["response"], fields)}


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_nulls(each) for name, each in value.items() if each is not None}
    return [_without_nulls(each) for each in value] if isinstance(value, list) else value


Inner = Iterator[tuple[str, dict[str, Any]]]


def _nothing(_: Item) -> Inner:
    return iter(())


def words(text: str) -> list[str]:
    """Text in the pieces it is streamed in; together they are the text."""
    return _WORDS.findall(text)


def _message(item: Item) -> Inner:
    for index, part in enumerate(item["content"]):
        refusal = part["type"] == "refusal"
        field = "refusal" if refusal else "text"
        at = {"content_index": index}
        # Log probabilities are part of the text events only, an empty list where none were asked for.
        odds = {} if refusal else {"logprobs": part.get("logprobs", [])}
        none: Item = {} if refusal else {"logprobs": []}
        yield "response.content_part.added", {**at, "part": _emptied(part, field)}
        for delta in words(part[field]):
            yield f"response.{part['type']}.delta", {**at, "delta": delta, **none}
        for number, annotation in enumerate(part.get("annotations", ())):
            yield (
                "response.output_text.annotation.added",
                {**at, "annotation_index": number, "annotation": annotation},
            )
        yield f"response.{part['type']}.done", {**at, field: part[field], **odds}
        yield "response.content_part.done", {**at, "part": part}


def _emptied(part: Item, field: str) -> Item:
    empty = {**part, field: ""}
    for name in ("annotations", "logprobs"):
        if name in part:
            empty[name] = []
    return empty


def _reasoning(item: Item) -> Inner:
    for index, part in enumerate(item["summary"]):
        at = {"summary_index": index}
        yield "response.reasoning_summary_part.added", {**at, "part": _emptied(part, "text")}
        for delta in words(part["text"]):
            yield "response.reasoning_summary_text.delta", {**at, "delta": delta}
        yield "response.reasoning_summary_text.done", {**at, "text": part["text"]}
        yield "response.reasoning_summary_part.done", {**at, "part": part}
    for index, part in enumerate(item.get("content") or ()):
        at = {"content_index": index}
        yield "response.content_part.added", {**at, "part": _emptied(part, "text")}
        for delta in words(part["text"]):
            yield "response.reasoning_text.delta", {**at, "delta": delta}
        yield "response.reasoning_text.done", {**at, "text": part["text"]}
        yield "response.content_part.done", {**at, "part": part}


def _arguments(kind: str, field: str) -> Callable[[Item], Inner]:
    def inner(item: Item) -> Inner:
        text = item[field]
        for start in range(0, len(text), 16):
            yield f"response.{kind}.delta", {"delta": text[start : start + 16]}
        yield f"response.{kind}.done", {field: text}

    return inner


def _stages(*kinds: str) -> Callable[[Item], Inner]:
    def inner(_: Item) -> Inner:
        for kind in kinds:
            yield f"response.{kind}", {}

    return inner


def _mcp_call(item: Item) -> Inner:
    yield "response.mcp_call.in_progress", {}
    yield from _arguments("mcp_call_arguments", "arguments")(item)
    yield f"response.mcp_call.{'failed' if item.get('error') else 'completed'}", {}


_INNER: dict[str, Callable[[Item], Inner]] = {
    "message": _message,
    "reasoning": _reasoning,
    "function_call": _arguments("function_call_arguments", "arguments"),
    "custom_tool_call": _arguments("custom_tool_call_input", "input"),
    "web_search_call": _stages(
        "web_search_call.in_progress", "web_search_call.searching", "web_search_call.completed"
    ),
    "file_search_call": _stages(
        "file_search_call.in_progress", "file_search_call.searching", "file_search_call.completed"
    ),
    "code_interpreter_call": _stages(
        "code_interpreter_call.in_progress",
        "code_interpreter_call.interpreting",
        "code_interpreter_call.completed",
    ),
    "image_generation_call": _stages(
        "image_generation_call.in_progress",
        "image_generation_call.generating",
        "image_generation_call.completed",
    ),
    "mcp_call": _mcp_call,
    "mcp_list_tools": _stages("mcp_list_tools.in_progress", "mcp_list_tools.completed"),
}


def _opener(**empty: Any) -> Callable[[Item], Item]:
    def opening(item: Item) -> Item:
        opened = {**item, **{name: value for name, value in empty.items() if name in item}}
        if "status" in item:
            opened["status"] = "in_progress"
        return opened

    return opening


def _open_reasoning(item: Item) -> Item:
    opened = {**item, "summary": []}
    if "content" in opened:
        opened["content"] = []
    return opened


_opaque_opening = _opener()

_OPENINGS: dict[str, Callable[[Item], Item]] = {
    "message": _opener(content=[]),
    "function_call": _opener(arguments=""),
    "custom_tool_call": _opener(input=""),
    "mcp_call": _opener(arguments="", output=None),
    "reasoning": _open_reasoning,
}
