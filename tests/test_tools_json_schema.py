from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from responses_adapters.tools import NotStrictError, ToolConversionError
from responses_adapters.tools.json_schema import to_wire_schema
from responses_adapters.tools.json_schema.rules import broken_rule

S = {"type": "string"}
I = {"type": "integer"}  # noqa: E741 -- reads like the schema it stands for


def obj(
    properties: dict[str, Any], required: list[str] | None = None, **rest: Any
) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": required or [], **rest}


def nested_object(levels: int) -> dict[str, Any]:
    node: Any = S
    for _ in range(levels):
        node = obj({"c": node})
    return dict(node)


def wire_of(node: Any, **rest: Any) -> Any:
    """The wire form of one required property."""
    wire = to_wire_schema(obj({"x": node}, ["x"], **rest))
    assert wire.strict, wire.reason
    return wire.parameters["properties"]["x"]


@pytest.mark.parametrize(
    ("given", "wire"),
    [
        ({"type": "STRING", "nullable": True}, {"type": ["string", "null"]}),
        (
            {"type": "int", "minimum": 0, "exclusiveMinimum": True},
            {"type": "integer", "exclusiveMinimum": 0},
        ),
        ({"type": "number", "divisibleBy": 2}, {"type": "number", "multipleOf": 2}),
        (
            {"type": "array", "items": S, "minItems": "1"},
            {"type": "array", "items": S, "minItems": 1},
        ),
        ({"const": 1}, {"type": "integer", "const": 1}),
        ({"enum": ["a", "b"]}, {"type": "string", "enum": ["a", "b"]}),
        (
            {"enum": [1, "a", None]},
            {
                "anyOf": [
                    {"type": "integer", "enum": [1]},
                    {"type": "string", "enum": ["a"]},
                    {"type": "null"},
                ]
            },
        ),
        ({"type": "string", "enum": ["a", 1, None]}, {"type": "string", "enum": ["a"]}),
        (
            {"type": "string", "enum": ["a"], "nullable": True},
            {"type": ["string", "null"], "enum": ["a", None]},
        ),
        ({"oneOf": [S, I]}, {"anyOf": [S, I]}),
        (
            {"type": ["string", "integer"], "minimum": 1},
            {"anyOf": [S, {"type": "integer", "minimum": 1}]},
        ),
        (
            {"allOf": [{"type": "integer", "minimum": 1}, {"maximum": 5}]},
            {"type": "integer", "minimum": 1, "maximum": 5},
        ),
        ({"anyOf": [S, {"anyOf": [S, I]}]}, {"anyOf": [S, I]}),
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        ({"type": "string", "format": "uri"}, {"type": "string", "description": "Format: uri."}),
        ({"type": "string", "pattern": "^a+$"}, {"type": "string", "pattern": "^a+$"}),
        (
            {"type": "string", "pattern": "^(?=a)"},
            {"type": "string", "description": "Pattern: ^(?=a)"},
        ),
        (
            {"type": "string", "pattern": r"\p{L}"},
            {"type": "string", "description": r"Pattern: \p{L}"},
        ),
        (
            {
                "type": "string",
                "description": "A tag.",
                "default": "q",
                "minLength": 2,
                "maxLength": 9,
                "x-ui": 1,
            },
            {"type": "string", "description": 'A tag. Default: "q". Length: 2 to 9 characters.'},
        ),
        (
            {"type": "array", "items": S, "uniqueItems": True, "examples": [["a"]]},
            {"type": "array", "items": S, "description": 'Examples: ["a"]. No item twice.'},
        ),
        (
            {"type": "string", "not": {"const": "x"}},
            {"type": "string", "description": 'Must also satisfy {"not": {"const": "x"}}'},
        ),
        (
            {"type": "array", "prefixItems": [I, I], "items": False, "minItems": 2},
            {"type": "array", "items": I, "minItems": 2, "maxItems": 2},
        ),
        ({"type": "integer", "maximum": float("inf")}, {"type": "integer"}),
    ],
    ids=ascii,
)
def test_every_dialect_says_the_same_on_the_wire(given: Any, wire: Any):
    assert wire_of(given) == wire


def test_a_described_reference_is_wrapped_not_inlined():
    defs = {"A": {"type": "string", "enum": ["p", "q"]}}

    assert wire_of({"$ref": "#/$defs/A", "description": "Which"}, **{"$defs": defs}) == {
        "anyOf": [{"$ref": "#/$defs/A"}],
        "description": "Which",
    }
    assert wire_of(
        {"allOf": [{"$ref": "#/$defs/A"}], "description": "Which"}, **{"$defs": defs}
    ) == {
        "anyOf": [{"$ref": "#/$defs/A"}],
        "description": "Which",
    }


@pytest.mark.parametrize(
    ("ref", "rest"),
    [
        ("#/definitions/a~1b%20c", {"definitions": {"a/b c": S}}),
        ("#/properties/y", {}),
        ("#name", {"$defs": {"N": {"$anchor": "name", **S}}}),
        ("item", {"$id": "https://example.org/t", "$defs": {"N": {"$id": "item", **S}}}),
        ("https://example.org/t#/$defs/N", {"$id": "https://example.org/t", "$defs": {"N": S}}),
    ],
)
def test_references_of_every_kind_lead_to_definitions(ref: str, rest: dict[str, Any]):
    wire = to_wire_schema(obj({"x": {"$ref": ref}, "y": S}, ["x", "y"], **rest)).parameters

    name = wire["properties"]["x"]["$ref"].removeprefix("#/$defs/")
    assert wire["$defs"] == {name: S}


def test_unused_definitions_are_left_out():
    schema = obj({"x": S}, ["x"], **{"$defs": {"Unused": I}})

    assert "$defs" not in to_wire_schema(schema).parameters


def test_properties_may_be_called_like_keywords():
    names = ["title", "type", "properties", "$ref", "required", "enum", "$defs", "$id", "default"]

    wire = to_wire_schema(obj(dict.fromkeys(names, S), names))

    assert wire.strict
    assert wire.parameters["required"] == names


@pytest.mark.parametrize(
    ("node", "reason"),
    [
        ({}, "/properties/x: takes any value"),
        (True, "/properties/x: takes any value"),
        ({"type": "array"}, "/properties/x: its items take any value"),
        ({"type": "object"}, "/properties/x: holds keys that are not known beforehand"),
        ({"type": "object", "additionalProperties": I}, "(additionalProperties)"),
        ({"type": "object", "patternProperties": {"^a": S}}, "(patternProperties)"),
        (obj({"a": S}, ["a", "b"]), "/properties/x: requires b, which it does not describe"),
        (obj({"a": False}, ["a"]), "requires a, for which no value is accepted"),
        ({"enum": [{"a": 1}]}, "strict enums list text, numbers, booleans and null only"),
        ({"allOf": [S, I]}, "a value cannot be ['string'] and ['integer'] at once"),
        ({"type": "array", "items": [I, S]}, "a tuple's positions differ"),
        (
            {"anyOf": [obj({"a": I}), obj({"a": {"type": ["integer", "null"]}}, ["a"])]},
            "cannot be told apart",
        ),
        (
            {"enum": [f"v{i}" for i in range(1001)]},
            "it has 1,001 enum values, and strict mode takes 1,000",
        ),
        ({"enum": [f"{i:0100}" for i in range(251)]}, "an enum of more than 250 values"),
    ],
    ids=ascii,
)
def test_what_strict_mode_would_lose_stays_loose_and_says_where(node: Any, reason: str):
    schema = obj({"x": node}, ["x"])

    wire = to_wire_schema(schema)

    assert not wire.strict
    assert reason in (wire.reason or "")
    Draft202012Validator.check_schema(wire.parameters)
    with pytest.raises(NotStrictError):
        to_wire_schema(schema, strict=True)


@pytest.mark.parametrize(
    ("schema", "reason"),
    [
        (
            obj({f"p{i}": S for i in range(5_001)}),
            "it has 5,001 properties, and strict mode takes 5,000",
        ),
        (obj({f"{'n' * 60}{i}": S for i in range(2_500)}), "characters in names and enum values"),
        (nested_object(11), "its objects are nested more than 10 deep"),
    ],
    ids=["properties", "characters", "depth"],
)
def test_what_is_too_large_for_strict_mode_stays_loose(schema: Any, reason: str):
    wire = to_wire_schema(schema)

    assert not wire.strict
    assert reason in (wire.reason or "")


def test_sizes_at_the_limit_are_strict():
    assert to_wire_schema(obj({f"p{i}": S for i in range(5_000)})).strict
    assert to_wire_schema(nested_object(10)).strict


def test_a_contradiction_between_closed_parts_is_named():
    closed = obj({"a": S}, ["a"], additionalProperties=False)
    wire = to_wire_schema(obj({"x": {"allOf": [closed, obj({"b": S}, ["b"])]}}))

    assert "one part requires b, another forbids it" in (wire.reason or "")


def test_closed_alternatives_that_omit_the_same_things_stay_strict():
    cat = obj({"kind": {"const": "cat"}, "lives": I}, ["kind"])
    dog = obj({"kind": {"const": "dog"}, "lives": {"type": ["integer", "null"]}}, ["kind", "lives"])
    wire = to_wire_schema(obj({"pet": {"anyOf": [cat, dog]}}, ["pet"]))

    assert wire.strict
    assert wire.codec.decode({"pet": {"kind": "cat", "lives": None}}) == {"pet": {"kind": "cat"}}
    kept = {"pet": {"kind": "dog", "lives": None}}
    assert wire.codec.decode(kept) == kept


def test_alternatives_at_the_root_become_one_loose_object_that_says_so():
    schema = {"oneOf": [obj({"a": S}, ["a"]), obj({"b": I, "c": I}, ["b"])]}

    wire = to_wire_schema(schema)

    assert wire.parameters == {"properties": {"a": S, "b": I, "c": I}, "type": "object"}
    assert wire.notes == "Give the arguments of one of these: a | b, c?."
    assert wire.problem({"a": "x"}) is None
    assert wire.problem({"a": "x", "b": 1}) is not None


def test_parts_at_the_root_are_merged_and_stay_strict():
    wire = to_wire_schema({"allOf": [obj({"a": S}, ["a"]), obj({"b": I})]})

    assert wire.strict
    assert wire.parameters["required"] == ["a", "b"]


def test_rules_at_the_root_become_words_of_the_tool():
    wire = to_wire_schema(obj({"a": S, "b": S}, dependentRequired={"a": ["b"]}))

    assert wire.strict
    assert wire.notes == 'Must also satisfy {"dependentRequired": {"a": ["b"]}}'
    assert wire.problem({"a": "x"}) is not None


@pytest.mark.parametrize(
    "schema", [None, True, {}, {"type": "object"}, {"type": "object", "properties": []}]
)
def test_nothing_said_means_no_arguments(schema: Any):
    assert to_wire_schema(schema).parameters == {
        "type": "object",
        "properties": {},
        "required": [],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("schema", "words"),
    [
        ({"type": "array", "items": S}, "wrap the value in an object with one property"),
        (
            obj({"x": {"$ref": "https://example.org/x.json"}}),
            "/properties/x: $ref 'https://example.org/x.json' lies outside",
        ),
        (obj({"x": {"$ref": "#/$defs/A"}}), "/properties/x: nothing answers to $ref '#/$defs/A'"),
        (obj({"x": {"$ref": "#nowhere"}}), "no $anchor answers to"),
        (obj({"x": {"$ref": 7}}), "$ref must be a string, not 7"),
        (obj({"x": {"type": "banana"}}), "/properties/x: 'banana' is not a JSON Schema type"),
        (obj({"x": "text"}), "/properties/x: 'text' is not a schema"),
        (obj({"x": {"enum": []}}), "nothing is accepted"),
        (obj({"x": {"const": object()}}), "the schema is not JSON"),
        ({"allOf": [S, {"type": "object"}]}, "at once"),
    ],
    ids=ascii,
)
def test_what_cannot_be_a_tool_says_why_and_where(schema: Any, words: str):
    with pytest.raises(ToolConversionError) as caught:
        to_wire_schema(schema)

    assert words in str(caught.value)


def test_a_finished_schema_is_checked_once_more():
    assert (
        broken_rule({"type": "object", "properties": {}, "oneOf": []})
        == "strict mode does not know 'oneOf'"
    )


def nested(levels: int, key: str) -> Any:
    node: Any = S
    for _ in range(levels):
        node = (
            obj({"c": node})
            if key == "properties"
            else {key: node if key == "items" else [node, I]}
        )
    return node


def forked(keyword: str) -> dict[str, Any]:
    """Definitions that each name the one below twice: 2^40 ways to the bottom."""
    defs: dict[str, Any] = {"L0": obj({"z": S})}
    for i in range(1, 40):
        below = {"$ref": f"#/$defs/L{i - 1}"}
        defs[f"L{i}"] = {keyword: [below, below]}
    return obj({"x": {"$ref": "#/$defs/L39"}}, **{"$defs": defs})


def cyclic() -> Any:
    schema = obj({})
    schema["properties"]["self"] = schema
    return schema


def shared() -> Any:
    node: Any = S
    for _ in range(60):
        node = obj({"a": node, "b": node})
    return node


HOSTILE = {
    "deep properties": nested(400, "properties"),
    "deep items": obj({"x": nested(100, "items")}),
    "deep anyOf": obj({"x": nested(100, "anyOf")}),
    "contains itself": cyclic(),
    "shared parts": shared(),
    "too many values": obj({f"p{i}": {"enum": list(range(1000))} for i in range(300)}),
    "forked anyOf": forked("anyOf"),
    "forked allOf": forked("allOf"),
    "forked oneOf": forked("oneOf"),
    "reference to itself": obj(
        {"x": {"$ref": "#/$defs/A"}}, **{"$defs": {"A": {"$ref": "#/$defs/A"}}}
    ),
    "references in a ring": obj(
        {"x": {"$ref": "#/$defs/R0"}},
        **{
            "$defs": {
                f"R{i}": {"allOf": [{"$ref": f"#/$defs/R{(i + 1) % 3000}"}]} for i in range(3000)
            }
        },
    ),
}


def calls_of(work: Callable[[], object]) -> int:
    """How many Python functions `work` enters: a bound that no slow machine moves."""
    count = 0

    def profile(frame: Any, event: str, argument: Any) -> None:
        nonlocal count
        count += event == "call"

    before = sys.getprofile()
    sys.setprofile(profile)
    try:
        work()
    finally:
        sys.setprofile(before)
    return count


@pytest.mark.parametrize("schema", HOSTILE.values(), ids=HOSTILE.keys())
def test_hostile_schemas_end_in_an_error_at_once(schema: Any):
    def convert() -> None:
        with pytest.raises(ToolConversionError):
            to_wire_schema(schema)

    assert calls_of(convert) < 200_000


def test_merging_that_multiplies_stays_bounded_and_becomes_loose():
    defs: dict[str, Any] = {"L0": obj({"z": S})}
    for i in range(1, 30):
        below = {"$ref": f"#/$defs/L{i - 1}", "required": ["a" if i > 1 else "z"]}
        defs[f"L{i}"] = obj({"a": below, "b": below})
    schema = obj({"x": {"$ref": "#/$defs/L29"}}, **{"$defs": defs})
    reasons: list[Any] = []

    calls = calls_of(lambda: reasons.append(to_wire_schema(schema).reason))

    assert "merging its parts takes more than" in reasons[0]
    assert calls < 2_000_000


def test_definitions_are_never_inlined():
    defs: dict[str, Any] = {"L0": S}
    for i in range(1, 25):
        below = {"$ref": f"#/$defs/L{i - 1}"}
        defs[f"L{i}"] = obj({"a": below, "b": below}, ["a", "b"])
    wire = to_wire_schema(obj({"x": {"$ref": "#/$defs/L24"}}, **{"$defs": defs}))

    assert wire.strict
    assert len(wire._text) < 10_000


def test_the_input_is_never_changed_and_the_output_is_the_callers():
    schema = obj({"x": {"type": "object", "properties": {"y": S}}}, ["x"])
    before = repr(schema)

    first = to_wire_schema(schema).parameters
    first["properties"].clear()

    assert repr(schema) == before
    assert list(to_wire_schema(schema).parameters["properties"]) == ["x"]


def test_up_to_draft_7_what_stands_beside_a_reference_does_not_count():
    draft7 = {"$schema": "http://json-schema.org/draft-07/schema#"}
    schema = obj({"x": {"$ref": "#/definitions/A", "maxLength": 1, "description": "D"}}, ["x"])
    schema["definitions"] = {"A": S}

    assert to_wire_schema(draft7 | schema).problem({"x": "long"}) is None
    assert to_wire_schema(schema).problem({"x": "long"}) is not None


def test_keys_whose_pattern_python_cannot_check_stay_sayable():
    node = {
        "type": "object",
        "patternProperties": {r"^\p{L}+$": S},
        "additionalProperties": False,
    }
    wire = to_wire_schema(obj({"x": node}, ["x"]))

    assert wire.problem({"x": {"größe": "y"}}) is None


@pytest.mark.parametrize(
    "beside", [{"required": ["n"]}, {"maxLength": 3}, {"minProperties": 1, "pattern": "^a"}]
)
def test_a_reference_to_itself_with_rules_beside_it_ends(beside: dict[str, Any]):
    node = obj({"n": {"$ref": "#/$defs/A", **beside}})
    wire = to_wire_schema(obj({"x": {"$ref": "#/$defs/A"}}, ["x"], **{"$defs": {"A": node}}))

    Draft202012Validator.check_schema(wire.parameters)
    assert len(wire._text) < 5_000


def test_a_reference_to_itself_with_parts_beside_it_stays_loose():
    more = {"allOf": [{"$ref": "#/$defs/A"}, obj({"m": S})]}
    defs = {"A": obj({"n": more, "o": {"anyOf": [{"$ref": "#/$defs/A"}], "required": ["n"]}})}
    wire = to_wire_schema(obj({"x": {"$ref": "#/$defs/A"}}, **{"$defs": defs}))

    assert not wire.strict
    assert "merged with a reference to itself" in (wire.reason or "")


def test_a_long_chain_of_references_is_refused():
    defs: dict[str, Any] = {f"C{i}": {"$ref": f"#/$defs/C{i + 1}"} for i in range(3_000)}
    schema = obj({"x": {"$ref": "#/$defs/C0"}}, **{"$defs": {**defs, "C3000": S}})

    with pytest.raises(ToolConversionError, match="a chain of more than 50 references"):
        to_wire_schema(schema)
