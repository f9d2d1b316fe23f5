from __future__ import annotations

import json
from typing import Any

import openai
import openresponses_types as spec
import pytest
from openai.types.responses import Response, ResponseStreamEvent
from pydantic import TypeAdapter

from responses_adapters.testing import Backend, Request
from responses_adapters.testing.events import words

SDK_EVENT: TypeAdapter[Any] = TypeAdapter(ResponseStreamEvent)
SPEC_EVENTS: dict[str, Any] = {
    next(iter(model.model_fields["type"].annotation)).value: model
    for name, model in vars(spec).items()
    if name.endswith("StreamingEvent")
}
TOOLS = [
    {"type": "function", "name": "f", "parameters": {"type": "object", "properties": {}}},
    {"type": "function", "name": "g", "description": "x", "strict": False},
]
TURNS = {
    "a text": lambda be: be.reply("The quick  brown\nfox. "),
    "an empty text": lambda be: be.reply(""),
    "a call": lambda be: be.call_tool("f", text="long enough for several deltas"),
    "parallel calls": lambda be: be.call_tools(("f", {"a": 1}), "g"),
    "a summary": lambda be: be.reason(summary="I think so").reply("yes"),
    "sealed reasoning": lambda be: be.reason(encrypted=True).call_tool("f"),
    "a refusal": lambda be: be.refuse("I will not"),
    "a cut text": lambda be: be.reply("cut of").incomplete(),
    "a failure": lambda be: be.fail_turn(),
    "a late failure": lambda be: be.reply("half").fail_turn(),
}


def events_of(be: Backend, **fields: Any) -> tuple[list[str], list[dict[str, Any]]]:
    body = json.dumps({"model": "m", "input": "hi", "stream": True, **fields}).encode()
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert not isinstance(reply.body, bytes)
    names, events = [], []
    for frame in reply.body:
        name, data, *rest = frame.data.decode().split("\n")
        assert rest == ["", ""]
        names.append(name.removeprefix("event: "))
        events.append(json.loads(data.removeprefix("data: ")))
    return names, events


@pytest.mark.parametrize("turn", TURNS)
def test_every_event_of_a_turn_is_well_formed(turn: str) -> None:
    be = Backend()
    TURNS[turn](be)
    names, events = events_of(be, tools=TOOLS, metadata={"a": "b"})
    assert names == [event["type"] for event in events]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    for event in events:
        if not openai.__version__.startswith("2."):  # its types ask for fields that no server sends
            SDK_EVENT.validate_python(event)
        SPEC_EVENTS[event["type"]].model_validate(event)
    final = events[-1]["response"]
    assert events[-1]["type"] == f"response.{final['status']}"
    assert events[0]["response"]["status"] == "in_progress"
    stored = be.handle(Request("GET", f"/v1/responses/{final['id']}"))
    assert isinstance(stored.body, bytes)
    assert json.loads(stored.body) == final
    Response.model_validate(final)
    spec.ResponseResource.model_validate(final)


@pytest.mark.parametrize("turn", TURNS)
def test_the_pieces_of_a_stream_add_up_to_the_final_output(turn: str) -> None:
    be = Backend()
    TURNS[turn](be)
    _, events = events_of(be, tools=TOOLS)
    output = events[-1]["response"]["output"]
    added = [event for event in events if event["type"] == "response.output_item.added"]
    done = [event for event in events if event["type"] == "response.output_item.done"]
    assert [event["item"] for event in done] == output
    assert [event["item"]["id"] for event in added] == [item["id"] for item in output]
    for index, item in enumerate(output):
        inner = [event for event in events if event.get("output_index") == index][1:-1]
        assert {event["item_id"] for event in inner} <= {item["id"]}
        deltas = "".join(event["delta"] for event in inner if event["type"].endswith(".delta"))
        finals = [
            event.get("text", event.get("arguments", event.get("refusal")))
            for event in inner
            if event["type"].endswith(".done") and "part" not in event
        ]
        assert "".join(finals) == deltas


def test_raw_reasoning_streams_under_openais_names() -> None:
    be = Backend()
    be.reason("let me see").reply("42")
    names, events = events_of(be)
    assert "response.reasoning_text.delta" in names
    for event in events:
        SDK_EVENT.validate_python(event)


def test_text_streams_word_by_word() -> None:
    be = Backend()
    be.reply("one two three four")
    _, events = events_of(be)
    deltas = [e["delta"] for e in events if e["type"] == "response.output_text.delta"]
    assert deltas == ["one", " two", " three", " four"]


@pytest.mark.parametrize("text", ["", " ", "a", " a ", "a\n\nb  c ", "日本 語"])
def test_words_lose_nothing(text: str) -> None:
    assert "".join(words(text)) == text


def test_aleph_alpha_streams_bare_data_lines_and_a_done_line() -> None:
    be = Backend("aleph-alpha", brain=lambda context: "ok")
    body = b'{"model": "m", "input": "hi", "stream": true}'
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert not isinstance(reply.body, bytes)
    frames = [frame.data for frame in reply.body]
    assert all(frame.startswith(b"data: ") for frame in frames)
    assert frames[-1] == b"data: [DONE]\n\n"


def test_every_body_echoes_the_request_and_has_every_required_field() -> None:
    be = Backend(brain=lambda context: "ok")
    asked = {
        "model": "m",
        "input": "hi",
        "temperature": 0.5,
        "top_p": 0.5,
        "metadata": {"a": "b"},
        "reasoning": {"effort": "low"},
        "tools": TOOLS,
        "tool_choice": {"type": "function", "name": "f"},
        "parallel_tool_calls": False,
        "max_output_tokens": 100,
        "truncation": "auto",
        "service_tier": "flex",
        "prompt_cache_key": "k",
        "safety_identifier": "s",
        "text": {"format": {"type": "text"}, "verbosity": "low"},
    }
    reply = be.handle(Request("POST", "/v1/responses", body=json.dumps(asked).encode()))
    assert isinstance(reply.body, bytes)
    body = json.loads(reply.body)
    spec.ResponseResource.model_validate(body)
    Response.model_validate(body)
    for name in set(asked) - {"input", "tools", "reasoning"}:
        assert body[name] == asked[name]
    assert body["reasoning"] == {"effort": "low", "summary": None}
    assert [tool["strict"] for tool in body["tools"]] == [True, False]
