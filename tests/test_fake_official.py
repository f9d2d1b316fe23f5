"""What the official Open Responses compliance suite asserts, and what it leaves out, held by our own tests."""

from __future__ import annotations

import json
from typing import Any

import openresponses_types as spec
import pytest

from responses_adapters.testing import Backend, Request
from responses_adapters.testing.websocket import SocketSession

PIXEL = "data:image/png;base64,iVBORw0KGgo="
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string"}},
        "required": ["location"],
    },
}


def message(role: str, content: Any, **fields: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **fields}


def post(be: Backend, path: str = "/v1/responses", /, **fields: Any) -> tuple[int, Any]:
    body = json.dumps({"model": "gpt-4o-mini", **fields}).encode()
    reply = be.handle(Request("POST", path, body=body))
    if isinstance(reply.body, bytes):
        return reply.status, json.loads(reply.body)
    return reply.status, [frame.data.decode() for frame in reply.body]


def complete(be: Backend, **fields: Any) -> Any:
    status, body = post(be, **fields)
    assert status == 200, body
    spec.ResponseResource.model_validate(body)
    assert body["output"]
    return body


@pytest.fixture
def be() -> Backend:
    return Backend(brain=True)


@pytest.mark.parametrize(
    "items",
    [
        [message("user", "Say hello in exactly 3 words.")],
        [
            message("assistant", "Checking the plan first.", phase="commentary"),
            message("assistant", "The plan is ready.", phase="final_answer"),
            message("user", "Summarize the previous final answer."),
        ],
        [message("system", "You are a pirate."), message("user", "Say hello.")],
        [
            message(
                "user",
                [
                    {"type": "input_text", "text": "What is in this image?"},
                    {"type": "input_image", "image_url": PIXEL},
                ],
            )
        ],
        [
            message(
                "user",
                [
                    {"type": "input_text", "text": "What is in this file?"},
                    {"type": "input_file", "filename": "a.pdf", "file_data": "data:x;base64,AA"},
                ],
            )
        ],
        [
            message("user", "My name is Alice."),
            message("assistant", "Hello Alice!"),
            message("user", "What is my name?"),
        ],
    ],
    ids=["basic", "phase", "system", "image", "file", "turns"],
)
def test_a_request_of_the_suite_completes(be: Backend, items: Any) -> None:
    assert complete(be, input=items)["status"] == "completed"
    assert complete(be, input=items, stream=False)["status"] == "completed"


def test_a_tool_is_called_when_the_question_needs_it(be: Backend) -> None:
    question = "What's the weather like in San Francisco?"
    body = complete(be, input=[message("user", question)], tools=[WEATHER])
    (call,) = [item for item in body["output"] if item["type"] == "function_call"]
    assert json.loads(call["arguments"]) == {"location": "San Francisco"}


def test_a_forced_call_goes_round(be: Backend) -> None:
    forced = {"type": "function", "name": "get_weather"}
    first = complete(be, input="Hi", tools=[WEATHER], tool_choice=forced)
    call = first["output"][0]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "sunny"}
    second = complete(be, input=[output], tools=[WEATHER], previous_response_id=first["id"])
    assert "sunny" in second["output"][0]["content"][0]["text"]


def test_a_chain_over_http_remembers(be: Backend) -> None:
    first = complete(be, input="The code word is plum.")
    second = complete(be, input="What is the code word?", previous_response_id=first["id"])
    assert second["previous_response_id"] == first["id"]
    assert "plum" in second["output"][0]["content"][0]["text"]


def test_a_stream_keeps_the_order_the_specification_gives(be: Backend) -> None:
    _, blocks = post(be, input=[message("user", "Count from 1 to 5.")], stream=True)
    events = []
    for block in blocks:
        name, data = block.strip().split("\n")
        events.append(json.loads(data.removeprefix("data: ")))
        assert name == f"event: {events[-1]['type']}"
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    kinds = [event["type"] for event in events]
    deltas = kinds.count("response.output_text.delta")
    assert deltas > 1
    assert kinds == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        *["response.output_text.delta"] * deltas,
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert len({event["item_id"] for event in events if "item_id" in event}) == 1


def test_compaction_gives_a_resource_and_needs_a_model(be: Backend) -> None:
    history = [message("user", "a"), message("assistant", "b")]
    status, body = post(be, "/v1/responses/compact", input=history, prompt_cache_key="k")
    assert status == 200
    spec.CompactResource.model_validate(body)
    assert post(be, "/v1/responses/compact", input=history, model=None)[0] == 400


def turn(session: SocketSession, **fields: Any) -> list[Any]:
    told = {"type": "response.create", "model": "gpt-4o-mini", **fields}
    return [json.loads(text) for text in session.receive(json.dumps(told))]


def completes(events: list[Any]) -> Any:
    assert events[-1]["type"] == "response.completed", events
    response = events[-1]["response"]
    spec.ResponseResource.model_validate(response)
    return response


def test_sockets_continue_recover_and_start_anew(be: Backend) -> None:
    session = be.socket()
    first = completes(turn(session, input="one", store=False))
    second = completes(turn(session, input="two", store=False, previous_response_id=first["id"]))
    fresh = be.socket()
    (lost,) = turn(fresh, input="three", store=False, previous_response_id=second["id"])
    assert lost["error"]["code"] == "previous_response_not_found"
    completes(turn(fresh, input="four", store=False))
    _, compacted = post(be, "/v1/responses/compact", input=[message("user", "a")])
    completes(turn(fresh, input=[*compacted["output"], message("user", "b")], tools=[]))
