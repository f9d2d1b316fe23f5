"""Random schemas and values: what goes over the wire is legal, says every valid call, and comes back unchanged."""

from __future__ import annotations

import contextlib
import json
from typing import Any

from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from responses_adapters.tools import ToolConversionError
from responses_adapters.tools.json_schema import to_wire_schema
from responses_adapters.tools.json_schema.rules import broken_rule

Schema = dict[str, Any]

NAMES = ["a", "b", "kind", "properties", "$ref", "größe"]
TEXTS = st.sampled_from(["", "x", "yy", "red", "<null>x", "long enough"])
DEFS = ["Node", "Leaf"]


def _with(base: Schema, **options: st.SearchStrategy[Any]) -> st.SearchStrategy[Schema]:
    return st.fixed_dictionaries({}, optional=options).map(lambda chosen: {**base, **chosen})


LEAVES = st.one_of(
    _with(
        {"type": "string"},
        minLength=st.integers(0, 2),
        maxLength=st.integers(2, 9),
        format=st.sampled_from(["date", "uri"]),
        pattern=st.sampled_from(["^[a-z ]*$", "^(?=.)"]),
        description=TEXTS,
    ),
    _with({"type": "integer"}, minimum=st.integers(-3, 0), maximum=st.integers(1, 9)),
    _with({"type": "number"}, exclusiveMinimum=st.integers(-3, -1), default=st.just(0.5)),
    st.just({"type": "boolean"}),
    st.just({"type": ["string", "null"]}),
    st.just({"type": ["integer", "string"]}),
    st.just({"type": "string", "nullable": True}),
    st.lists(st.sampled_from(["red", 1, None, True, 2.5]), min_size=1, unique_by=repr).map(
        lambda values: {"enum": values}
    ),
    st.sampled_from([{"const": "red"}, {"const": 1}, {"type": "null"}]),
    st.sampled_from(DEFS).map(lambda name: {"$ref": f"#/$defs/{name}"}),
    st.sampled_from(DEFS).map(lambda name: {"$ref": f"#/$defs/{name}", "description": "one"}),
)


@st.composite
def objects(draw: st.DrawFn, children: st.SearchStrategy[Schema]) -> Schema:
    properties = draw(st.dictionaries(st.sampled_from(NAMES), children, max_size=4))
    schema: Schema = {"type": "object", "properties": properties}
    required = (
        draw(st.lists(st.sampled_from(sorted(properties)), unique=True)) if properties else []
    )
    if required:
        schema["required"] = required
    closed = draw(
        st.sampled_from([None, None, None, False, False, False, None, True, {"type": "integer"}])
    )
    if closed is not None:
        schema["additionalProperties"] = closed
    return schema


def _branches(children: st.SearchStrategy[Schema]) -> st.SearchStrategy[Schema]:
    return st.one_of(
        objects(children),
        _with({"type": "array"}, maxItems=st.integers(1, 3)).flatmap(
            lambda array: children.map(lambda items: {**array, "items": items})
        ),
        st.lists(children, min_size=1, max_size=3).map(lambda found: {"anyOf": found}),
        st.lists(children, min_size=1, max_size=2).map(lambda found: {"oneOf": found}),
        st.lists(objects(children), min_size=1, max_size=2).map(lambda found: {"allOf": found}),
        children.map(lambda child: {"anyOf": [child, {"type": "null"}], "default": None}),
    )


SCHEMAS = st.recursive(LEAVES, _branches, max_leaves=8)


@st.composite
def documents(draw: st.DrawFn) -> Schema:
    node = draw(objects(SCHEMAS))
    node["properties"]["next"] = {"$ref": "#/$defs/Node"}
    node["required"] = [name for name in node.get("required", ()) if name != "next"]
    return {**draw(objects(SCHEMAS)), "$defs": {"Node": node, "Leaf": draw(LEAVES_WITHOUT_REFS)}}


LEAVES_WITHOUT_REFS = LEAVES.filter(lambda leaf: "$ref" not in leaf)


def _value(draw: st.DrawFn, schema: Schema, defs: dict[str, Schema], depth: int = 0) -> Any:
    """A value that a schema probably accepts; the validator has the last word."""
    assume(depth < 12)  # some schemas require a value inside itself
    if "$ref" in schema:
        return _value(draw, defs[schema["$ref"].rsplit("/", 1)[1]], defs, depth + 1)
    if "const" in schema or "enum" in schema:
        return schema["const"] if "const" in schema else draw(st.sampled_from(schema["enum"]))
    for key in ("anyOf", "oneOf"):
        if key in schema:
            return _value(draw, draw(st.sampled_from(schema[key])), defs, depth + 1)
    if "allOf" in schema:
        merged: dict[str, Any] = {}
        for part in schema["allOf"]:
            merged |= _value(draw, part, defs, depth + 1)
        return merged
    kinds = schema["type"]
    kind = draw(st.sampled_from(kinds)) if isinstance(kinds, list) else kinds
    if schema.get("nullable") and draw(st.booleans()):
        kind = "null"
    if kind == "array":
        size = draw(st.integers(0, min(2, schema.get("maxItems", 2))))
        return [_value(draw, schema["items"], defs, depth + 1) for _ in range(size)]
    if kind == "object":
        required = schema.get("required", ())
        chosen = {
            name: _value(draw, child, defs, depth + 1)
            for name, child in schema["properties"].items()
            if name in required or (depth < 4 and draw(st.booleans()))
        }
        if schema.get("additionalProperties") and draw(st.booleans()):
            chosen["extra"] = 7
        return chosen
    return draw(
        {
            "string": TEXTS,
            "integer": st.integers(-3, 9),
            "number": st.sampled_from([-2.5, 0.0, 0.5, 3]),
            "boolean": st.booleans(),
            "null": st.none(),
        }[kind]
    )


@st.composite
def calls(draw: st.DrawFn) -> tuple[Schema, Any]:
    schema = draw(documents())
    return schema, _value(draw, schema, schema["$defs"])


def _own_view(schema: Schema) -> Schema:
    """The schema in the dialect of the validator: `nullable` is OpenAPI's."""
    if isinstance(schema, list):
        return [_own_view(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if schema.get("nullable") is True:
        return {"type": [schema["type"], "null"]}
    return {key: _own_view(value) for key, value in schema.items()}


def _same(back: Any, given: Any) -> bool:
    """Equality, but for nulls left out; those are checked against the schema's defaults apart."""
    if isinstance(back, dict) and isinstance(given, dict):
        left_out = given.keys() - back.keys()
        return (
            back.keys() <= given.keys()
            and all(given[name] is None for name in left_out)
            and all(_same(back[name], given[name]) for name in back)
        )
    if isinstance(back, list) and isinstance(given, list):
        return len(back) == len(given) and all(map(_same, back, given))
    return type(back) is type(given) and bool(back == given)


SETTINGS = settings(
    max_examples=150,
    deadline=None,
    suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow],
)


@SETTINGS
@given(calls())
def test_every_valid_call_can_be_said_and_comes_back(call: tuple[Schema, Any]):
    schema, arguments = call
    own = Draft202012Validator(_own_view(schema))
    assume(own.is_valid(arguments))

    wire = to_wire_schema(schema)
    said = wire.codec.encode(arguments)

    assert Draft202012Validator(wire.parameters).is_valid(said), (wire.parameters, said)
    assert wire.problem(arguments) is None
    back = wire.codec.decode(json.loads(json.dumps(said)))
    if back != arguments:  # only a null that the schema names as the default may be left out
        assert _same(back, arguments)
        assert own.is_valid(back)
        assert '"default": null' in json.dumps(schema)


@SETTINGS
@given(calls(), st.data())
def test_what_the_original_refuses_is_refused_after_decoding(
    call: tuple[Schema, Any], data: st.DataObject
):
    schema, arguments = call
    own = Draft202012Validator(_own_view(schema))
    spoiled = _spoil(arguments, data)
    assume(not own.is_valid(spoiled))

    wire = to_wire_schema(schema)

    assert wire.problem(wire.codec.decode(wire.codec.encode(spoiled))) is not None


def _spoil(value: Any, data: st.DataObject) -> Any:
    """The same arguments with one place changed to something else that is not null."""
    if isinstance(value, dict) and value and data.draw(st.booleans()):
        name = data.draw(st.sampled_from(sorted(value)))
        return {**value, name: _spoil(value[name], data)}
    if isinstance(value, list) and value:
        return [_spoil(value[0], data), *value[1:]]
    return data.draw(st.sampled_from([{"wrong": 1}, "no such word", -99, [[]], 1.25]))


@SETTINGS
@given(documents())
def test_a_strict_schema_keeps_every_rule_and_a_loose_one_is_json_schema(schema: Schema):
    before = json.dumps(schema)

    wire = to_wire_schema(schema)

    assert json.dumps(schema) == before
    Draft202012Validator.check_schema(wire.parameters)
    assert wire.parameters["type"] == "object"
    if wire.strict:
        assert broken_rule(wire.parameters) is None
        assert wire.reason is None
    else:
        assert wire.reason


KEYWORDS = [
    *("type", "properties", "required", "additionalProperties", "items", "prefixItems", "enum"),
    *(
        "const",
        "anyOf",
        "oneOf",
        "allOf",
        "not",
        "if",
        "$ref",
        "$id",
        "$anchor",
        "$defs",
        "$schema",
    ),
    *(
        "pattern",
        "patternProperties",
        "format",
        "minimum",
        "exclusiveMinimum",
        "minItems",
        "default",
    ),
    *(
        "description",
        "title",
        "examples",
        "nullable",
        "dependencies",
        "definitions",
        "id",
        "extends",
    ),
]
SCALARS = st.sampled_from(
    [None, True, False, 0, -1, 1.5, float("inf"), "", "string", "object", "array", "#", "#/$defs/a"]
)
JUNK = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from([*KEYWORDS, "a"]), inner, max_size=4),
    ),
    max_leaves=20,
)


@SETTINGS
@given(st.dictionaries(st.sampled_from(KEYWORDS), JUNK, max_size=6))
def test_any_json_at_all_converts_to_something_legal_or_is_refused_in_words(schema: Schema):
    wire = None
    with contextlib.suppress(ToolConversionError):  # refused in words; anything else is an accident
        wire = to_wire_schema(schema)
    if wire is None:
        return
    Draft202012Validator.check_schema(wire.parameters)
    assert wire.parameters["type"] == "object"
    wire.problem({})
