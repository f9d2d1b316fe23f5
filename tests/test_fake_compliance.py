"""What the official Open Responses suite asserts, and what it leaves out, over a real socket."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from importlib import import_module
from typing import Any

import openresponses_types as spec
import pytest
from websockets.sync.client import ClientConnection, connect

from responses_adapters.testing import Backend
from responses_adapters.testing.server import ResponsesServer
from responses_adapters.testing.transport import sdk_library

sdk_http = import_module(sdk_library())  # httpx2, or httpx under OpenAI 2.x

EVENTS: dict[str, Any] = {
    next(iter(model.model_fields["type"].annotation)).value: model
    for name, model in vars(spec).items()
    if name.endswith("StreamingEvent")
}
PIXEL = "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
WEATHER = {
    "type": "function",
    "name": "get_weather",
    "description": "Get the current weather for a location",
    "parameters": {
        "type": "object",
        "properties": {"location": {"type": "string", "description": "The city"}},
        "required": ["location"],
    },
}


def said(role: str, content: Any, **extra: Any) -> dict[str, Any]:
    return {"type": "message", "role": role, "content": content, **extra}


@pytest.fixture(scope="module")
def server() -> Iterator[ResponsesServer]:
    with ResponsesServer(Backend(brain=True)) as running:
        yield running


@pytest.fixture
def http(server: ResponsesServer) -> Iterator[Any]:
    key = {"authorization": "Bearer any"}
    with sdk_http.Client(base_url=server.base_url, headers=key) as client:
        yield client


@pytest.fixture
def socket(server: ResponsesServer) -> Iterator[ClientConnection]:
    with connect(f"ws://127.0.0.1:{server.port}/v1/responses") as connection:
        yield connection


def completed(answer: Any) -> dict[str, Any]:
    body: dict[str, Any] = answer.json()
    assert answer.status_code == 200, body
    spec.ResponseResource.model_validate(body)
    assert (body["status"], bool(body["output"])) == ("completed", True)
    return body


REQUESTS = {
    "basic": [said("user", "Say hello in exactly 3 words.")],
    "phases": [
        said("assistant", "I should look it up.", phase="commentary"),
        said("assistant", "The number is four.", phase="final_answer"),
        said("user", "Repeat only the number."),
    ],
    "system prompt": [said("system", "You are a pirate."), said("user", "Say hello.")],
    "image": [
        said(
            "user",
            [
                {"type": "input_text", "text": "What do you see?"},
                {"type": "input_image", "image_url": PIXEL},
            ],
        )
    ],
    "file": [
        said(
            "user",
            [
                {"type": "input_text", "text": "Summarise it."},
                {
                    "type": "input_file",
                    "filename": "a.pdf",
                    "file_data": "data:application/pdf;base64,"
                    + base64.b64encode(b"%PDF-1.4").decode(),
                },
            ],
        )
    ],
    "turns": [
        said("user", "My name is Alice."),
        said("assistant", "Hello Alice!"),
        said("user", "What is my name?"),
    ],
}


@pytest.mark.parametrize("name", REQUESTS)
@pytest.mark.parametrize("explicit", [{}, {"stream": False}])
def test_every_form_of_input_is_answered_with_a_whole_response(http, name, explicit):
    completed(http.post("/responses", json={"model": "m", "input": REQUESTS[name], **explicit}))


def events_of(answer: Any) -> list[dict[str, Any]]:
    """The events of a stream, each checked against its own schema."""
    assert answer.headers["content-type"].startswith("text/event-stream")
    events = []
    for block in answer.text.split("\n\n"):
        fields = dict(line.split(": ", 1) for line in block.splitlines())
        if fields and fields["data"] != "[DONE]":
            event = json.loads(fields["data"])
            assert fields["event"] == event["type"]
            events.append(event)
    return check_events(events)


def check_events(events: list[dict[str, Any]]) -> list[dict[str, Any]]:
    for event in events:
        EVENTS[event["type"]].model_validate(event)
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    return events


@pytest.mark.parametrize(
    "body",
    [
        {"input": [said("user", "Count from 1 to 5.")]},
        {"input": [said("user", "What's the weather in Oslo?")], "tools": [WEATHER]},
    ],
    ids=["text", "call"],
)
def test_a_stream_is_numbered_named_and_agrees_with_its_end(http, body):
    events = events_of(http.post("/responses", json={"model": "m", "stream": True, **body}))

    final = events[-1]["response"]
    assert (events[0]["type"], events[-1]["type"]) == ("response.created", "response.completed")
    added = [e["item"]["id"] for e in events if e["type"] == "response.output_item.added"]
    done = [e["item"] for e in events if e["type"] == "response.output_item.done"]
    assert done == final["output"]
    assert added == [item["id"] for item in done]
    named = {e["item_id"] for e in events if "item_id" in e}
    assert named <= set(added)
    parts = {
        e["item_id"]: e.get("text", e.get("arguments"))
        for e in events
        if e["type"] in {"response.output_text.done", "response.function_call_arguments.done"}
    }
    deltas: dict[str, str] = {}
    for event in events:
        if event["type"].endswith(".delta"):
            deltas[event["item_id"]] = deltas.get(event["item_id"], "") + event["delta"]
    assert deltas == parts
    spoken = {
        item["id"]: item["arguments"] if "arguments" in item else item["content"][0]["text"]
        for item in done
    }
    assert spoken == parts
    stored = http.get(f"/responses/{final['id']}")
    assert completed(stored) == final


def test_a_tool_is_called_and_its_output_answered(http):
    question = said("user", "What's the weather like in San Francisco?")
    body = {"model": "m", "input": [question], "tools": [WEATHER]}

    called = completed(
        http.post(
            "/responses",
            json={**body, "tool_choice": {"type": "function", "name": "get_weather"}},
        )
    )
    (call,) = [item for item in called["output"] if item["type"] == "function_call"]
    assert json.loads(call["arguments"])["location"]
    output = {"type": "function_call_output", "call_id": call["call_id"], "output": "18 degrees"}
    answered = completed(
        http.post(
            "/responses",
            json={**body, "input": [output], "previous_response_id": called["id"]},
        )
    )

    assert answered["previous_response_id"] == called["id"]
    assert answered["output"][-1]["type"] == "message"


def test_a_chain_over_http_continues_until_its_response_is_deleted(http):
    first = completed(http.post("/responses", json={"model": "m", "input": "The word is plum."}))
    again = {"model": "m", "input": "And?", "previous_response_id": first["id"]}
    assert completed(http.post("/responses", json=again))["previous_response_id"] == first["id"]

    assert http.delete(f"/responses/{first['id']}").json()["deleted"] is True

    assert http.get(f"/responses/{first['id']}").status_code == 404
    lost = http.post("/responses", json=again)
    assert (lost.status_code, lost.json()["error"]["code"]) == (400, "previous_response_not_found")


def test_what_is_not_stored_can_be_neither_read_nor_continued(http):
    first = completed(http.post("/responses", json={"model": "m", "input": "Hi", "store": False}))

    again = {"model": "m", "input": "And?", "previous_response_id": first["id"]}
    assert http.get(f"/responses/{first['id']}").status_code == 404
    assert http.post("/responses", json=again).status_code == 400


def test_compaction_gives_items_that_a_new_chain_continues(http, socket):
    body = {"model": "m", "input": [said("user", "The word is plum."), said("assistant", "Noted.")]}

    answer = http.post("/responses/compact", json={**body, "prompt_cache_key": "k"})

    compacted = answer.json()
    assert answer.status_code == 200, compacted
    spec.CompactResource.model_validate(compacted)
    assert compacted["object"] == "response.compaction"
    assert "compaction" in [item["type"] for item in compacted["output"]]
    turn = take_turn(socket, input=[*compacted["output"], said("user", "Which word?")], tools=[])
    assert turn[-1]["type"] == "response.completed"


def test_compaction_without_a_model_is_refused(http):
    assert http.post("/responses/compact", json={"input": "Hi"}).status_code in {400, 422}


def take_turn(socket: ClientConnection, **body: Any) -> list[dict[str, Any]]:
    """Send one `response.create` and read to its terminal event or its error."""
    socket.send(json.dumps({"type": "response.create", "model": "m", **body}))
    events: list[dict[str, Any]] = []
    while not events or events[-1]["type"] not in {"response.completed", "error"}:
        events.append(json.loads(socket.recv(timeout=10)))
    if events[-1]["type"] == "error":
        spec.WebSocketErrorEvent.model_validate(events[-1])
        return events
    return check_events(events)


def code_of(events: list[dict[str, Any]]) -> Any:
    return events[-1]["error"]["code"]


def test_a_websocket_carries_turns_one_after_the_other(socket):
    first = take_turn(socket, input=[said("user", "Count to 3.")], store=False)
    second = take_turn(socket, input="And to 4.", store=False)

    assert first[-1]["response"]["id"] != second[-1]["response"]["id"]
    assert second[-1]["response"]["status"] == "completed"


def test_a_websocket_continues_its_newest_response_though_it_is_not_stored(socket):
    first = take_turn(socket, input="The word is plum.", store=False)[-1]["response"]

    second = take_turn(socket, input="Which?", store=False, previous_response_id=first["id"])

    assert second[-1]["response"]["previous_response_id"] == first["id"]


def test_another_websocket_does_not_know_it_and_goes_on_after_the_error(server, socket):
    first = take_turn(socket, input="The word is plum.", store=False)[-1]["response"]

    with connect(f"ws://127.0.0.1:{server.port}/v1/responses") as other:
        lost = take_turn(other, input="Which?", store=False, previous_response_id=first["id"])
        fresh = take_turn(other, input="Hello.", store=False)

    assert code_of(lost) == "previous_response_not_found"
    assert fresh[-1]["response"]["status"] == "completed"


def test_a_made_up_previous_response_is_an_error_on_a_websocket(socket):
    lost = take_turn(socket, input="Hi", store=False, previous_response_id="resp_nobody")

    assert code_of(lost) == "previous_response_not_found"


def test_a_failed_continuation_takes_the_websocket_s_memory(socket):
    first = take_turn(socket, input="Hello.", store=False)[-1]["response"]
    orphan = {"type": "function_call_output", "call_id": "call_nobody", "output": "x"}

    failed = take_turn(socket, input=[orphan], store=False, previous_response_id=first["id"])
    again = take_turn(socket, input="And?", store=False, previous_response_id=first["id"])

    assert failed[-1]["type"] == "error"
    assert code_of(again) == "previous_response_not_found"


@pytest.mark.parametrize(
    ("content", "param"),
    [
        (b"{", None),
        (b"[]", None),
        (b'{"model": "m", "input": 5}', "input"),
        (b'{"model": 5, "input": "Hi"}', "model"),
        (b'{"input": "Hi"}', "model"),
        (b'{"model": "m", "input": "Hi", "temperature": "hot"}', "temperature"),
        (b'{"model": "m", "input": "Hi", "surprise": 1}', "surprise"),
    ],
)
def test_a_bad_request_names_its_parameter(http, content, param):
    answer = http.post("/responses", content=content, headers={"content-type": "application/json"})

    error = answer.json()["error"]
    assert answer.status_code == 400
    assert set(error) >= {"message", "type", "param", "code"}
    assert error["param"] == param
