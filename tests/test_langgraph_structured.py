"""Answers in the shape of a schema: checked, restored to what the schema says, and never passed on when they do not fit."""

from __future__ import annotations

from typing import Any, NotRequired

import pytest
from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from pydantic import BaseModel, Field
from typing_extensions import TypedDict

from responses_adapters.langgraph import ChatResponses
from responses_adapters.testing import Backend

GATEWAY: dict[str, Any] = {"base_url": "https://gw.test/v1", "api_key": "sk-gw", "server": "openai"}

ROOM_SCHEMA: dict[str, Any] = {
    "title": "Room",
    "type": "object",
    "properties": {
        "name": {"type": "string", "minLength": 2},
        "floor": {"type": "integer", "minimum": 1},
        "view": {"type": "string"},
    },
    "required": ["name"],
    "additionalProperties": False,
}


class RoomModel(BaseModel):
    name: str = Field(min_length=2)
    floor: int = Field(default=1, ge=1)
    view: str = "yard"


class RoomDict(TypedDict):
    """A room."""

    name: str
    floor: NotRequired[int]
    view: NotRequired[str]


METHODS = ["json_schema", "function_calling"]


@pytest.fixture
def model() -> ChatResponses:
    return ChatResponses("m", **GATEWAY)


def answer(backend: Backend, method: str, value: dict[str, Any]) -> None:
    if method == "function_calling":
        backend.call_tool("Room", value)
    else:
        backend.reply_json(value)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ({"name": "B"}, "name"),
        ({"name": "Birch", "floor": 0}, "floor"),
        ({"name": "Birch", "floor": "first"}, "floor"),
        ({"floor": 1}, "name"),
    ],
)
def test_what_breaks_a_json_schema_is_a_parsing_error(
    method: Any, value: Any, problem: str, model: ChatResponses, responses_backend: Backend
) -> None:
    for _ in range(2):
        answer(responses_backend, method, value)
    with pytest.raises(OutputParserException, match=f"does not fit Room.*{problem}"):
        model.with_structured_output(ROOM_SCHEMA, method=method).invoke("?")
    both = model.with_structured_output(ROOM_SCHEMA, method=method, include_raw=True).invoke("?")
    assert both["parsed"] is None
    assert isinstance(both["parsing_error"], OutputParserException)
    assert isinstance(both["raw"], AIMessage)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize(
    ("schema", "parsed"),
    [
        (ROOM_SCHEMA, {"name": "Birch"}),
        (RoomDict, {"name": "Birch"}),
        (RoomModel, RoomModel(name="Birch")),
    ],
)
def test_nulls_that_only_strictness_asked_for_are_taken_out(
    method: Any, schema: Any, parsed: Any, model: ChatResponses, responses_backend: Backend
) -> None:
    name = "Room" if schema is ROOM_SCHEMA else schema.__name__
    value = {"name": "Birch", "floor": None, "view": None}
    if method == "function_calling":
        responses_backend.call_tool(name, value)
    else:
        responses_backend.reply_json(value)
    assert model.with_structured_output(schema, method=method).invoke("?") == parsed
    body = responses_backend.creates[-1].json
    sent = body["tools"][0] if method == "function_calling" else body["text"]["format"]
    assert sent["strict"] is True


def test_a_null_that_the_schema_allows_stays(
    model: ChatResponses, responses_backend: Backend
) -> None:
    view = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    schema = {**ROOM_SCHEMA, "properties": {**ROOM_SCHEMA["properties"], "view": view}}
    schema["required"] = ["name", "view"]
    responses_backend.reply_json({"name": "Birch", "floor": None, "view": None})
    parsed = model.with_structured_output(schema).invoke("?")
    assert parsed == {"name": "Birch", "view": None}


def test_a_call_that_cannot_be_read_is_a_parsing_error(
    model: ChatResponses, responses_backend: Backend
) -> None:
    responses_backend.call_tool("Room", '{"name": ')
    asked = model.with_structured_output(ROOM_SCHEMA, method="function_calling", include_raw=True)
    both = asked.invoke("?")
    assert both["parsed"] is None
    assert "did not answer in the shape" in str(both["parsing_error"])
