from __future__ import annotations

import json
from typing import Any

import pytest

from asking import ask, send
from responses_adapters.testing import BEHAVIOURS, Backend, Request, Turn

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


def test_vllm_calls_a_finished_background_response_synchronous() -> None:
    be = server("vllm").configure(store="default").background(polls=1)
    _, response = ask(be, background=True)
    path = f"{PATH}/{response['id']}"
    assert send(be, "GET", path)[1]["status"] == "completed"
    status, body = send(be, "POST", f"{path}/cancel")
    assert (status, body["error"]["message"]) == (400, "Cannot cancel a synchronous response.")


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


FULL = {
    "id", "object", "created_at", "completed_at", "status", "incomplete_details", "model",
    "previous_response_id", "instructions", "output", "error", "tools", "tool_choice", "truncation",
    "parallel_tool_calls", "text", "top_p", "presence_penalty", "frequency_penalty", "top_logprobs",
    "temperature", "reasoning", "usage", "max_output_tokens", "max_tool_calls", "store", "background",
    "service_tier", "metadata", "safety_identifier", "prompt_cache_key",
}  # fmt: skip
THREE = {"input_tokens", "output_tokens", "total_tokens"}
DETAILS = {"input_tokens_details", "output_tokens_details"}
ALL_EVENTS = {
    "response.created", "response.in_progress", "response.output_item.added",
    "response.content_part.added", "response.output_text.delta", "response.output_text.done",
    "response.content_part.done", "response.output_item.done", "response.completed",
    "response.function_call_arguments.delta", "response.function_call_arguments.done",
}  # fmt: skip
DESCRIPTIONS: dict[str, tuple[set[str], set[str], set[str]]] = {
    "valar": (FULL | {"input"}, THREE | DETAILS | {"prompt_tokens", "completion_tokens"}, set()),
    "blackbox": (
        FULL,
        {"input_tokens", "output_tokens"},
        {
            "response.created",
            "response.output_text.delta",
            "response.output_text.done",
            "response.completed",
        },
    ),
    "orq": (FULL | {"input", "variables", "telemetry"}, THREE | DETAILS, ALL_EVENTS),
    "otari": (FULL, THREE | DETAILS, ALL_EVENTS),
    "aleph-alpha": (FULL, THREE, ALL_EVENTS),
    "openrouter": (FULL, THREE | DETAILS, ALL_EVENTS),
    "vllm": (FULL, THREE | DETAILS, ALL_EVENTS),
    "ollama": (FULL, THREE | DETAILS, ALL_EVENTS),
    "litellm": (FULL, THREE | DETAILS, ALL_EVENTS),
}
"""What each server's pages say a body, its usage and a stream hold; no events where it does not stream."""


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_bodies_and_streams_hold_what_the_server_describes(name: str) -> None:
    fields, usage, events = DESCRIPTIONS[name]
    be = Backend(name, brain=lambda context: Turn().reply("one two").call_tool("f", a=1))
    _, response = ask(be)
    assert set(response) - {"user"} == fields
    assert set(response["usage"]) == usage
    reply = be.handle(Request("POST", PATH, body=b'{"model":"m","input":"hi","stream":true}'))
    if not events:
        assert reply.status == 400
        return
    assert not isinstance(reply.body, bytes)
    lines = b"".join(frame.data for frame in reply.body).decode().splitlines()
    told = [json.loads(line[6:]) for line in lines if line.startswith("data: {")]
    assert {event["type"] for event in told} == events
    final = told[-1]["response"]
    assert [item["type"] for item in final["output"]] == ["message", "function_call"]
