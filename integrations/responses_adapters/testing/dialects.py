"""What single servers do beyond data: small functions that `servers` names."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from .context import CALL_OUTPUTS, Item, as_items
from .problems import ApiError
from .script import Turn

if TYPE_CHECKING:
    from .engine import Backend
    from .journal import Recorded

__all__ = [
    "agents_exist", "ask_for_approval", "call_ids_are_plain", "conversation_is_whole", "flat_item_types",
    "hide_secrets", "is_gateway_search", "is_silently_dropped", "outputs_are_text", "owner_is_named",
    "provider_has_responses", "seal_reasoning", "windows_are_known",
]  # fmt: skip

Body = dict[str, Any]


def windows_are_known(_: Backend, __: Recorded, body: Body) -> None:
    """Valar: `metadata.completion_window` is a known one, and `flex` needs `background`."""
    window = (body.get("metadata") or {}).get("completion_window")
    if window is None:
        return
    known = ("asap", "standard", "flex")
    if window not in known:
        raise ApiError(
            400,
            f"Completion window '{window}' is not supported. Supported windows: {', '.join(known)}.",
            param="metadata.completion_window",
        )
    if window == "flex" and not body.get("background"):
        raise ApiError(
            400,
            "Completion window 'flex' requires 'background' to be true.",
            param="metadata.completion_window",
        )


_CODEX = re.compile(r"gpt-5\.\d-codex")


def seal_reasoning(_: Backend, turn: Turn, request: Body) -> Turn:
    """Blackbox: every answer of a codex model has a reasoning item with encrypted content."""
    if not _CODEX.search(request.get("model") or ""):
        return turn
    parts: list[Item] = [dict(part) for part in turn.parts]
    if not any(part["type"] == "reasoning" for part in parts):
        thought = {"type": "reasoning_text", "text": "Let me think."}
        parts.insert(0, {"type": "reasoning", "summary": [], "content": [thought]})
    for part in parts:
        if part["type"] == "reasoning":
            part.setdefault("encrypted_content", True)
    return turn.saying(parts)


def conversation_is_whole(backend: Backend, _: Recorded, body: Body) -> None:
    """Blackbox: no earlier call is left out, and each output follows the calls it belongs to."""
    sent = as_items(body.get("input"))
    present = {item.get("call_id") for item in sent if item.get("type") in CALL_OUTPUTS}
    for context, output in backend.turns():
        if len(sent) <= len(context) or sent[: len(context)] != list(context):
            continue
        for item in output:
            if item["type"] in CALL_OUTPUTS and item["call_id"] not in present:
                raise _malformed(f"function call {item['call_id']} is missing")
    group: set[Any] = set()
    for item in sent:
        kind = item.get("type")
        if kind in CALL_OUTPUTS:
            group.add(item.get("call_id"))
        elif kind not in CALL_OUTPUTS.values():
            group.clear()
        elif item.get("call_id") not in group:
            raise _malformed(f"output {item.get('call_id')} does not follow its call")


def _malformed(what: str) -> ApiError:
    return ApiError(400, f"Malformed conversation: {what}.", param="input")


def call_ids_are_plain(_: Backend, __: Recorded, body: Body) -> None:
    """Blackbox: call ids hold letters, digits, underscores and dashes."""
    for item in as_items(body.get("input")):
        call_id = item.get("call_id")
        if isinstance(call_id, str) and not re.fullmatch(r"[A-Za-z0-9_-]+", call_id):
            raise ApiError(400, f"Invalid call_id '{call_id}'.", param="input")


def is_silently_dropped(item: Item) -> bool:
    """orq.ai: assistant text that is not a list of `output_text` parts never reaches the model."""
    if item.get("role") != "assistant":
        return False
    content = item.get("content")
    return not isinstance(content, list) or any(
        part.get("type") not in {"output_text", "refusal"} for part in content
    )


def agents_exist(backend: Backend, _: Recorded, body: Body) -> None:
    """orq.ai: a model named `agent/<key>` is an agent of the workspace."""
    model = body.get("model") or ""
    known = backend.behaviour.agents
    if model.startswith("agent/") and known is not None and model[6:] not in known:
        raise ApiError(
            404, f"Agent '{model[6:]}' not found.", code="agent_not_found", param="model"
        )


def hide_secrets(_: Backend, response: Body, request: Body) -> None:
    """orq.ai: `variables` are echoed without the secret ones; traces are named."""
    variables = request.get("variables") or {}
    response["variables"] = {
        name: value
        for name, value in variables.items()
        if not (isinstance(value, dict) and value.get("secret"))
    }
    tail = response["id"][-16:].lower()
    response["telemetry"] = {"trace_id": tail * 2, "span_id": tail}
    for name in ("memory", "thread", "identity"):
        if name in request:
            response[name] = request[name]


def owner_is_named(_: Backend, __: Recorded, body: Body) -> None:
    """Otari: `model` and `input` are required, with a list of what is missing as FastAPI gives it."""
    for name in ("model", "input"):
        if body.get(name) is None:
            raise ApiError(422, "Field required", param=name, code="missing")


_WITHOUT_RESPONSES = {
    "anthropic", "azure", "bedrock", "gemini", "lmstudio", "mistral", "ollama", "portkey", "together",
    "xai",
}  # fmt: skip


def provider_has_responses(_: Backend, __: Recorded, body: Body) -> None:
    """Otari: the provider before the first `:` or `/` has a Responses API."""
    provider = re.split("[:/]", body.get("model") or "", maxsplit=1)[0]
    if provider in _WITHOUT_RESPONSES:
        raise ApiError(400, f"Provider '{provider}' does not support the Responses API")


def is_gateway_search(item: Item) -> bool:
    """Otari: searches that the gateway itself ran are taken out of the input again."""
    return item.get("type") == "web_search_call"


_ALEPH_ITEMS = {
    "message", "reasoning", "function_call", "function_call_output", "mcp_list_tools", "mcp_call",
    "mcp_approval_request", "mcp_approval_response",
}  # fmt: skip


def flat_item_types(_: Backend, __: Recorded, body: Body) -> None:
    """Aleph Alpha: the item types of its schema, and no others."""
    for index, item in enumerate(as_items(body.get("input"))):
        if item.get("type") not in _ALEPH_ITEMS:
            name = f"input[{index}].type"
            raise ApiError(400, f"Invalid value: '{item.get('type')}'.", param=name)


def outputs_are_text(_: Backend, __: Recorded, body: Body) -> None:
    """Aleph Alpha: the output of a function call is a string."""
    for index, item in enumerate(as_items(body.get("input"))):
        if item.get("type") == "function_call_output" and not isinstance(item.get("output"), str):
            name = f"input[{index}].output"
            raise ApiError(400, f"Invalid type for '{name}': expected a string.", param=name)


def ask_for_approval(backend: Backend, turn: Turn, request: Body) -> Turn:
    """Aleph Alpha: a call on an MCP server waits for approval unless its tool says `"never"`."""
    answers = [
        i for i in as_items(request.get("input")) if i.get("type") == "mcp_approval_response"
    ]
    free = {
        tool.get("server_label")
        for tool in request.get("tools") or ()
        if tool.get("type") == "mcp" and tool.get("require_approval") == "never"
    }
    for part in turn.parts:
        if part["type"] != "mcp_call" or part["server_label"] in free or answers:
            continue
        backend.next_turn(turn)
        arguments = json.loads(part["arguments"] or "{}")
        return Turn().ask_approval(part["server_label"], part["name"], arguments)
    return turn
