from __future__ import annotations

import json
from typing import Any

import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from responses_adapters.testing import Backend, Request

SDK_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)


def stream(be: Backend, **fields: Any) -> list[Any]:
    body = {"model": "m", "input": "hi", "stream": True, **fields}
    reply = be.handle(Request("POST", "/v1/responses", body=json.dumps(body).encode()))
    assert not isinstance(reply.body, bytes), reply.body
    return [json.loads(frame.data.decode().split("data: ")[1]) for frame in reply.body]


TURNS: dict[str, Any] = {
    "web_search_call": lambda be: be.search_web("news"),
    "mcp_call": lambda be: be.call_mcp("files", "read", {"path": "a"}, output="text"),
    "mcp_list_tools": lambda be: be.list_mcp_tools(
        "files", {"name": "read", "input_schema": {"type": "object"}}
    ),
    "mcp_approval_request": lambda be: be.ask_approval("files", "read", {"path": "a"}),
    "custom_tool_call": lambda be: be.call_custom_tool("shell", "ls -l /a/long/directory/name"),
    "code_interpreter_call": lambda be: be.respond(
        [{"type": "code_interpreter_call", "code": "1", "container_id": "c", "outputs": []}]
    ),
    "file_search_call": lambda be: be.respond(
        [{"type": "file_search_call", "queries": ["a"], "results": None}]
    ),
    "image_generation_call": lambda be: be.respond(
        [{"type": "image_generation_call", "result": "aGk="}]
    ),
}


@pytest.mark.parametrize("kind", TURNS)
def test_items_of_hosted_tools_stream_as_the_sdk_knows_them(kind: str) -> None:
    be = Backend()
    TURNS[kind](be).reply("done")
    events = stream(be)
    for event in events:
        SDK_EVENT.validate_python(event)
    Response.model_validate(events[-1]["response"])
    assert [item["type"] for item in events[-1]["response"]["output"]] == [kind, "message"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))


def test_extension_items_pass_whole() -> None:
    be = Backend()
    be.respond([{"type": "acme:thing", "value": {"a": [1]}}]).reply("done")
    events = stream(be, tools=[{"type": "acme:thing", "depth": 3}])
    item = events[-1]["response"]["output"][0]
    assert (item["type"], item["value"]) == ("acme:thing", {"a": [1]})
    assert item["id"]
    assert events[-1]["response"]["tools"] == [{"type": "acme:thing", "depth": 3}]


def test_an_approval_goes_round() -> None:
    be = Backend()
    be.ask_approval("files", "delete", {"path": "a"})
    asked = stream(be)[-1]["response"]
    be.call_mcp("files", "delete", {"path": "a"}, output="gone").reply("Deleted.")
    answer = {
        "type": "mcp_approval_response",
        "approval_request_id": asked["output"][0]["id"],
        "approve": True,
    }
    assert stream(be, input=[answer], previous_response_id=asked["id"])
    assert [item["type"] for item in be.contexts[-1]][-2:] == [
        "mcp_approval_request",
        "mcp_approval_response",
    ]


def test_an_approval_of_nothing_is_refused() -> None:
    answer = {"type": "mcp_approval_response", "approval_request_id": "mcpr_x", "approve": True}
    body = json.dumps({"model": "m", "input": [answer]}).encode()
    reply = Backend().handle(Request("POST", "/v1/responses", body=body))
    assert isinstance(reply.body, bytes)
    assert "mcpr_x" in json.loads(reply.body)["error"]["message"]


def test_a_custom_call_is_answered_by_a_custom_output() -> None:
    be = Backend()
    be.call_custom_tool("shell", "ls").then.reply("ok")
    first = stream(be)[-1]["response"]
    call_id = first["output"][0]["call_id"]
    output = {"type": "custom_tool_call_output", "call_id": call_id, "output": "a b"}
    assert stream(be, input=[output], previous_response_id=first["id"])
    be.assert_tool_result("shell", contains="a b")


def test_images_and_files_reach_the_model_and_count() -> None:
    be = Backend(brain=lambda context: "ok")
    parts = [
        {"type": "input_text", "text": "look"},
        {"type": "input_image", "image_url": "data:image/png;base64,AA==", "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": "data:application/pdf;base64,AA"},
    ]
    usages = [
        stream(be, input=[{"role": "user", "content": parts[:n]}])[-1]["response"]["usage"]
        for n in (1, 2, 3)
    ]
    tokens = [usage["input_tokens"] for usage in usages]
    assert tokens[0] < tokens[1] < tokens[2]
    assert be.contexts[-1][0]["content"] == parts


def test_log_probabilities_come_when_asked_for() -> None:
    be = Backend(brain=lambda context: "one two")
    events = stream(be, include=["message.output_text.logprobs"])
    for event in events:
        SDK_EVENT.validate_python(event)
    part = events[-1]["response"]["output"][0]["content"][0]
    assert [each["token"] for each in part["logprobs"]] == ["one", " two"]
