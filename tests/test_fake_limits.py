from __future__ import annotations

import json
from typing import Any

from responses_adapters.testing import Backend, Request


def ask(be: Backend, text: Any = "hi", /, **fields: Any) -> Any:
    body = json.dumps({"model": "m", "input": text, **fields}).encode()
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert isinstance(reply.body, bytes)
    return json.loads(reply.body)


def test_what_does_not_fit_is_refused_or_cut_at_the_front() -> None:
    be = Backend(brain=lambda context: "ok").configure(context_window=60)
    long = [{"role": "user", "content": f"{n}" * 100} for n in range(3)]
    assert ask(be, long)["error"]["code"] == "context_length_exceeded"
    assert be.contexts == []
    assert ask(be, long, truncation="auto")["status"] == "completed"
    assert be.contexts[-1].texts == ["1" * 100, "2" * 100]


def test_a_call_is_cut_together_with_its_output() -> None:
    be = Backend(brain=lambda context: "ok").configure(context_window=40)
    sent = [
        {"type": "function_call", "call_id": "c", "name": "f", "arguments": "{}" + " " * 200},
        {"type": "function_call_output", "call_id": "c", "output": "x"},
        {"role": "user", "content": "go on"},
    ]
    ask(be, sent, truncation="auto")
    assert be.contexts[-1].texts == ["go on"]


def test_a_prefix_read_before_comes_from_the_cache() -> None:
    be = Backend(brain=lambda context: "ok")
    first = ask(be, "x" * 6000)
    assert first["usage"]["input_tokens_details"]["cached_tokens"] == 0
    second = ask(be, "y", previous_response_id=first["id"])
    assert second["usage"]["input_tokens_details"]["cached_tokens"] == 1408
    history = [{"type": "message", "role": "user", "content": "x" * 6000}, *first["output"]]
    replayed = ask(be, [*history, {"role": "user", "content": "z"}])
    assert replayed["usage"]["input_tokens_details"]["cached_tokens"] == 1408
    other = ask(be, "y", previous_response_id=first["id"], prompt_cache_key="k")
    assert other["usage"]["input_tokens_details"]["cached_tokens"] == 0
    told = ask(be, "y", previous_response_id=first["id"], instructions="Be brief.")
    assert told["usage"]["input_tokens_details"]["cached_tokens"] == 0


def test_a_script_must_keep_to_what_the_request_allows() -> None:
    tools = [{"type": "function", "name": name} for name in "ab"]
    only_a = {"type": "function", "name": "a"}
    cases: list[tuple[Any, dict[str, Any], str | None]] = [
        (lambda be: be.call_tools("a", "b"), {"parallel_tool_calls": False}, "parallel"),
        (lambda be: be.call_tool("a"), {"parallel_tool_calls": False}, None),
        (lambda be: be.call_tool("a"), {"tool_choice": "none"}, "none"),
        (lambda be: be.reply("x"), {"tool_choice": "none"}, None),
        (lambda be: be.reply("x"), {"tool_choice": "required"}, "required"),
        (lambda be: be.call_tool("b"), {"tool_choice": "required"}, None),
        (lambda be: be.call_tool("b"), {"tool_choice": only_a}, r"allows ['a'] only"),
        (lambda be: be.reply("x"), {"tool_choice": only_a}, "demands one of ['a']"),
        (lambda be: be.call_tool("a"), {"tool_choice": only_a}, None),
        (
            lambda be: be.call_tool("b"),
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [only_a]}},
            "allows ['a'] only",
        ),
        (
            lambda be: be.reply("x"),
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [only_a]}},
            None,
        ),
        (
            lambda be: be.reply("x"),
            {"tool_choice": {"type": "allowed_tools", "mode": "required", "tools": [only_a]}},
            "demands one of ['a']",
        ),
    ]
    for script, fields, complaint in cases:
        be = Backend()
        script(be)
        body = ask(be, tools=tools, **fields)
        if complaint is None:
            assert "output" in body, (fields, body)
        else:
            assert complaint in body["error"]["message"], fields
            assert body["error"]["code"] == "unscripted_request"
        loose = Backend().configure(strict_choice=False)
        script(loose)
        assert "output" in ask(loose, tools=tools, **fields)


def test_hosted_calls_beyond_the_limit_are_ignored() -> None:
    be = Backend()
    be.search_web("a").search_web("b").call_tool("f").reply("done").times(2)
    kinds = [item["type"] for item in ask(be, max_tool_calls=1)["output"]]
    assert kinds == ["web_search_call", "function_call", "message"]
    be.configure(strict_pairs=False)
    assert len(ask(be)["output"]) == 4


def test_a_text_has_a_longest_length() -> None:
    error = ask(Backend(), "x" * 10_485_761)["error"]
    assert (error["param"], error["code"]) == ("input", "string_above_max_length")
