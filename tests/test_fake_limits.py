from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import pytest
from websockets.sync.client import connect

from responses_adapters.testing import Backend, Request, ResponsesServer, make_transport
from responses_adapters.testing.transport import sdk_library

sdk_http = import_module(sdk_library())  # httpx2, or httpx under OpenAI 2.x

TOO_LONG = "The request has more than 1,000 bytes, the most that this server takes."


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


def padded(size: int, **fields: Any) -> bytes:
    return json.dumps({"model": "m", "input": "hi", **fields}).encode().ljust(size)


@pytest.mark.parametrize(
    ("server", "body"),
    [
        (
            "openai",
            {
                "error": {
                    "message": TOO_LONG,
                    "type": "invalid_request_error",
                    "param": None,
                    "code": None,
                }
            },
        ),
        ("otari", {"detail": TOO_LONG}),
        (
            "openrouter",
            {"error": {"code": 413, "message": TOO_LONG, "type": "invalid_request_error"}},
        ),
    ],
)
def test_a_body_over_the_limit_is_refused_in_the_servers_own_shape_and_leaves_no_trace(
    server: str, body: Any
) -> None:
    be = Backend(server).configure(max_body=1000)
    be.reply("still to come")
    before = copy.deepcopy(vars(be.store))
    with sdk_http.Client(transport=make_transport(be)) as client, ResponsesServer(be) as socket:
        for post, base_url in (
            (client.post, "https://api.example/v1"),
            (sdk_http.post, socket.base_url),
        ):
            refused = post(f"{base_url}/responses", content=padded(1001))
            assert (refused.status_code, refused.json()) == (413, body)
            assert vars(be.store) == before
            assert be.contexts == []
            assert "json" not in vars(be.requests[-1])  # never parsed
        fits = sdk_http.post(f"{socket.base_url}/responses", content=padded(1000, user="u"))
    assert "still to come" in fits.text
    assert [each.status for each in be.requests] == [413, 413, 200]
    be.verify()


def test_bodies_are_measured_whatever_they_hold_and_wherever_they_go() -> None:
    be = Backend().configure(max_body=1000)
    for path in ("responses", "responses/compact", "conversations", "nowhere"):
        for body in (padded(1001), b"\xff" * 1001):
            assert be.handle(Request("POST", f"/v1/{path}", body=body)).status == 413
    be.configure(max_body=None)
    assert be.handle(Request("POST", "/v1/nowhere", body=padded(1001))).status == 404


def test_a_body_that_never_ends_is_answered_without_being_read() -> None:
    be = Backend().configure(max_body=100_000)
    sent = 0

    def endless() -> Iterator[bytes]:
        nonlocal sent
        while True:
            sent += 10_000
            yield b" " * 10_000

    with ResponsesServer(be) as socket:
        try:
            status = sdk_http.post(f"{socket.base_url}/responses", content=endless()).status_code
        except sdk_http.TransportError:  # the connection may be closed before the answer is read
            status = 413
    assert status == 413
    assert [len(each.body) for each in be.requests] == [100_001]
    assert sent < 50_000_000


def test_files_as_large_as_openai_takes_them_fit() -> None:
    be = Backend(brain=lambda context: "ok")
    part = {"type": "input_file", "filename": "a.pdf", "file_data": "A" * (50_000_000 * 4 // 3)}
    assert ask(be, [{"role": "user", "content": [part]}])["status"] == "completed"


def test_a_message_over_the_limit_leaves_the_connection_and_its_memory_alone() -> None:
    be = Backend(brain=lambda context: "ok").configure(max_body=1000)
    with (
        ResponsesServer(be) as server,
        connect(server.base_url.replace("http", "ws") + "/responses") as connection,
    ):

        def say(size: int, **fields: Any) -> Any:
            message = padded(size, type="response.create", store=False, **fields)
            connection.send(message.decode())
            events = (json.loads(answer) for answer in connection)
            return next(e for e in events if e["type"] in {"error", "response.completed"})

        first = say(1000)["response"]["id"]
        refused = say(1001, previous_response_id=first)
        assert (refused["status"], refused["error"]["message"]) == (413, TOO_LONG)
        assert say(1000, previous_response_id=first)["response"]["status"] == "completed"


def test_a_message_may_be_as_long_as_a_body() -> None:
    be = Backend().configure(max_body=2**24)
    with (
        ResponsesServer(be) as server,
        connect(server.base_url.replace("http", "ws") + "/responses") as connection,
    ):
        connection.send(" " * (2**24 + 1))
        assert json.loads(connection.recv())["status"] == 413
