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
            "Invalid value: 'some'. Supported values are: 'auto' and 'disabled'.",
        ),
        (
            {"previous_response_id": "resp 1"},
            "previous_response_id",
            "invalid_value",
            (
                "Invalid 'previous_response_id': 'resp 1'. Expected an ID that contains letters, numbers,"
                " underscores, or dashes, but this value contained additional characters."
            ),
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


TOOL = {"type": "function", "name": "f"}
LONG = "x" * 65
TOO_LONG = "string too long. Expected a string with maximum length"
CLOSED = {"type": "object", "additionalProperties": False}
NO_ADDITIONAL = "'additionalProperties' is required to be supplied and to be false."
UNREQUIRED = {**CLOSED, "properties": {"x": {}}}
NESTED = {**CLOSED, "properties": {"a": UNREQUIRED}, "required": ["a"]}


def said_by(role: str, *parts: Any) -> Any:
    return {"input": [{"role": role, "content": list(parts)}]}


def strict_tool(schema: Any) -> Any:
    return {"tools": [{**TOOL, "strict": True, "parameters": schema}]}


def strict_format(**fields: Any) -> Any:
    return {"text": {"format": {"type": "json_schema", "strict": True, **fields}}}


@pytest.mark.parametrize(
    ("body", "param", "message"),
    [
        (
            {"input": None},
            "input",
            "One of \"input\" or \"previous_response_id\" or 'prompt' or 'conversation_id' must be provided.",
        ),
        (
            {"input": [{"type": "message", "role": "user"}]},
            "input[0].content",
            "Missing required parameter: 'input[0].content'.",
        ),
        (
            said_by("tool"),
            "input[0]",
            "Invalid value: 'tool'. Supported values are: 'assistant', 'system', 'developer', and 'user'.",
        ),
        (
            said_by("assistant", {"type": "input_text", "text": "x"}),
            "input[0].content[0]",
            "Invalid value: 'input_text'. Supported values are: 'output_text' and 'refusal'.",
        ),
        (
            said_by("user", {"text": "x"}),
            "input[0].content[0].type",
            "Missing required parameter: 'input[0].content[0].type'.",
        ),
        (
            said_by("user", {"type": "input_text"}),
            "input[0].content[0].text",
            "Missing required parameter: 'input[0].content[0].text'.",
        ),
        (
            said_by("user", "x"),
            "input[0].content[0]",
            "Invalid type for 'input[0].content[0]': expected an object, but got a string instead.",
        ),
        (
            said_by("user", {"type": "input_image", "image_url": 3}),
            "input[0].content[0].image_url",
            "Invalid type for 'input[0].content[0].image_url': expected a string, but got an integer instead.",
        ),
        (
            {"tool_choice": {"type": "allowed_tools", "mode": "auto", "tools": [{"type": {}}]}},
            "tool_choice.type",
            "Invalid type for 'tool_choice.type': expected a string, but got an object instead.",
        ),
        (
            {"input": [{**CALL, "arguments": {}}, OUTPUT]},
            "input[0].arguments",
            "Invalid type for 'input[0].arguments': expected a string, but got an object instead.",
        ),
        (
            {"input": [{**CALL, "parsed_arguments": {}}, OUTPUT]},
            "input[0].parsed_arguments",
            "Unknown parameter: 'input[0].parsed_arguments'.",
        ),
        (
            {"input": [{"type": "reasoning", "summary": [], "status": "completed"}, USER]},
            "input[0].status",
            "Unknown parameter: 'input[0].status'.",
        ),
        (
            {"input": [{**CALL, "id": "call_1"}, OUTPUT]},
            "input[0].id",
            "Invalid 'input[0].id': 'call_1'. Expected an ID that begins with 'fc'.",
        ),
        (
            {"input": [{"role": "assistant", "content": "x", "id": "lc_run--1"}]},
            "input[0].id",
            "Invalid 'input[0].id': 'lc_run--1'. Expected an ID that begins with 'msg'.",
        ),
        (
            {"input": [{**OUTPUT, "call_id": LONG}]},
            "input[0].call_id",
            f"Invalid 'input[0].call_id': {TOO_LONG} 64, but got a string with length 65 instead.",
        ),
        (
            {"tools": [{"type": "function", "function": {"name": "f"}}]},
            "tools[0].name",
            "Missing required parameter: 'tools[0].name'.",
        ),
        (
            {"tools": [{"name": "f"}]},
            "tools[0].type",
            "Missing required parameter: 'tools[0].type'.",
        ),
        (
            {"tools": [{**TOOL, "name": "a b"}]},
            "tools[0].name",
            (
                "Invalid 'tools[0].name': string does not match pattern."
                " Expected a string that matches the pattern '^[a-zA-Z0-9_-]+$'."
            ),
        ),
        (
            {"tools": [{**TOOL, "name": LONG}]},
            "tools[0].name",
            f"Invalid 'tools[0].name': {TOO_LONG} 64, but got a string with length 65 instead.",
        ),
        (
            {"tools": [{**TOOL, "parameters": []}]},
            "tools[0].parameters",
            "Invalid type for 'tools[0].parameters': expected an object, but got an array instead.",
        ),
        (
            {"tool_choice": {"type": "function", "name": "g"}, "tools": [TOOL]},
            "tool_choice",
            "Tool choice 'function' not found in 'tools' parameter.",
        ),
        (
            {"tool_choice": "any"},
            "tool_choice",
            "Invalid value: 'any'. Supported values are: 'none', 'auto', and 'required'.",
        ),
        (
            {"tool_choice": {"type": "function"}},
            "tool_choice.name",
            "Missing required parameter: 'tool_choice.name'.",
        ),
        (
            {"metadata": {str(n): "x" for n in range(17)}},
            "metadata",
            (
                "Invalid 'metadata': too many properties. Expected an object with at most 16 properties,"
                " but got an object with 17 properties instead."
            ),
        ),
        (
            {"metadata": {LONG: "x"}},
            "metadata",
            f"Invalid 'metadata': {TOO_LONG} 64, but got a string with length 65 instead.",
        ),
        (
            {"metadata": {"a": "x" * 513}},
            "metadata.a",
            f"Invalid 'metadata.a': {TOO_LONG} 512, but got a string with length 513 instead.",
        ),
        (
            {"metadata": {"a": 1}},
            "metadata.a",
            "Invalid type for 'metadata.a': expected a string, but got an integer instead.",
        ),
        (
            strict_format(schema={}),
            "text.format.name",
            "Missing required parameter: 'text.format.name'.",
        ),
        (
            {"text": {"format": {"type": "yaml"}}},
            "text.format.type",
            "Invalid value: 'yaml'. Supported values are: 'json_object', 'json_schema', and 'text'.",
        ),
        (
            strict_format(name="n", schema={"type": "object"}),
            "text.format.schema",
            f"Invalid schema for response_format 'n': In context=(), {NO_ADDITIONAL}",
        ),
        (
            strict_tool({"type": "object"}),
            "tools[0].parameters",
            f"Invalid schema for function 'f': In context=(), {NO_ADDITIONAL}",
        ),
        (
            strict_tool(NESTED),
            "tools[0].parameters",
            (
                "Invalid schema for function 'f': In context=('properties', 'a'), 'required' is required to be"
                " supplied and to be an array including every key in properties. Missing 'x'."
            ),
        ),
    ],
)
def test_the_form_of_items_tools_and_formats_is_checked(
    body: Any, param: str, message: str
) -> None:
    status, told = error({"input": "hi", **body})
    assert (status, told["message"], told["param"]) == (400, message, param)


def test_unknown_types_of_items_and_tools_are_refused_and_extensions_pass() -> None:
    _, told = error({"input": [{"type": "thing"}]})
    assert told["message"].startswith("Invalid value: 'thing'. Supported values are: ")
    _, told = error({"input": "x", "tools": [{"type": "thing"}]})
    assert told["message"].startswith("Invalid value: 'thing'. Supported values are: ")
    passing = {"input": [{"type": "acme:thing"}], "tools": [{"type": "acme:tool"}]}
    assert error(passing)[0] == 200


def test_reasoning_goes_with_the_item_that_followed_it() -> None:
    be = Backend()
    be.reason(encrypted=True).call_tool("f", call_id="call_1").then.reply("ok").times(2)
    raw = be.handle(Request("POST", "/v1/responses", body=b'{"model":"m","input":"a"}')).body
    assert isinstance(raw, bytes)
    reasoning, call = json.loads(raw)["output"]
    assert error({"input": [USER, reasoning, call, OUTPUT]}, be)[0] == 200
    assert error({"input": [USER, call, OUTPUT]}, be)[1]["message"] == (
        f"Item '{call['id']}' of type 'function_call' was provided without its required"
        f" 'reasoning' item: '{reasoning['id']}'."
    )
    alone = (
        f"Item '{reasoning['id']}' of type 'reasoning' was provided without its required"
        " following item."
    )
    assert error({"input": [USER, reasoning]}, be)[1]["message"] == alone
    assert error({"input": [reasoning, USER]}, be)[1]["message"] == alone
    without_id = {name: value for name, value in call.items() if name != "id"}
    assert error({"input": [USER, without_id, OUTPUT]}, be)[0] == 200


def test_reasoning_that_was_not_stored_cannot_come_back_without_its_seal() -> None:
    be = Backend()
    be.reason(encrypted=True).reply("ok").then.reply("fine")
    body = b'{"model":"m","input":"a","store":false}'
    raw = be.handle(Request("POST", "/v1/responses", body=body)).body
    assert isinstance(raw, bytes)
    reasoning, message = json.loads(raw)["output"]
    bare = {name: value for name, value in reasoning.items() if name != "encrypted_content"}
    status, told = error({"input": [USER, bare, message]}, be)
    assert status == 404
    assert told["message"] == (
        f"Item with id '{reasoning['id']}' not found. Items are not persisted when `store` is set"
        " to false. Try again with `store` set to true, or remove this item from your input."
    )
    assert error({"input": [USER, reasoning, message]}, be)[0] == 200
    forged = {**reasoning, "encrypted_content": "gAAAforgedQ=="}
    status, told = error({"input": [USER, forged, message]}, be)
    assert (status, told["code"]) == (400, "invalid_encrypted_content")
    assert told["message"].startswith("The encrypted content gAAA...dQ== could not be verified.")


@pytest.mark.parametrize(
    ("schema", "context"),
    [
        ({"anyOf": [{"type": "string"}, {"type": "object"}]}, "('anyOf', '1')"),
        ({**CLOSED, "$defs": {"A": {"type": "object"}}}, "('$defs', 'A')"),
        ({"type": "array", "items": {"type": "object"}}, "('items',)"),
        ({"type": "array", "items": CLOSED}, None),
        ({**CLOSED, "properties": [], "$defs": 3, "anyOf": True}, None),
        ({"properties": {"x": True}, "additionalProperties": False, "required": 3}, "()"),
    ],
)
def test_strict_schemas_are_walked_to_their_last_object(schema: Any, context: str | None) -> None:
    status, told = error({"input": "hi", **strict_tool(schema)})
    if context is None:
        assert status == 200
    else:
        assert f"In context={context}, " in told["message"]


def test_hosted_tools_may_be_chosen_by_type_alone() -> None:
    body = {"input": "hi", "tools": [{"type": "web_search"}], "tool_choice": {"type": "web_search"}}
    assert error(body)[0] == 200
