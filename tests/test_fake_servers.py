from __future__ import annotations

import json
from typing import Any

import pytest

from responses_adapters.testing import BEHAVIOURS, Backend, Request, Turn


def send(
    be: Backend, method: str, path: str, body: Any = None, headers: Any = None, **query: str
) -> tuple[int, Any]:
    raw = b"" if body is None else json.dumps(body).encode()
    reply = be.handle(Request(method, path, query, headers or {}, raw))
    assert isinstance(reply.body, bytes)
    return reply.status, json.loads(reply.body) if reply.body else None


def ask(be: Backend, text: Any = "hi", /, **fields: Any) -> tuple[int, Any]:
    return send(be, "POST", PATH, {"model": "m", "input": text, **fields})


PATH = "/v1/responses"


def server(name: str) -> Backend:
    return Backend(name, brain=lambda context: "ok")


@pytest.mark.parametrize("name", ["ollama", "litellm", "otari"])
def test_some_servers_take_the_id_and_forget_the_conversation(name: str) -> None:
    be = server(name)
    _, first = ask(be, "one")
    status, second = ask(be, "two", previous_response_id=first["id"])
    assert status == 200
    assert be.contexts[-1].texts == ["two"]
    assert second["previous_response_id"] != first["id"]
    assert send(be, "GET", f"{PATH}/{first['id']}")[0] == 404


def test_litellm_echoes_an_id_that_was_never_sent() -> None:
    be = server("litellm")
    _, first = ask(be, "one")
    _, second = ask(be, "two", previous_response_id=first["id"])
    assert second["previous_response_id"].startswith("chatcmpl_")
    status, _ = ask(be, tool_choice={"type": "allowed_tools", "mode": "auto", "tools": []})
    assert status == 400


@pytest.mark.parametrize("name", ["ollama", "litellm", "otari"])
def test_some_servers_run_a_background_request_at_once(name: str) -> None:
    status, response = ask(server(name), background=True)
    assert (status, response["status"]) == (200, "completed")


def test_vllm_stores_only_where_told_to_and_loses_the_calls_of_a_chain() -> None:
    be = Backend("vllm")
    be.call_tool("f", call_id="c").then.reply("done").times(3)
    _, first = ask(be)
    status, body = ask(be, previous_response_id=first["id"])
    assert (status, body["error"]["code"]) == (404, 404)
    be.configure(store="default")
    _, kept = ask(be, "one")
    be.reply("x")
    be = Backend("vllm").configure(store="default")
    be.call_tool("f", call_id="c").then.reply("done")
    _, first = ask(be, "one")
    output = {"type": "function_call_output", "call_id": "c", "output": "x"}
    assert ask(be, [output], previous_response_id=first["id"])[0] == 200
    assert [item["type"] for item in be.contexts[-1]] == ["message", "function_call_output"]
    assert kept["store"] is True


@pytest.mark.parametrize("fields", [{"store": True}, {"previous_response_id": "resp_x"}])
def test_openrouter_keeps_nothing_and_says_so(fields: Any) -> None:
    status, body = ask(server("openrouter"), **fields)
    assert (status, body["error"]["code"]) == (400, 400)
    assert ask(server("openrouter"), store=False)[0] == 200


@pytest.mark.parametrize("name", sorted(BEHAVIOURS))
def test_every_server_answers_calls_and_describes_itself(name: str) -> None:
    be = Backend(name, brain=lambda context: Turn().call_tool("f", a=1))
    assert be.behaviour.name == name
    status, response = ask(be, tools=[{"type": "function", "name": "f"}])
    assert status == 200
    assert response["output"][-1]["arguments"] == '{"a":1}'
    assert response["usage"]["input_tokens"] > 0


def test_a_server_that_is_only_profiled_behaves_generically() -> None:
    from dataclasses import replace

    from responses_adapters.profiles import find_server

    profile = replace(find_server("generic"), name="my-server")
    be = Backend(profile, brain=lambda context: "ok")
    assert be.behaviour.name == "my-server"
    assert ask(be)[0] == 200


def test_openai_tells_its_rate_limit_and_keeps_it() -> None:
    be = server("openai").configure(rate_limit=2)
    request = Request("POST", PATH, body=b'{"model": "m", "input": "hi"}')
    replies = [be.handle(request) for _ in range(3)]
    assert [reply.status for reply in replies] == [200, 200, 429]
    left = [reply.headers["x-ratelimit-remaining-requests"] for reply in replies]
    assert left == ["1", "0", "0"]
    assert replies[2].headers["retry-after"] == replies[0].headers[
        "x-ratelimit-reset-requests"
    ].removesuffix("s")
    be.clock.advance(60)
    assert be.handle(request).status == 200
