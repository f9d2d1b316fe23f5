from __future__ import annotations

import json
from typing import Any

import pytest

from responses_adapters.testing import Backend, Request
from responses_adapters.testing.fill import fill

PLACE = {
    "type": "object",
    "properties": {name: {"type": "string"} for name in ("room", "date", "time")},
    "required": ["room", "date", "time"],
}
CHECK = {
    "type": "function",
    "name": "check_room",
    "description": "Is a room free?",
    "parameters": PLACE,
}
RESERVE = {
    "type": "function",
    "name": "reserve_room",
    "description": "Reserve it.",
    "parameters": PLACE,
}
ROOMS = [CHECK, RESERVE]


def talk(
    be: Backend, text: str, outputs: dict[str, str], /, **fields: Any
) -> tuple[list[Any], str]:
    """Run one question to its answer, chained on whatever was said before."""
    calls: list[Any] = []
    sent: Any = text
    for _ in range(6):
        previous = be.creates[-1].response_id if be.creates else None
        request = {"model": "m", "input": sent, "previous_response_id": previous, **fields}
        reply = be.handle(Request("POST", "/v1/responses", body=json.dumps(request).encode()))
        assert isinstance(reply.body, bytes)
        output = json.loads(reply.body)["output"]
        made = [item for item in output if item["type"] == "function_call"]
        if not made:
            return calls, output[0]["content"][0]["text"]
        calls += [(item["name"], json.loads(item["arguments"])) for item in made]
        sent = [
            {
                "type": "function_call_output",
                "call_id": item["call_id"],
                "output": outputs[item["name"]],
            }
            for item in made
        ]
    raise AssertionError("the tool loop does not end")


def test_it_books_two_rooms_and_remembers_the_day() -> None:
    be = Backend(brain=True)
    outputs = {"check_room": "free", "reserve_room": '{"booked": true, "confirmation": "R-17"}'}
    question = "Is the Birch room free at 2pm on June 8? If so, book it."
    calls, text = talk(be, question, outputs, tools=ROOMS)
    birch = {"room": "Birch", "date": "June 8", "time": "2pm"}
    assert calls == [("check_room", birch), ("reserve_room", birch)]
    assert text == (
        "Here is the result. Check room (Birch, June 8, 2pm): free."
        " Reserve room (Birch, June 8, 2pm): booked: yes, confirmation: R-17."
    )
    question = "Also grab the Cedar room right after, at 3pm the same day."
    calls, text = talk(be, question, outputs, tools=ROOMS)
    cedar = {"room": "Cedar", "date": "June 8", "time": "3pm"}
    assert calls == [("check_room", cedar), ("reserve_room", cedar)]
    assert "Cedar" in text


def test_it_does_not_book_a_room_that_is_taken() -> None:
    outputs = {"check_room": "The room is taken."}
    question = "Is the Birch room free at 2pm on June 8? If so, book it."
    calls, text = talk(Backend(brain=True), question, outputs, tools=ROOMS)
    assert [name for name, _ in calls] == ["check_room"]
    assert "taken" in text


def test_it_does_not_act_when_only_asked() -> None:
    question = "Is the Birch room free at 2pm on June 8?"
    calls, _ = talk(Backend(brain=True), question, {"check_room": "free"}, tools=ROOMS)
    assert [name for name, _ in calls] == ["check_room"]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("What is the weather in Oslo?", "get_weather"),
        ("Will it rain in Oslo?", "get_weather"),
        ("Mail ana@example.org that I am late", "send_email"),
        ("What is 2 plus 3?", "add_numbers"),
        ("Tell me a joke", None),
    ],
)
def test_it_picks_a_tool_by_what_was_said(text: str, wanted: str | None) -> None:
    def tool(name: str, **properties: str) -> Any:
        kinds = {key: {"type": kind} for key, kind in properties.items()}
        schema = {"type": "object", "properties": kinds, "required": list(kinds)}
        return {"type": "function", "name": name, "parameters": schema}

    tools = [
        tool("get_weather", city="string"),
        tool("send_email", recipient="string", body="string"),
        tool("add_numbers", a="number", b="number"),
    ]
    outputs = {each["name"]: "done" for each in tools}
    calls, _ = talk(Backend(brain=True), text, outputs, tools=tools)
    assert [name for name, _ in calls] == ([wanted] if wanted else [])


def test_a_forced_tool_is_called_and_a_forbidden_one_is_not() -> None:
    forced = {"type": "function", "name": "check_room"}
    be = Backend(brain=True)
    calls, _ = talk(be, "Hello", {"check_room": "free"}, tools=ROOMS, tool_choice=forced)
    assert [name for name, _ in calls] == ["check_room"]
    calls, _ = talk(Backend(brain=True), "Check room Birch", {}, tools=ROOMS, tool_choice="none")
    assert calls == []


def test_it_shows_that_it_remembers() -> None:
    be = Backend(brain=True)
    talk(be, "My dog is called Rex.", {})
    _, text = talk(be, "What is my dog called?", {})
    assert text == "You told me earlier: My dog is called Rex."
    be.forget().ignore_previous_id()
    _, text = talk(be, "What is my dog called?", {})
    assert "Rex" not in text


def test_structured_output_fits_its_schema() -> None:
    schema = {
        "type": "object",
        "properties": {
            "city": {"type": "string"},
            "days": {"type": "integer"},
            "unit": {"enum": ["celsius", "kelvin"]},
            "tags": {"type": "array", "items": {"type": "string"}},
        },
        "required": ["city", "days", "unit", "tags"],
    }
    form = {"format": {"type": "json_schema", "name": "x", "schema": schema}}
    _, text = talk(Backend(brain=True), "3 days in Oslo in Kelvin", {}, text=form)
    assert json.loads(text) == {"city": "Oslo", "days": 3, "unit": "kelvin", "tags": ["Oslo"]}


@pytest.mark.parametrize(
    ("schema", "text", "value"),
    [
        ({"type": "string", "format": "date"}, "on June 8", "2026-06-08"),
        ({"type": "string", "format": "date"}, "on 8 June 2027", "2027-06-08"),
        ({"type": "string", "format": "time"}, "at 2:30pm", "14:30"),
        ({"type": "string", "format": "date-time"}, "June 8 at noon", "2026-06-08T12:00:00"),
        ({"type": "string", "format": "email"}, "to a@b.io now", "a@b.io"),
        ({"type": "integer"}, "for 4 people at 3pm on June 8", 4),
        ({"type": "number"}, "2.5 litres", 2.5),
        ({"type": "boolean"}, "whatever", False),
        ({"type": ["string", "null"]}, "nothing here", None),
        ({"anyOf": [{"type": "integer"}, {"type": "null"}]}, "no number", None),
        ({"$ref": "#/$defs/N", "$defs": {"N": {"type": "integer"}}}, "7", 7),
        ({"type": "string", "default": "x"}, "nothing", "x"),
        ({"const": "k"}, "", "k"),
        ({"type": "string", "maxLength": 3}, "abcdef", "abc"),
        ({"type": "string", "format": "time"}, "at midnight or at 12:30am", "00:00"),
        ({"type": "string", "format": "time"}, "at 12:30am", "00:30"),
        ({"type": "string", "format": "date"}, "on 2027-01-02", "2027-01-02"),
        ({"type": "string", "format": "date"}, "tomorrow", "tomorrow"),
        ({"type": "string", "format": "uri"}, "see https://x.io/a", "https://x.io/a"),
        ({"type": "string", "description": "ISO date"}, 'say "this thing"', "this thing"),
        ({"type": "integer", "minimum": 2}, "no number", 2),
        ({"type": "integer"}, "2.5 and 3", 3),
        ({"enum": ["a", "b"]}, "neither", "a"),
        ({"type": "null"}, "x", None),
        ({"anyOf": True}, "x", "x"),
        ({"items": {"type": "integer"}}, "4", [4]),
    ],
)
def test_a_value_is_found_in_the_text(schema: Any, text: str, value: Any) -> None:
    assert fill(schema, text) == value


NAMED = {"name": {"type": "string"}}
RECURSIVE = {
    "a list of itself": (
        {**NAMED, "inner": {"type": "array", "items": {"$ref": "#/$defs/It"}}},
        {"name": "x", "inner": []},
    ),
    "itself or null": (
        {**NAMED, "inner": {"anyOf": [{"$ref": "#/$defs/It"}, {"type": "null"}]}},
        {"name": "x", "inner": None},
    ),
    "itself or text": (
        {"inner": {"anyOf": [{"$ref": "#/$defs/It"}, {"type": "string"}]}},
        {"inner": "x"},
    ),
    "lists of lists": ({"inner": {"$ref": "#/$defs/Lists"}}, {"inner": []}),
    "the root": ({"inner": {"type": "array", "items": {"$ref": "#"}}}, {"inner": []}),
}


@pytest.mark.parametrize(("properties", "value"), RECURSIVE.values(), ids=RECURSIVE)
def test_a_type_within_itself_ends(properties: Any, value: Any) -> None:
    lists = {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Lists"}]}}
    it = {"type": "object", "properties": properties, "required": list(properties)}

    assert fill({"$ref": "#/$defs/It", "$defs": {"It": it, "Lists": lists}}, "x") == value


def test_an_optional_argument_that_was_not_mentioned_is_left_out() -> None:
    schema = {
        "type": "object",
        "properties": {"a": {"type": "integer"}, "b": {"type": "integer"}},
        "required": ["a"],
    }
    assert fill(schema, "1") == {"a": 1}


def test_an_argument_is_found_beside_its_name() -> None:
    schema = {"type": "object", "properties": {"project": {"type": "string"}}}
    assert fill(schema, "Close project Atlas now") == {"project": "Atlas"}
    assert fill(schema, "Close the project called Atlas") == {"project": "Atlas"}
    flag = {"type": "object", "properties": {"urgent": {"type": "boolean"}}}
    assert fill(flag, "This is urgent") == {"urgent": True}


def test_it_calls_a_custom_tool_with_what_was_said() -> None:
    be = Backend(brain=True)
    tool = {"type": "custom", "name": "search_notes"}
    body = json.dumps({"model": "m", "input": "Search notes on fish", "tools": [tool]}).encode()
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert isinstance(reply.body, bytes)
    (call,) = json.loads(reply.body)["output"]
    assert (call["type"], call["input"]) == ("custom_tool_call", "Search notes on fish")


def test_broken_arguments_in_the_history_do_not_trouble_it() -> None:
    be = Backend(brain=True)
    history = [
        {"type": "message", "role": "user", "content": "Check room Birch"},
        {"type": "function_call", "call_id": "c", "name": "check_room", "arguments": "{"},
        {"type": "function_call_output", "call_id": "c", "output": '{"free": true}'},
    ]
    body = json.dumps({"model": "m", "input": history, "tools": ROOMS}).encode()
    reply = be.handle(Request("POST", "/v1/responses", body=body))
    assert isinstance(reply.body, bytes)
    (message,) = json.loads(reply.body)["output"]
    assert message["content"][0]["text"] == "Here is the result. Check room: free: yes."


def test_it_greets_when_nothing_was_said() -> None:
    body = json.dumps({"model": "m", "input": []}).encode()
    reply = Backend(brain=True).handle(Request("POST", "/v1/responses", body=body))
    assert isinstance(reply.body, bytes)
    assert json.loads(reply.body)["output"][0]["content"][0]["text"] == "Hello."


def test_where_a_call_is_required_it_ends_with_the_tool_that_is_left() -> None:
    final = {"type": "function", "name": "final_result", "parameters": {"type": "object"}}
    outputs = {"check_room": "taken", "final_result": "ok"}
    be = Backend(brain=True)
    tools = [CHECK, RESERVE, final]
    question = "Is the Birch room free at 2pm on June 8? If so, book it."
    calls = []
    sent: Any = question
    for _ in range(2):
        previous = be.creates[-1].response_id if be.creates else None
        request = {
            "model": "m",
            "input": sent,
            "previous_response_id": previous,
            "tools": tools,
            "tool_choice": "required",
        }
        reply = be.handle(Request("POST", "/v1/responses", body=json.dumps(request).encode()))
        assert isinstance(reply.body, bytes)
        (call,) = json.loads(reply.body)["output"]
        calls.append(call["name"])
        sent = [
            {
                "type": "function_call_output",
                "call_id": call["call_id"],
                "output": outputs[call["name"]],
            }
        ]
    assert calls == ["check_room", "final_result"]


def test_it_keeps_to_the_tools_that_are_allowed() -> None:
    allowed = {
        "type": "allowed_tools",
        "mode": "auto",
        "tools": [{"type": "function", "name": "reserve_room"}],
    }
    question = "Is the Birch room free at 2pm on June 8? If so, book it."
    outputs = {"reserve_room": "done"}
    calls, _ = talk(Backend(brain=True), question, outputs, tools=ROOMS, tool_choice=allowed)
    assert [name for name, _ in calls] == ["reserve_room"]


def test_a_json_object_that_was_asked_for_is_one() -> None:
    be = Backend(brain=True)
    _, answer = talk(be, "Say hello as JSON.", {}, text={"format": {"type": "json_object"}})
    assert json.loads(answer) == {"reply": "You said: Say hello as JSON."}
