"""The response object: output items with ids, every required field, usage."""

from __future__ import annotations

from collections.abc import Callable, Container, Iterable, Mapping, Sequence
from typing import Any

from .behaviour import Behaviour
from .context import CALL_OUTPUTS, Context, Item, count_tokens
from .events import words
from .limits import count_context, read_from_cache
from .script import Turn
from .store import Ids

__all__ = ["PREFIXES", "USAGES", "complete_items", "kept_items", "make_response", "shown"]

PREFIXES = {
    "message": "msg",
    "function_call": "fc",
    "function_call_output": "fco",
    "custom_tool_call": "ctc",
    "custom_tool_call_output": "ctco",
    "reasoning": "rs",
    "compaction": "cmp",
    "web_search_call": "ws",
    "file_search_call": "fs",
    "code_interpreter_call": "ci",
    "image_generation_call": "ig",
    "mcp_list_tools": "mcpl",
    "mcp_call": "mcp",
    "mcp_approval_request": "mcpr",
    "mcp_approval_response": "mcpa",
}
"""How the id of an item begins, by type."""

_WITHOUT_STATUS = {
    "reasoning", "compaction", "mcp_list_tools", "mcp_approval_request", "mcp_call", "custom_tool_call",
}  # fmt: skip


def complete_items(turn: Turn, ids: Ids, *, include: Container[str] = ()) -> list[Item]:
    """The turn's items as output: ids, call ids and statuses filled in.

    Args:
        turn: What the model says.
        ids: Where new ids come from.
        include: What the request asked to have included.
    """
    seal = "reasoning.encrypted_content" in include
    odds = "message.output_text.logprobs" in include
    output = []
    for part in turn.parts:
        kind = part["type"]
        item: Item = {"id": part.get("id") or ids.new(PREFIXES.get(kind, "item")), "type": kind}
        if kind not in _WITHOUT_STATUS:
            item["status"] = "completed"
        item.update({name: value for name, value in part.items() if name != "id"})
        if "call_id" in item and not item["call_id"]:
            item["call_id"] = ids.new("call", 24)
        if kind == "reasoning" and (seal or item.get("encrypted_content") is True):
            item["encrypted_content"] = ids.new("gAAAAA", 40)
        if odds and kind == "message":
            item["content"] = [_with_odds(each) for each in item["content"]]
        output.append(item)
    if turn.status == "incomplete" and output and "status" in output[-1]:
        output[-1]["status"] = "incomplete"
    return output


def kept_items(items: Iterable[Item], ids: Ids) -> list[Item]:
    """Input items as a conversation keeps them: each with an id."""
    return [shown(item, item.get("id") or ids.new(_prefix(item))) for item in items]


def shown(item: Item, item_id: str) -> Item:
    """An input item as listings show it: with an id, and its content as whole parts."""
    listed = {**item, "id": item_id, "status": item.get("status") or "completed"}
    if item.get("type", "message") == "message":
        content = item.get("content")
        if isinstance(content, str):
            kind = "output_text" if item.get("role") == "assistant" else "input_text"
            content = [{"type": kind, "text": content}]
        listed["content"] = [_whole(part) for part in content or ()]
    return listed


_PARTS: dict[str, Item] = {
    "output_text": {"annotations": []},
    "input_image": {"image_url": None, "detail": "auto"},
}
"""Fields that parts have in answers, whether or not they were sent."""


def _whole(part: Item) -> Item:
    sent = {name: value for name, value in part.items() if value is not None}
    return {"type": part["type"], **_PARTS.get(part["type"], {}), **sent}


def _prefix(item: Item) -> str:
    return PREFIXES.get(item.get("type", "message"), "item")


def _with_odds(part: Item) -> Item:
    """A text part with a log probability for each word, the same for all."""
    if part["type"] != "output_text":
        return part
    odds = [
        {"token": word, "logprob": -0.5, "bytes": list(word.encode()), "top_logprobs": []}
        for word in words(part["text"])
    ]
    return {**part, "logprobs": odds}


def _full(read: int, written: int, cached: int, thought: int) -> Item:
    return {
        "input_tokens": read,
        "input_tokens_details": {"cached_tokens": cached, "cache_write_tokens": 0},
        "output_tokens": written,
        "output_tokens_details": {"reasoning_tokens": thought},
        "total_tokens": read + written,
    }


def _totals(read: int, written: int, *_: int) -> Item:
    return {"input_tokens": read, "output_tokens": written, "total_tokens": read + written}


def _pair(read: int, written: int, *_: int) -> Item:
    return {"input_tokens": read, "output_tokens": written}


def _valar(read: int, written: int, cached: int, thought: int) -> Item:
    details = {"cached_tokens": cached, "reasoning_tokens": thought}
    aliases = {"prompt_tokens": read, "completion_tokens": written}
    both = {"input_tokens_details": details, "output_tokens_details": dict(details)}
    return {**_totals(read, written), **aliases, **both}


def _orq(read: int, written: int, cached: int, thought: int) -> Item:
    input_details = {"cached_tokens": cached, "cache_creation_tokens": 0}
    output_details = {"reasoning_tokens": thought}
    both = {"input_tokens_details": input_details, "output_tokens_details": output_details}
    return {**_totals(read, written), **both}


def _orq_priced(read: int, written: int, cached: int, thought: int) -> Item:
    paid, earned = read * 1e-6, written * 2e-6
    costs = {"input_cost": paid, "output_cost": earned, "total_cost": paid + earned}
    return {**_orq(read, written, cached, thought), **costs, "web_search_requests": 0}


USAGES: dict[str, Callable[[int, int, int, int], Item]] = {
    "full": _full,
    "totals": _totals,
    "pair": _pair,
    "valar": _valar,
    "orq": _orq,
    "orq_priced": _orq_priced,
}
"""Usage shapes by name, from tokens read, written, cached and thought."""


def make_response(
    request: Mapping[str, Any],
    *,
    response_id: str,
    now: int,
    context: Context,
    output: list[Item],
    turn: Turn,
    behaviour: Behaviour,
    earlier: Sequence[Context],
    store: bool,
    echoed_id: str | None,
) -> Item:
    """The whole response object in its final state, with every field the specification requires."""
    read = count_context(context)
    cached = read_from_cache(context, read, earlier)
    thought = count_tokens(item for item in output if item["type"] == "reasoning")
    failed = turn.status == "failed"
    error = {"code": turn.cause, "message": turn.message} if failed else None
    cut = {"reason": turn.cause} if turn.status == "incomplete" else None
    conversation = request.get("conversation")
    waits = turn.status == "completed" and any(item["type"] in CALL_OUTPUTS for item in output)
    status = behaviour.tool_turn_status if waits else turn.status
    return {
        "id": response_id,
        "object": "response",
        "created_at": now,
        "status": status,
        "background": request.get("background") or False,
        "completed_at": now if turn.status == "completed" else None,
        "error": error,
        "frequency_penalty": _or(request.get("frequency_penalty"), 0.0),
        "incomplete_details": cut,
        "instructions": context.instructions,
        "max_output_tokens": request.get("max_output_tokens"),
        "max_tool_calls": request.get("max_tool_calls"),
        "model": context.model,
        "output": output,
        "parallel_tool_calls": _or(request.get("parallel_tool_calls"), True),
        "presence_penalty": _or(request.get("presence_penalty"), 0.0),
        "previous_response_id": echoed_id,
        "prompt_cache_key": request.get("prompt_cache_key"),
        "reasoning": {"effort": None, "summary": None, **(request.get("reasoning") or {})},
        "safety_identifier": request.get("safety_identifier"),
        "service_tier": _tier(request.get("service_tier")),
        "store": store,
        "temperature": _or(request.get("temperature"), 1.0),
        "text": _text(request.get("text")),
        "tool_choice": _or(request.get("tool_choice"), "auto"),
        "tools": [_echo_tool(tool, behaviour.strict_default) for tool in context.tools],
        "top_logprobs": request.get("top_logprobs") or 0,
        "top_p": _or(request.get("top_p"), 1.0),
        "truncation": request.get("truncation") or "disabled",
        "usage": None
        if failed
        else USAGES[behaviour.usage](read, count_tokens(output), cached, thought),
        "user": request.get("user"),
        **({"input": request.get("input")} if behaviour.echoes_input else {}),
        **({"conversation": _conversation(conversation)} if conversation else {}),
        "metadata": request.get("metadata") or {},
    }


def _or(value: Any, default: Any) -> Any:
    return default if value is None else value


def _conversation(wanted: Any) -> Item:
    return {"id": wanted if isinstance(wanted, str) else wanted.get("id")}


def _tier(wanted: Any) -> Any:
    return "default" if wanted in {None, "auto"} else wanted


def _text(wanted: Any) -> Item:
    return {
        "verbosity": "medium",
        **(wanted or {}),
        "format": _format((wanted or {}).get("format")),
    }


def _format(wanted: Any) -> Item:
    if not wanted:
        return {"type": "text"}
    if wanted.get("type") != "json_schema":
        return dict(wanted)
    return {"description": None, "strict": False, **wanted}


def _echo_tool(tool: Item, strict: bool | None) -> Item:
    if tool.get("type") != "function":
        return tool
    defaults = {"description": None, "parameters": None}
    return {"type": "function", **defaults, **tool, "strict": _or(tool.get("strict"), strict)}
