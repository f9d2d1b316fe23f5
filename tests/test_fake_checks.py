from __future__ import annotations

import json
from typing import Any

import pytest

from responses_adapters.testing import Backend, Request

CALL = {"type": "function_call", "call_id": "call_1", "name": "f", "arguments": "{}"}
OUTPUT = {"type": "function_call_output", "call_id": "call_1", "output": "x"}
USER = {"type": "message", "role": "user", "content": "hi"}


def error(body: Any, be: Backend | None = None) -> tuple[int, Any]:
    be = be or Backend(brain=lambda context: "ok")
    raw = body if isinstance(body, bytes) else json.dumps({"model": "m", **body}).encode()
    reply = be.handle(Request("POST", "/v1/responses", body=raw))
    assert isinstance(reply.body, bytes)
    return reply.status, json.loads(reply.body).get("error")


@pytest.mark.parametrize("body", [b"{", b"[]", b'"x"', b"\xff"])
def test_a_body_that_is_no_json_object_is_refused(body: bytes) -> None:
    status, told = error(body)
    assert status == 400
    assert "parse the JSON body" in told["message"]


@pytest.mark.parametrize(
    ("body", "param", "code", "message"),
    [
        (
            {"modle": 1},
            "modle",
            "unknown_parameter",
            "Unknown parameter: 'modle'.",
        ),
        (
            {"model": None},
            "model",
            "missing_required_parameter",
            "Missing required parameter: 'model'.",
        ),
        (
            {"input": 3},
            "input",
            "invalid_type",
            "Invalid type for 'input': expected one of an array of objects or string, but got an integer instead.",
        ),
        (
            {"max_output_tokens": True},
            "max_output_tokens",
            "invalid_type",
            "Invalid type for 'max_output_tokens': expected an integer, but got a boolean instead.",
        ),
        (
            {"input": ["x"]},
            "input[0]",
            "invalid_type",
            "Invalid type for 'input[0]': expected an object, but got a string instead.",
        ),
        (
            {"temperature": 3},
            "temperature",
            "decimal_above_max_value",
            (
                "Invalid 'temperature': decimal maximum value exceeded."
                " Expected a value less than or equal to 2, but got 3 instead."
            ),
        ),
        (
            {"max_output_tokens": 1},
            "max_output_tokens",
            "integer_below_min_value",
            (
                "Invalid 'max_output_tokens': integer minimum value exceeded."
                " Expected a value greater than or equal to 16, but got 1 instead."
            ),
        ),
        (
            {"truncation": "some"},
            "truncation",
            "invalid_value",
            "Invalid value: 'some'. Supported values are: 'auto', 'disabled'.",
        ),
        (
            {"previous_response_id": "resp_1", "conversation": "conv_1"},
            "previous_response_id",
            "mutually_exclusive_parameters",
            "Mutually exclusive parameters: 'previous_response_id' and 'conversation'. Provide only one of them.",
        ),
    ],
)
def test_a_parameter_at_fault_is_named(body: Any, param: str, code: str, message: str) -> None:
    told = {"message": message, "type": "invalid_request_error", "param": param, "code": code}
    assert error(body) == (400, told)


@pytest.mark.parametrize(
    ("sent", "message"),
    [
        ([USER, CALL], "No tool output found for function call call_1."),
        ([OUTPUT], "No tool call found for function call output with call_id call_1."),
        ([OUTPUT, CALL], "No tool call found for function call output with call_id call_1."),
        (
            [{"type": "custom_tool_call", "call_id": "c", "name": "g", "input": ""}],
            "No tool output found for custom tool call c.",
        ),
        (
            [{"type": "custom_tool_call_output", "call_id": "c", "output": ""}],
            "No tool call found for custom tool call output with call_id c.",
        ),
        (
            [{**CALL, "id": "fc_1"}, OUTPUT, {**CALL, "id": "fc_1"}, OUTPUT],
            "Duplicate item found with id fc_1. Remove duplicate items from your input and try again.",
        ),
    ],
)
def test_calls_outputs_and_ids_must_add_up(sent: Any, message: str) -> None:
    told = {
        "message": message,
        "type": "invalid_request_error",
        "param": "input",
        "code": None,
    }
    assert error({"input": sent}) == (400, told)
    assert error({"input": [CALL, OUTPUT]})[0] == 200


def test_the_stored_context_counts_too() -> None:
    be = Backend()
    be.call_tool("f", call_id="call_1").then.reply("ok").times(2)
    raw = be.handle(Request("POST", "/v1/responses", body=b'{"model":"m","input":"a"}')).body
    assert isinstance(raw, bytes)
    first = json.loads(raw)
    chained = {"previous_response_id": first["id"]}
    status, told = error({**chained, "input": "b"}, be)
    assert (status, told["message"]) == (400, "No tool output found for function call call_1.")
    status, told = error({**chained, "input": [*first["output"], OUTPUT]}, be)
    assert told["message"].startswith(f"Duplicate item found with id {first['output'][0]['id']}.")
    assert error({**chained, "input": [OUTPUT]}, be)[0] == 200
    assert len(be.contexts) == 2
