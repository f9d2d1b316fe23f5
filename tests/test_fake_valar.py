from __future__ import annotations

from typing import Any

import pytest

from asking import ask, send
from responses_adapters.testing import Backend, Request

PATH = "/v1/responses"


def valar() -> Backend:
    return Backend("valar", brain=lambda context: "ok")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"stream": True}, "stream"),
        ({"store": False}, "store"),
        ({"previous_response_id": "resp_1"}, "previous_response_id"),
        ({"conversation": "conv_1"}, "conversation"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type"),
        ({"text": {"format": {"type": "json_object"}}}, "text.format.type"),
        ({"include": ["reasoning.encrypted_content"]}, "include[0]"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls"),
        ({"truncation": "auto"}, "truncation"),
        ({"reasoning": {"summary": "auto"}}, "reasoning.summary"),
        ({"prompt": {"id": "p"}}, "prompt"),
    ],
)
def test_f_v1_what_valar_does_not_support_is_refused_by_name(fields: Any, param: str) -> None:
    status, body = ask(valar(), **fields)
    assert (status, body["error"]["type"]) == (400, "invalid_request_error")
    assert body["error"]["param"] == param
    assert param in body["error"]["message"]


def test_f_v1_what_valar_supports_passes() -> None:
    fields = {
        "store": True,
        "truncation": "disabled",
        "tools": [{"type": "function", "name": "f"}, {"type": "custom", "name": "g"}],
        "include": ["message.output_text.logprobs"],
        "reasoning": {"effort": "minimal", "generate_summary": "auto"},
        "something_new": 1,
    }
    assert ask(valar(), **fields)[0] == 200


def test_f_v2_instructions_are_refused_unless_switched() -> None:
    be = valar()
    assert ask(be, instructions="Be brief.")[1]["error"]["param"] == "instructions"
    refusals = tuple(each for each in be.behaviour.refusals if each.path != "instructions")
    be.configure(refusals=refusals)
    assert ask(be, instructions="Be brief.")[0] == 200
    assert be.contexts[-1].instructions == "Be brief."
    be.configure(ignores=frozenset({"instructions"}))
    assert ask(be, instructions="Be brief.")[0] == 200
    assert be.contexts[-1].instructions is None


@pytest.mark.parametrize("waits", [("pending", "running"), ("queued", "in_progress")])
def test_f_v3_background_is_accepted_with_usage_and_goes_on(waits: tuple[str, str]) -> None:
    be = valar().configure(background_waits=waits)
    status, response = ask(be, background=True)
    assert (status, response["status"]) == (202, waits[0])
    assert response["usage"]["total_tokens"] == 0
    path = f"{PATH}/{response['id']}"
    polled = [send(be, "GET", path)[1] for _ in range(2)]
    assert [each["status"] for each in polled] == [waits[1], "completed"]
    assert {each["id"] for each in polled} == {response["id"]}
    assert polled[1]["usage"]["total_tokens"] > 0


def test_f_v4_an_idempotency_key_gives_the_same_response_again() -> None:
    be = valar()
    body = {"model": "m", "input": "hi", "background": True}
    key = {"idempotency-key": "k1", "authorization": "Bearer a"}
    assert send(be, "POST", PATH, {**body, "stream": True}, key)[0] == 400
    _, first = send(be, "POST", PATH, body, key)
    send(be, "GET", f"{PATH}/{first['id']}")
    status, again = send(be, "POST", PATH, body, key)
    assert (status, again["id"], again["status"]) == (202, first["id"], "running")
    send(be, "GET", f"{PATH}/{first['id']}")
    status, again = send(be, "POST", PATH, body, key)
    assert (status, again["status"]) == (200, "completed")
    assert len(be.contexts) == 1
    status, changed = send(be, "POST", PATH, {**body, "input": "ho"}, key)
    assert (status, changed["error"]["type"]) == (400, "idempotency_error")
    assert (
        send(be, "POST", PATH, body, {**key, "authorization": "Bearer b"})[1]["id"] != first["id"]
    )
    assert send(be, "POST", PATH, body, {"idempotency-key": "k" * 256})[0] == 400


def test_f_v5_there_is_no_delete_and_no_cancel() -> None:
    be = valar()
    _, response = ask(be)
    path = f"{PATH}/{response['id']}"
    assert send(be, "DELETE", path)[0] == 405
    assert send(be, "POST", f"{path}/cancel")[0] == 404
    assert send(be, "GET", f"{path}/input_items")[0] == 404
    assert send(be, "POST", "/v1/conversations")[0] == 404
    assert send(be, "GET", path)[0] == 200


def test_f_v6_usage_has_aliases_and_both_details_in_both() -> None:
    _, response = ask(valar())
    read, written = response["usage"]["input_tokens"], response["usage"]["output_tokens"]
    details = {"cached_tokens": 0, "reasoning_tokens": 0}
    assert response["usage"] == {
        "input_tokens": read,
        "output_tokens": written,
        "total_tokens": read + written,
        "prompt_tokens": read,
        "completion_tokens": written,
        "input_tokens_details": details,
        "output_tokens_details": details,
    }


def test_f_v7_the_flex_window_needs_background_and_windows_are_known() -> None:
    be = valar()
    flex = {"completion_window": "flex"}
    assert ask(be, metadata=flex)[0] == 400
    assert ask(be, metadata=flex, background=True)[0] == 202
    status, body = ask(be, metadata={"completion_window": "never"})
    assert (status, "asap, standard, flex" in body["error"]["message"]) == (400, True)


def test_f_v8_a_webhook_gets_the_bytes_of_a_get_at_most_three_times() -> None:
    be = valar()
    metadata = {"completion_webhook": "https://me.example/hook", "webhook_token": "t"}
    _, response = ask(be, metadata=metadata, background=True)
    ask(be, metadata={"completion_webhook": "not an address"})
    sent: list[tuple[str, Request]] = []

    def post(address: str, request: Request) -> int:
        sent.append((address, request))
        return 500 if len(sent) < 3 else 200

    assert be.deliver_webhooks(post) == []
    path = f"{PATH}/{response['id']}"
    for _ in range(2):
        send(be, "GET", path)
    assert be.deliver_webhooks(post) == [response["id"]]
    assert [address for address, _ in sent] == ["https://me.example/hook"] * 3
    assert sent[0][1].headers["authorization"] == "Bearer t"
    assert sent[0][1].body == be.handle(Request("GET", path)).body
    assert be.deliver_webhooks(post) == []


def test_f_v9_a_synchronous_call_can_time_out_and_the_key_finds_the_answer() -> None:
    be = valar()
    be.reply("late").time_out()
    key = {"idempotency-key": "k"}
    body = {"model": "m", "input": "hi"}
    assert send(be, "POST", PATH, body, key)[0] == 504
    status, response = send(be, "POST", PATH, body, key)
    assert status == 200
    assert response["output"][0]["content"][0]["text"] == "late"
    assert len(be.contexts) == 1


@pytest.mark.parametrize(("role", "status"), [("tool", 200), ("system", 200), ("developer", 400)])
def test_valar_has_roles_of_its_own(role: str, status: int) -> None:
    assert ask(valar(), [{"type": "message", "role": role, "content": "x"}])[0] == status


def test_valar_keeps_every_response_and_echoes_its_input() -> None:
    be = valar()
    _, response = ask(be, "remember")
    assert (response["store"], response["input"]) == (True, "remember")
    assert send(be, "GET", f"{PATH}/{response['id']}") == (200, response)


def test_the_announced_version_of_valar_streams() -> None:
    from responses_adapters.testing.servers import VALAR_STREAMS

    be = valar().configure(refusals=VALAR_STREAMS)
    body = b'{"model": "m", "input": "hi", "stream": true}'
    assert be.handle(Request("POST", PATH, body=body)).status == 200


def test_a_tool_loop_replays_everything() -> None:
    be = Backend("valar")
    be.call_tool("f", call_id="call_1").then.reply("done")
    _, first = ask(be)
    output = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
    assert first["status"] == "completed"
    ask(be, [{"type": "message", "role": "user", "content": "hi"}, *first["output"], output])
    be.assert_replayed()


def test_a_webhook_without_a_token_has_no_authorization_and_other_servers_call_none() -> None:
    metadata = {"completion_webhook": "https://me.example"}
    sent: list[Request] = []

    def post(_: str, request: Request) -> int:
        sent.append(request)
        return 500

    be = valar()
    ask(be, metadata=metadata)
    assert be.deliver_webhooks(post) == []
    assert len(sent) == 3
    assert (sent[0].path, "authorization" in sent[0].headers) == ("/", False)
    other = Backend(brain=lambda context: "ok")
    ask(other, metadata=metadata)
    assert other.deliver_webhooks(post) == []
    assert len(sent) == 3
