"""Nothing a client sends may make the server fail."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from responses_adapters.testing import BEHAVIOURS, Backend, Request
from responses_adapters.testing.parameters import PARAMETERS

WORDS = st.sampled_from(
    [
        "", "message", "function", "function_call", "function_call_output", "reasoning", "user", "assistant",
        "auto", "required", "allowed_tools", "json_schema", "object", "input_text", "output_text", "mcp",
        "mcp_call", "item_reference", "f", "call_1", "compaction", "custom_tool_call", "x:y", "agent/x",
    ]
)  # fmt: skip
KEYS = st.sampled_from(
    [
        "type", "id", "role", "content", "call_id", "name", "arguments", "output", "summary", "text", "format",
        "schema", "parameters", "strict", "tools", "mode", "encrypted_content", "completion_window", "effort",
        "properties", "required", "items", "anyOf", "$ref", "server_label", "input", "additionalProperties",
    ]
)  # fmt: skip
VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.just(0.5) | WORDS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(KEYS, inner, max_size=5),
    max_leaves=12,
)
GOOD_ITEMS = st.sampled_from(
    [
        {"type": "message", "role": "user", "content": "hi"},
        {"type": "message", "role": "assistant", "content": [{"type": "output_text", "text": "x"}]},
        {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"},
        {"type": "function_call_output", "call_id": "call_1", "output": "x"},
        {"type": "reasoning", "id": "rs_1", "summary": [], "encrypted_content": "x"},
        {"type": "mcp_approval_response", "approval_request_id": "x", "approve": True},
    ]
)
GOOD_TOOLS = st.sampled_from(
    [
        {"type": "function", "name": "f", "parameters": {"type": "object"}, "strict": True},
        {"type": "mcp", "server_label": "x"},
        {"type": "custom", "name": "f"},
    ]
)


@st.composite
def spoilt(draw: st.DrawFn, good: st.SearchStrategy[dict[str, Any]]) -> dict[str, Any]:
    """A good object with some of its fields replaced, and some more."""
    whole = dict(draw(good))
    for name in draw(st.lists(st.sampled_from(sorted(whole)) | KEYS, max_size=2)):
        whole[name] = draw(VALUES)
    return whole


BODIES = st.fixed_dictionaries(
    {
        "model": st.just("m") | WORDS,
        "input": st.lists(spoilt(GOOD_ITEMS), max_size=4) | st.just("hi") | VALUES,
        "tools": st.lists(spoilt(GOOD_TOOLS), max_size=2),
    }
)
MORE = st.dictionaries(
    st.sampled_from(sorted(set(PARAMETERS) - {"input", "model"})), VALUES, max_size=2
)


@settings(max_examples=250, deadline=None, derandomize=True)
@given(server=st.sampled_from(sorted(BEHAVIOURS)), body=BODIES, more=MORE)
def test_no_body_makes_the_server_fail(server: str, body: Any, more: Any) -> None:
    be = Backend(server, brain=True)
    raw = json.dumps({**body, **more, "items": body["input"]}).encode()
    path = "/v1/responses"
    for target in (path, f"{path}/input_tokens", f"{path}/compact", "/v1/conversations"):
        reply = be.handle(Request("POST", target, body=raw))
        assert reply.status < 500 or reply.status == 501, reply.body
        assert isinstance(reply.body, bytes) or list(reply.body)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    items=st.lists(st.dictionaries(KEYS, VALUES, max_size=5), max_size=3), path=st.text(max_size=12)
)
def test_no_path_makes_the_server_fail(items: Any, path: str) -> None:
    be = Backend("orq", brain=True)
    body = json.dumps({"items": items, "payload": items, "type": path}).encode()
    for method in ("GET", "POST", "PATCH", "DELETE"):
        for target in (
            f"/v1/responses/{path}",
            f"/v1/conversations/{path}",
            "/v3/agents/a/schedules",
        ):
            query = {"limit": path, "after": path, "starting_after": path}
            assert be.handle(Request(method, target, query, {}, body)).status < 500
