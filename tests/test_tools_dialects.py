"""What hand-written, generated and outdated schemas mean, one line of a table for each."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from enum import Enum
from types import MappingProxyType
from typing import Any

import pytest

from responses_adapters.tools import ToolConversionError
from responses_adapters.tools.json_schema import to_wire_schema

S = {"type": "string"}
I = {"type": "integer"}  # noqa: E741 -- reads like the schema it stands for
LETTER = {"type": "string", "enum": ["p", "q"]}


def obj(
    properties: dict[str, Any], required: list[str] | None = None, **rest: Any
) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or [], **rest}


def closed(properties: dict[str, Any]) -> dict[str, Any]:
    return obj(properties, list(properties), additionalProperties=False)


def convert(node: Any) -> Any:
    return to_wire_schema(obj({"x": node}, ["x"], **{"$defs": {"Letter": LETTER}}))


@pytest.mark.parametrize(
    ("parts", "both"),
    [
        (
            [{"type": ["integer", "string"]}, {"type": ["number", "string"]}],
            {"anyOf": [I, S]},
        ),
        ([{"type": "number"}, I], I),
        ([{"enum": ["a", "b"]}, {"enum": ["b", "c"]}], {"type": "string", "enum": ["b"]}),
        ([{"enum": [1, True]}, {"enum": [True]}], {"type": "boolean", "enum": [True]}),
        ([{"enum": ["a", "b"]}, {"const": "b"}], {"type": "string", "const": "b"}),
        ([{**I, "multipleOf": 4}, {"multipleOf": 6}], {**I, "multipleOf": 12}),
        (
            [{**S, "minLength": 2, "pattern": "^a"}, {"minLength": 5, "pattern": "b$"}],
            {**S, "pattern": "^a", "description": "Length: at least 5 characters."},
        ),
        (
            [{**S, "description": "One."}, {"description": "Two."}],
            {**S, "description": "One.\nTwo."},
        ),
        (
            [{"type": "array", "items": {**I, "minimum": 1}}, {"items": {"maximum": 3}}],
            {"type": "array", "items": {**I, "minimum": 1, "maximum": 3}},
        ),
        (
            [closed({"a": S}), {"properties": {"a": {"maxLength": 2}}, "required": ["a"]}],
            closed({"a": {**S, "description": "Length: at most 2 characters."}}),
        ),
        ([closed({"a": S}), obj({"b": S})], closed({"a": S})),
        (
            [obj({"a": S}, ["a"], additionalProperties=True), closed({"a": S})],
            closed({"a": S}),
        ),
        (
            [{**S, "anyOf": [{"minLength": 1}, {"pattern": "a"}]}, {"anyOf": [{"format": "date"}]}],
            {
                "anyOf": [
                    {**S, "format": "date", "description": "Length: at least 1 characters."},
                    {**S, "format": "date", "pattern": "a"},
                ]
            },
        ),
        (
            [{**S, "not": {"const": "a"}}, {"not": {"const": "b"}}],
            {
                **S,
                "description": 'Must also satisfy {"not": {"const": "b"}}'
                ' Must also satisfy {"not": {"const": "a"}}',
            },
        ),
    ],
    ids=ascii,
)
def test_parts_that_must_hold_together_become_one_schema(parts: list[Any], both: Any):
    wire = convert({"allOf": parts})
    assert wire.reason is None
    assert wire.parameters["properties"]["x"] == both


@pytest.mark.parametrize(
    ("node", "words"),
    [
        ({"allOf": [S, I]}, "cannot be ['string'] and ['integer'] at once"),
        ({"allOf": [{"enum": ["a"]}, {"enum": ["c"]}]}, "the enums share no value"),
        ({"allOf": [{"enum": ["a"]}, {"const": "b"}]}, "const is not among the enum's values"),
        ({"allOf": [{"const": "a"}, {"const": "b"}]}, "two different values of 'const'"),
        ({"allOf": [closed({"a": S}), obj({"b": S}, ["b"])]}, "requires b, another forbids it"),
        (
            {
                "allOf": [
                    {"anyOf": [{**S, bound: length} for length in range(9)]}
                    for bound in ("minLength", "maxLength")
                ]
            },
            "too many combinations of alternatives",
        ),
        (
            {
                "allOf": [
                    obj({"a": S}, additionalProperties=S),
                    {"additionalProperties": {"pattern": "b"}},
                ]
            },
            "holds keys that are not known beforehand",
        ),
        ({**I, "anyOf": [{"type": "boolean"}, S]}, "none of its alternatives can hold"),
        ({"anyOf": [False]}, "none of its alternatives can hold"),
        ({"anyOf": [S, I], "oneOf": [S, I]}, "at once"),
        ({**I, "enum": ["a"]}, "none of the listed values has the declared type"),
        ({"enum": [{"a": 1}]}, "strict enums list text, numbers, booleans and null only"),
        ({"type": "any"}, "takes any value"),
        ({"nullable": True, "description": "Anything."}, "takes any value"),
        ({"type": "array", "items": [S, I]}, "a tuple's positions differ"),
        ({"type": "array", "items": False}, "its items take any value"),
        ({"type": "object", "patternProperties": {"(": S}}, "keys that are not known beforehand"),
        ({"type": "object", "patternProperties": {"a": S}}, "(patternProperties)"),
        ({"type": "object", "additionalProperties": None}, "list its properties"),
        ({"type": "object", "properties": {"a": False}, "required": ["a"]}, "no value is accepted"),
        ({"anyOf": [obj({"a": S}), obj({"a": S}, ["a"])]}, "cannot be told apart"),
    ],
    ids=ascii,
)
def test_what_has_no_faithful_strict_form_stays_loose_and_says_why(node: Any, words: str):
    wire = convert(node)
    assert not wire.strict
    assert words in wire.reason
    assert wire.parameters["properties"].keys() == {"x"}


@pytest.mark.parametrize(
    ("node", "wire"),
    [
        (
            {**I, "anyOf": [{"minimum": 5}, {"maximum": 1}]},
            {"anyOf": [{**I, "minimum": 5}, {**I, "maximum": 1}]},
        ),
        ({**I, "anyOf": [{"minimum": 5}, S]}, {**I, "minimum": 5}),
        (
            {**S, "description": "Which.", "anyOf": [{"$ref": "#/$defs/Letter"}, {"const": "z"}]},
            {
                "anyOf": [{"$ref": "#/$defs/Letter"}, {**S, "const": "z"}],
                "description": "Which.",
            },
        ),
        ({"anyOf": [False, S]}, S),
        ({"anyOf": [{"type": "null"}]}, {"type": "null"}),
        ({"enum": [1, 1.5]}, {"type": "number", "enum": [1, 1.5]}),
        ({"type": "number", "const": 1}, {"type": "number", "const": 1}),
        ({"type": "integer", "const": 1.0}, {"type": "integer", "const": 1.0}),
        (
            {"anyOf": [obj({"a": S}), obj({"a": I}, ["a"])]},
            {"anyOf": [closed({"a": {"type": ["string", "null"]}}), closed({"a": I})]},
        ),
        (
            {"anyOf": [obj({"a": LETTER}), obj({"a": {"const": "z"}}, ["a"])]},
            {
                "anyOf": [
                    closed({"a": {"type": ["string", "null"], "enum": ["p", "q", None]}}),
                    closed({"a": {**S, "const": "z"}}),
                ]
            },
        ),
        (
            {"anyOf": [obj({"a": {"anyOf": [I, S]}}), obj({"a": {"type": "boolean"}}, ["a"])]},
            {
                "anyOf": [
                    closed({"a": {"anyOf": [I, S, {"type": "null"}]}}),
                    closed({"a": {"type": "boolean"}}),
                ]
            },
        ),
        (obj({"a": S, "b": False}, ["a"]), closed({"a": S})),
        ({"type": ["string", {"type": "integer"}]}, {"anyOf": [I, S]}),
        ({"type": ["string", None]}, {"type": ["string", "null"]}),
        ({"extends": {**I, "minimum": 2}, "maximum": 5}, {**I, "minimum": 2, "maximum": 5}),
        (
            {**S, "disallow": "null"},
            {**S, "description": 'Must also satisfy {"not": {"type": "null"}}'},
        ),
        ({"nullable": True, "const": "a"}, {"type": ["string", "null"], "enum": ["a", None]}),
        (
            {**S, "const": "a", "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        (
            {"anyOf": [S, I], "nullable": True, "description": "Either."},
            {"anyOf": [S, I, {"type": "null"}], "description": "Either."},
        ),
        ({**I, "minimum": "x", "maximum": "9"}, {**I, "maximum": 9}),
        ({**S, "example": "a"}, {**S, "description": 'Examples: "a".'}),
        (
            {**S, "contentEncoding": "base64", "contentMediaType": "image/png", "deprecated": True},
            {**S, "description": "Content: image/png, base64. Deprecated."},
        ),
        ({**S, "uniqueItems": False, "required": "x", "examples": "x"}, S),
        (
            {"type": "array", "items": [S, S], "additionalItems": S},
            {"type": "array", "items": S},
        ),
        (
            {"type": "object", "properties": {"a": {**S, "required": True}}},
            closed({"a": S}),
        ),
        (
            {**closed({"a": S, "b": S}), "dependencies": {"a": ["b"], "b": "a", "c": closed({})}},
            {
                **closed({"a": S, "b": S}),
                "description": 'Must also satisfy {"dependentRequired": {"a": ["b"], "b": ["a"]},'
                ' "dependentSchemas": {"c": {"type": "object", "properties": {},'
                ' "additionalProperties": false}}}',
            },
        ),
    ],
    ids=ascii,
)
def test_older_dialects_and_odd_spellings_are_understood(node: Any, wire: Any):
    converted = convert(node)
    assert converted.reason is None
    assert converted.parameters["properties"]["x"] == wire


def test_of_alternatives_at_the_root_only_objects_count():
    wire = to_wire_schema({"anyOf": [obj({"a": S}, ["a"], description="First."), S]})
    assert wire.parameters == closed({"a": S})
    assert wire.description == "First."


def test_alternatives_at_the_root_are_told_apart_in_words():
    first = obj({"a": S}, ["a"], description="First.")
    wire = to_wire_schema({"anyOf": [first, obj({"a": I, "b": S}, ["a"]), {"properties": {}}]})
    assert wire.parameters["properties"] == {"a": {"anyOf": [S, I]}, "b": S}
    assert wire.notes == "Give the arguments of one of these: a (First.) | a, b? | nothing."


def test_alternatives_that_are_all_closed_leave_a_closed_object():
    alternatives = [closed({"k": S}), closed({"k": S, "l": S})]
    wire = to_wire_schema({"oneOf": alternatives})
    assert wire.parameters["additionalProperties"] is False
    assert wire.parameters["required"] == ["k"]


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"anyOf": [S, I]}, "no alternative at the root is an object"),
        ({"allOf": [closed({"a": S}), S]}, "cannot be ['object'] and ['string'] at once"),
        (obj({"x": {"$ref": 5}}), "/properties/x: $ref must be a string, not 5"),
        (obj({"x": {"$ref": "other.json#/a"}}), "lies outside the schema and is not fetched"),
        (obj({"x": {"$ref": "#nowhere"}}), "no $anchor answers to $ref '#nowhere'"),
        (obj({"x": {"enum": []}}), "/properties/x: enum lists no value"),
        (obj({"x": {"default": object}}), "the schema is not JSON: type <class 'object'>"),
    ],
    ids=ascii,
)
def test_a_schema_that_is_no_tools_is_refused_with_the_place(schema: Any, words: str):
    with pytest.raises(ToolConversionError) as refused:
        to_wire_schema(schema)
    assert words in str(refused.value)


def test_values_that_python_schemas_hold_become_json():
    class Size(Enum):
        SMALL = "s"

    given = {
        "type": "object",
        "properties": {
            "a": MappingProxyType({"enum": {"y", "x"}}),
            "b": {"type": "number", "minimum": Decimal("1.5")},
            "c": {**S, "default": date(2020, 1, 2)},
            "d": {"const": Size.SMALL},
        },
        "required": ["a", "b", "c", "d"],
    }
    assert to_wire_schema(given).parameters["properties"] == {
        "a": {"type": "string", "enum": ["x", "y"]},
        "b": {"type": "number", "minimum": 1.5},
        "c": {**S, "description": 'Default: "2020-01-02".'},
        "d": {"type": "string", "const": "s"},
    }


def test_a_reference_may_pass_through_a_list_and_share_a_name():
    document = obj(
        {"x": {"$ref": "#/parts/1"}, "y": {"$ref": "#/$defs/1"}},
        ["x", "y"],
        parts=[S, LETTER],
        **{"$defs": {"1": {"type": "boolean"}}},
    )
    wire = to_wire_schema(document).parameters
    assert wire["$defs"] == {"1": LETTER, "1_2": {"type": "boolean"}}
    assert wire["properties"] == {"x": {"$ref": "#/$defs/1"}, "y": {"$ref": "#/$defs/1_2"}}


def test_arguments_nested_beyond_what_can_be_checked_are_a_problem_in_words():
    wire = to_wire_schema(obj({"c": {"$ref": "#"}}))
    arguments: dict[str, Any] = {}
    for _ in range(5000):
        arguments = {"c": arguments}
    assert wire.problem(arguments) == "the arguments are nested too deep"


def test_of_several_shapes_the_one_that_fits_says_what_was_left_out():
    cat = obj({"kind": {"const": "cat"}, "lives": I, "name": S}, ["kind"])
    dog = obj({"kind": {"const": "dog"}, "tricks": {"type": "array", "items": S}}, ["kind"])
    pets = {"type": "array", "items": {"anyOf": [{"$ref": "#/$defs/Cat"}, dog, S]}}
    document = obj({"pets": pets}, ["pets"], **{"$defs": {"Cat": cat}})
    codec = to_wire_schema(document).codec
    own = {"pets": [{"kind": "dog"}, {"kind": "cat", "lives": 9.0}, "hamster"]}
    said = {
        "pets": [
            {"kind": "dog", "tricks": None},
            {"kind": "cat", "lives": 9.0, "name": None},
            "hamster",
        ]
    }
    assert codec.encode(own) == said
    assert codec.decode(said) == own


def test_a_tree_of_itself_leads_back_to_its_root():
    leaf_or_tree = {"anyOf": [{"$ref": "#"}, {"type": "array", "items": {"$ref": "#"}}]}
    codec = to_wire_schema(obj({"value": {"type": "boolean"}, "next": leaf_or_tree})).codec
    own = {"next": [{"value": True}, {"next": {"value": False}}]}
    said = {
        "value": None,
        "next": [
            {"value": True, "next": None},
            {"value": None, "next": {"value": False, "next": None}},
        ],
    }
    assert codec.encode(own) == said
    assert codec.decode(said) == own


def test_what_fits_no_shape_is_left_as_it_is():
    shapes = [obj({"a": I}, ["a"]), obj({"b": S, "c": S}, ["b"])]
    codec = to_wire_schema(obj({"x": {"anyOf": shapes}, "y": S}, ["x"])).codec
    assert codec.decode({"x": {"z": 1}, "y": None}) == {"x": {"z": 1}}
    assert codec.decode({"x": {"b": 1, "c": None}, "y": None}) == {"x": {"b": 1, "c": None}}
