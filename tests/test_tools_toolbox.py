from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import pytest
from pydantic import BaseModel, Field

from responses_adapters.tools import (
    Namespace,
    NotStrictError,
    Toolbox,
    ToolContext,
    ToolConversionError,
    clean_name,
    to_responses_tool,
)

if TYPE_CHECKING:
    from somewhere import Missing


def search(query: str, limit: int = 10, unit: str | None = None) -> str:
    """Search the catalogue.

    Args:
        query: What to look for.
        limit: How many rows.
        unit: The unit of length.
    """
    return f"{query} {limit} {unit}"


class Order(BaseModel):
    """Place an order."""

    sku: str
    count: int = Field(default=1, ge=1)


def call(name: str, arguments: Any, call_id: str = "call_1") -> dict[str, Any]:
    text = arguments if isinstance(arguments, str) else json.dumps(arguments)
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": text}


def test_a_function_becomes_a_strict_tool_whose_optionals_take_null():
    assert to_responses_tool(search) == {
        "type": "function",
        "name": "search",
        "description": "Search the catalogue.",
        "parameters": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "description": "What to look for."},
                "limit": {
                    "type": ["integer", "null"],
                    "description": "How many rows. Default: 10.",
                },
                "unit": {"type": ["string", "null"], "description": "The unit of length."},
            },
            "required": ["query", "limit", "unit"],
            "additionalProperties": False,
        },
        "strict": True,
    }


def test_hosted_tools_pass_untouched_in_their_place():
    hosted = {"type": "orq:knowledge_base", "knowledge_base_id": "kb_1"}
    grammar = {"type": "custom", "name": "sql", "format": {"type": "grammar"}}

    definitions = Toolbox([hosted, search, grammar]).definitions

    assert definitions[0] == hosted
    assert definitions[1]["name"] == "search"
    assert definitions[2] == grammar


def test_decoding_removes_only_the_nulls_that_strict_mode_asked_for():
    schema = {
        "type": "object",
        "properties": {
            "note": {"type": ["string", "null"]},
            "limit": {"type": "integer"},
        },
        "required": ["note"],
    }
    box = Toolbox([{"type": "function", "name": "f", "parameters": schema}])

    decoded = box.decode_call("f", '{"note": null, "limit": null}')

    assert decoded.arguments == {"note": None}


def test_a_null_that_is_a_value_of_its_own_has_a_word():
    schema = {"type": "object", "properties": {"assignee": {"type": ["string", "null"]}}}
    tool = Toolbox([{"type": "function", "name": "update", "parameters": schema}])["update"]

    for arguments in ({}, {"assignee": None}, {"assignee": "ann"}):
        assert tool.decode(tool.encode(arguments)) == arguments
    assert tool.encode({}) == {"assignee": None}
    assert tool.encode({"assignee": None}) == {"assignee": "<null>"}


def test_a_cleaned_name_leads_back_to_the_tools_own():
    tool = {"name": "files.read/all things!", "input_schema": {"type": "object"}}
    box = Toolbox([tool])

    (definition,) = box.definitions

    assert definition["name"] == clean_name("files.read/all things!")
    assert box.decode_call(definition["name"], "{}").name == "files.read/all things!"


def test_clean_names_are_valid_stable_and_distinct():
    long = "create_" + "x" * 90
    names = [
        clean_name(name) for name in (long, long.replace("create", "delete"), "météo", "<lambda>")
    ]

    assert names == [
        clean_name(name) for name in (long, long.replace("create", "delete"), "météo", "<lambda>")
    ]
    assert len(set(names)) == 4
    assert all(len(name) <= 64 and name.isascii() for name in names)
    assert names[2].startswith("meteo_")
    assert clean_name("get-weather_2") == "get-weather_2"


def test_two_tools_of_one_name_are_told_apart():
    def other(text: str) -> str:
        """Search elsewhere."""
        return text

    other.__name__ = "search"
    names = [d["name"] for d in Toolbox([search, other, search]).definitions]

    assert names[0] == "search"
    assert len(names) == 2
    assert names[1].startswith("search_")


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{", "not valid JSON"),
        ("[1]", "must be a JSON object, not list"),
        ('{"limit": NaN}', "NaN is not JSON"),
    ],
)
def test_a_call_that_cannot_be_read_says_why(text: str, wrong: str):
    decoded = Toolbox([search]).decode_call("search", text)

    assert decoded.arguments is None
    assert wrong in (decoded.error or "")


def test_empty_arguments_mean_none_given():
    assert Toolbox([search]).decode_call("search", "").arguments == {}


def test_a_demand_for_strict_names_the_place_that_forbids_it():
    def save(fields: dict[str, int]) -> None: ...

    with pytest.raises(NotStrictError, match=r"tool 'save'.*/properties/fields: holds keys"):
        to_responses_tool(save, strict=True)
    assert to_responses_tool(save)["strict"] is False
    assert "/properties/fields" in (Toolbox([save])["save"].reason or "")


def test_a_tools_own_wish_not_to_be_strict_wins():
    tool = {"type": "function", "function": {"name": "f", "strict": False, "parameters": {}}}

    assert to_responses_tool(tool)["strict"] is False


def test_something_that_is_no_tool_is_refused_with_what_would_be():
    with pytest.raises(ToolConversionError, match="is not a tool: pass a function"):
        to_responses_tool(42)


async def test_calls_are_answered_in_order_with_validated_arguments():
    box = Toolbox([search, Order])
    output = [
        {"type": "reasoning", "id": "rs_1", "summary": []},
        call("search", {"query": "oak", "limit": None, "unit": None}, "call_a"),
        call("Order", {"sku": "x", "count": 0}, "call_b"),
        call("Order", {"sku": "x", "count": None}, "call_c"),
    ]

    outputs = await box.execute(output)

    assert [item["call_id"] for item in outputs] == ["call_a", "call_b", "call_c"]
    assert {item["type"] for item in outputs} == {"function_call_output"}
    assert outputs[0]["output"] == "oak 10 None"
    assert outputs[1]["output"] == (
        "Order was not run: count: Input should be greater than or equal to 1"
    )
    assert outputs[2]["output"] == '{"sku":"x","count":1}'


async def test_handlers_give_plain_definitions_their_functions():
    tools = [
        {
            "type": "function",
            "name": "add",
            "parameters": {
                "type": "object",
                "properties": {"a": {"type": "integer"}},
                "required": ["a"],
            },
        }
    ]
    box = Toolbox(tools, handlers={"add": lambda a: a + 1})

    outputs = await box.execute([call("add", {"a": 1}, "c1"), call("add", {"a": "1"}, "c2")])

    assert [item["output"] for item in outputs] == [
        "2",
        "add was not run: a: '1' is not of type 'integer'",
    ]


def test_a_handler_without_a_tool_is_refused():
    with pytest.raises(ToolConversionError, match="handlers for tools that are not here: find"):
        Toolbox([search], handlers={"find": search})


def test_annotated_text_describes_a_parameter():
    def paint(colour: Annotated[str, "A CSS colour"]) -> None: ...

    properties = to_responses_tool(paint)["parameters"]["properties"]

    assert properties["colour"] == {"type": "string", "description": "A CSS colour"}


def test_two_functions_that_only_look_alike_are_both_kept():
    def made(text: str) -> Any:
        def say() -> str:
            """Say."""
            return text

        return say

    box = Toolbox([made("a"), made("b"), made("c")])
    names = [definition["name"] for definition in box.definitions]
    outputs = box.execute_sync([call(name, {}, f"c{i}") for i, name in enumerate(names)])

    assert len(set(names)) == 3
    assert [item["output"] for item in outputs] == ["a", "b", "c"]


async def test_a_namespace_defers_its_tools_and_answers_their_calls():
    def orders(customer: str, limit: int = 5) -> str:
        """List orders."""
        return f"{customer} {limit}"

    box = Toolbox([Namespace("crm", "Customer data", [orders]), {"type": "tool_search"}])
    (namespace, search_tool) = box.definitions
    (item,) = await box.execute(
        [{**call("orders", {"customer": "ann", "limit": None}), "namespace": "crm"}]
    )

    assert namespace["type"] == "namespace"
    assert namespace["tools"][0]["defer_loading"] is True
    assert namespace["tools"][0]["strict"] is True
    assert search_tool == {"type": "tool_search"}
    assert item["output"] == "ann 5"
    assert box.decode_call("orders", "{}").name == "orders"


async def test_a_namespace_given_as_a_dict_is_sent_as_it_is_and_still_handled():
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
    given = {
        "type": "namespace",
        "name": "crm",
        "description": "Customer data",
        "tools": [{"type": "function", "name": "count", "parameters": schema, "strict": False}],
    }
    box = Toolbox([given], handlers={"count": lambda n=1: n + 1})

    (item,) = await box.execute([{**call("count", {"n": 4}), "namespace": "crm"}])

    assert box.definitions == [given]
    assert item["output"] == "5"


def test_a_namespace_holds_no_hosted_tools():
    with pytest.raises(ToolConversionError, match="a namespace holds function tools"):
        Namespace("web", "The web", [{"type": "web_search"}])


def test_a_definition_given_twice_is_one_tool():
    given = {"type": "function", "name": "f", "parameters": {}}

    assert len(Toolbox([given, dict(given)]).definitions) == 1
    assert len(Toolbox([given, given], handlers={"f": lambda: 1}).definitions) == 1


def test_name_and_description_can_be_replaced_and_rules_stay():
    schema = {"type": "object", "description": "Old.", "properties": {}, "maxProperties": 1}

    made = to_responses_tool(schema, name="new name", description="New.")

    assert made["name"] == clean_name("new name")
    assert made["description"] == "New.\n\nSize: at most 1 entries."
    assert to_responses_tool(Order, description="New.")["description"] == "New."


def test_a_toolbox_knows_its_tools_by_name():
    box = Toolbox([search, Order])

    assert ("search" in box, "Order" in box, "seek" in box, 5 in box) == (True, True, False, False)
    assert len(box) == 2
    with pytest.raises(KeyError, match="there is no tool 'seek'; the tools are search, Order"):
        box["seek"]
    with pytest.raises(KeyError, match="the tools are none"):
        Toolbox([])["seek"]


def test_at_least_one_call_must_be_able_to_run():
    with pytest.raises(ToolConversionError, match="max_parallel=0: at least one call must run"):
        Toolbox([search], max_parallel=0)


def test_a_schema_that_says_nothing_needs_only_a_name():
    assert to_responses_tool(True, name="ping")["parameters"]["properties"] == {}


def test_a_type_that_pydantic_does_not_know_is_refused_by_name():
    class Strange:
        def __init__(self, other: Any) -> None: ...

    with pytest.raises(ToolConversionError, match="Unable to generate"):
        to_responses_tool(list[Strange], name="strange")


async def test_of_many_mistakes_the_first_are_told():
    class Wide(BaseModel):
        rows: list[int]

    box = Toolbox([Wide])
    (item,) = await box.execute([call("Wide", {"rows": ["x"] * 30})])

    assert item["output"].count("rows.") < 30
    assert " more" in item["output"]


async def test_calls_of_one_id_whose_arguments_are_no_json_are_two_calls():
    box = Toolbox([search])
    items = await box.execute([call("search", '{"query": "a"}'), call("search", '{"query": ')])

    assert items[0]["output"] == "a 10 None"
    assert "already used for another call" in items[1]["output"]


async def test_a_handler_whose_annotations_cannot_be_resolved_is_called_all_the_same():
    def find(room: Missing, context: ToolContext[Any]) -> str:
        return f"{room} {context.call_id}"

    def seek(room: Missing) -> str:
        return room

    schema = {"type": "object", "properties": {"room": {"type": "string"}}}
    tools = [{"type": "function", "name": n, "parameters": schema} for n in ("find", "seek")]
    box = Toolbox(tools, handlers={"find": find, "seek": seek})
    items = await box.execute([call("seek", {"room": "Oak"}), call("find", {"room": "Oak"}, "c2")])

    assert [item["output"] for item in items] == ["Oak", "Oak c2"]


async def test_what_stops_the_program_is_raised_through_a_running_loop():
    def leave() -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        Toolbox([leave]).execute_sync([call("leave", {})])
