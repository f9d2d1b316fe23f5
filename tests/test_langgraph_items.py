"""Every item that the API describes comes back from state and checkpoint exactly as it went in."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.messages import BaseMessage
from langgraph.checkpoint.serde.jsonplus import JsonPlusSerializer
from openai.types.responses import ResponseInputItemParam, ResponseOutputItem
from pydantic import TypeAdapter

from responses_adapters.langgraph.answers import to_message
from responses_adapters.langgraph.messages import conversation_items
from responses_adapters.langgraph.state import merge_messages

Item = dict[str, Any]
DEPTH = 6
"""Levels of an example; some descriptions contain themselves."""


def example(schema: Any, defs: Any, depth: int = DEPTH) -> Any:
    """A value with every field that a JSON Schema describes."""
    if "$ref" in schema:
        return example(defs[schema["$ref"].rpartition("/")[2]], defs, depth)
    for keyword in ("anyOf", "oneOf", "allOf"):
        if keyword in schema:
            options = [each for each in schema[keyword] if each.get("type") != "null"]
            return example(options[-1 if depth < 2 else 0], defs, depth)
    if "const" in schema or "enum" in schema:
        return schema.get("const", schema.get("enum", [None])[0])
    match schema.get("type"):
        case "object":
            fields = schema.get("properties", {})
            wanted = fields if depth > 0 else schema.get("required", ())
            found = {name: example(fields[name], defs, depth - 1) for name in wanted}
            return found or {"key": "value"}
        case "array":
            return [example(schema.get("items", {}), defs, depth - 1)] if depth > 0 else []
        case "string":
            return "text"
        case "integer":
            return 1
        case "number":
            return 0.5
        case "boolean":
            return True
    return {"any": [1, None, "value"]}


def examples(union: Any) -> dict[str, Item]:
    """An example of each member of a union of items, by its type and number."""
    schema = TypeAdapter(union).json_schema()
    defs = schema["$defs"]
    members = schema.get("oneOf") or schema["anyOf"]
    found = {}
    for number, member in enumerate(members):
        item = example(member, defs)
        found[f"{item.get('type', 'message')} {number}"] = item
    return found


OUTPUT = examples(ResponseOutputItem)
INPUT = examples(ResponseInputItemParam)


@pytest.fixture(autouse=True)
def _plain_json_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGGRAPH_STRICT_MSGPACK", "true")


def saved(messages: list[BaseMessage]) -> list[BaseMessage]:
    serializer = JsonPlusSerializer()
    restored: list[BaseMessage] = serializer.loads_typed(serializer.dumps_typed(messages))
    return restored


def items_of(messages: list[BaseMessage]) -> list[Item]:
    return [item for group in conversation_items(saved(messages)) for item in group]


@pytest.mark.parametrize("item", OUTPUT.values(), ids=OUTPUT)
def test_every_output_item_replays_verbatim(item: Item) -> None:
    assert items_of([to_message({"output": [item]})]) == [item]


@pytest.mark.parametrize("item", INPUT.values(), ids=INPUT)
def test_every_input_item_may_be_written_into_the_state_as_it_is(item: Item) -> None:
    (found,) = items_of(merge_messages([], [item]))
    if item["type"] == "message":  # LangChain's messages say nothing of these
        unsaid = {"phase", "status"} - found.keys()
        item = {key: value for key, value in item.items() if key not in unsaid}
    assert found == item
