from __future__ import annotations

from typing import Any

import pytest

from asking import ask, blocks, datum, send
from responses_adapters.testing import Backend

PATH = "/v1/responses"
CODEX = "openai/gpt-5.3-codex"
USER = {"type": "message", "role": "user", "content": "hi"}


def call(call_id: str) -> Any:
    return {"type": "function_call", "call_id": call_id, "name": "f", "arguments": "{}"}


def output(call_id: str) -> Any:
    return {"type": "function_call_output", "call_id": call_id, "output": "x"}


def blackbox() -> Backend:
    return Backend("blackbox", brain=lambda context: "one two")


def test_f_b1_nested_tools_are_refused_with_an_integer_code() -> None:
    nested = {"type": "function", "function": {"name": "f"}}
    status, body = ask(blackbox(), tools=[nested])
    assert status == 400
    assert (body["error"]["code"], body["error"]["type"]) == (400, "invalid_request_error")


def test_f_b2_a_conversation_without_an_earlier_call_is_malformed() -> None:
    be = Backend("blackbox")
    be.call_tools("f", "f").then.reply("done").times(2)
    _, first = ask(be, [USER])
    a, b = first["output"]
    outputs = [output(each["call_id"]) for each in (a, b)]
    status, body = ask(be, [USER, a, outputs[0], USER])
    assert (status, "is missing" in body["error"]["message"]) == (400, True)
    assert ask(be, [USER, a, b, *outputs])[0] == 200
    assert ask(be, [USER, a, outputs[0], b, outputs[1]])[0] == 200


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ([USER, call("a"), output("a"), USER], 200),
        ([USER, call("a"), call("b"), output("a"), output("b")], 200),
        ([USER, call("a"), USER, output("a")], 400),
        ([USER, call("a"), call("b"), output("a"), USER, output("b")], 400),
    ],
)
def test_f_b2_an_output_follows_its_group_of_calls(sent: Any, status: int) -> None:
    assert ask(blackbox(), sent)[0] == status


def test_f_b3_codex_answers_carry_sealed_reasoning_and_are_never_stored() -> None:
    be = blackbox()
    _, response = ask(be, model=CODEX, store=True)
    assert response["store"] is False
    reasoning, message = response["output"]
    assert (reasoning["type"], reasoning["summary"]) == ("reasoning", [])
    assert reasoning["encrypted_content"]
    assert [item["type"] for item in ask(be, model="openai/other")[1]["output"]] == ["message"]
    replay = [USER, reasoning, message, USER]
    assert ask(be, replay, model=CODEX)[0] == 200
    altered = [USER, {**reasoning, "encrypted_content": "other"}, message, USER]
    assert ask(be, altered, model=CODEX)[0] == 200
    be.configure(strict_seals=True)
    assert ask(be, altered, model=CODEX)[0] == 400
    assert ask(be, replay, model=CODEX)[0] == 200


def test_f_b4_nothing_can_be_retrieved_or_deleted() -> None:
    be = blackbox()
    _, response = ask(be)
    for method in ("GET", "DELETE"):
        status, body = send(be, method, f"{PATH}/{response['id']}")
        assert (status, body["error"]["code"]) == (404, 404)


def test_f_b5_a_stream_has_four_kinds_of_events_and_no_sentinel() -> None:
    told = blocks(blackbox())
    assert all(block.startswith("data: ") for block in told)
    assert [datum(block)["type"] for block in told] == [
        "response.created",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.completed",
    ]
    assert datum(told[1]) == {"type": "response.output_text.delta", "delta": "one"}
    assert datum(told[3]) == {"type": "response.output_text.done", "text": "one two"}
    assert "sequence_number" not in told[-1]
    assert datum(told[-1])["response"]["output"][0]["content"][0]["text"] == "one two"


def test_f_b6_an_error_after_the_start_comes_inside_http_200() -> None:
    be = Backend("blackbox")
    be.fail_turn("server_error", "The provider broke.").times(2)
    status, body = ask(be)
    assert status == 200
    assert body["error"]["message"] == "The provider broke."
    last = datum(blocks(be)[-1])
    assert (last["error"]["code"], last["error"]["message"]) == (502, "The provider broke.")


def test_f_b7_usage_is_two_numbers() -> None:
    assert set(ask(blackbox())[1]["usage"]) == {"input_tokens", "output_tokens"}


def test_f_b8_the_first_version_demanded_three_parameters() -> None:
    from responses_adapters.testing.servers import BLACKBOX_LEGACY

    be = blackbox().configure(demands=BLACKBOX_LEGACY)
    for fields in (
        {},
        {"stream": True, "store": False},
        {"stream": True, "store": True, "instructions": "x"},
    ):
        assert ask(be, **fields)[0] == 400
    assert blocks(be, store=False, instructions="x")


def test_f_b9_call_ids_have_plain_characters() -> None:
    status, body = ask(blackbox(), [USER, call("a:b"), output("a:b")])
    assert (status, "a:b" in body["error"]["message"]) == (400, True)


@pytest.mark.parametrize("name", ["previous_response_id", "conversation", "background"])
def test_what_no_page_tells_of_blackbox_is_not_guessed(name: str) -> None:
    value: Any = True if name == "background" else "x"
    status, body = ask(blackbox(), **{name: value})
    assert status == 501
    assert name in body["error"]["message"]
