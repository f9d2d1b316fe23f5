from __future__ import annotations

from typing import Any

import pytest

from responses_adapters.tools import Toolbox, ToolConversionError

S = {"type": "string"}
PET = {"type": "object", "properties": {"name": S}, "required": ["name"]}


def parameters_of(operation: dict[str, Any], **document: Any) -> dict[str, Any]:
    """What the model is shown of one operation."""
    made = {"swagger": "2.0", **document, "paths": {"/pets": {"post": operation}}}
    (tool,) = Toolbox([made], strict=False)
    shown: dict[str, Any] = tool.definition()["parameters"]
    return shown


@pytest.mark.parametrize(
    ("given", "properties"),
    [
        ({"in": "query", "type": "integer", "minimum": 1}, {"type": "integer", "minimum": 1}),
        (
            {"in": "query", "description": "Which.", "deprecated": True, "schema": S},
            {**S, "description": "Which.", "deprecated": True},
        ),
        ({"in": "query", "content": {"application/json": {"schema": PET}}}, PET),
        ({"in": "query", "content": {}}, {}),
        (
            {"in": "query", "description": "Which.", "schema": {"$ref": "#/definitions/Pet"}},
            {"allOf": [{"$ref": "#/$defs/Pet"}], "description": "Which."},
        ),
    ],
    ids=["swagger", "described", "content", "empty content", "described reference"],
)
def test_a_parameter_of_any_form_is_an_argument(given: Any, properties: Any):
    shown = parameters_of({"parameters": [{"name": "x", **given}]}, definitions={"Pet": PET})
    assert shown["properties"]["x"] == properties


@pytest.mark.parametrize(
    ("required", "names"), [(True, ["name"]), (False, ["body"])], ids=["required", "optional"]
)
def test_a_body_that_must_be_there_stands_beside_the_parameters(required: bool, names: list[str]):
    body = {"in": "body", "name": "pet", "required": required}
    shown = parameters_of(
        {"parameters": [{**body, "schema": {"$ref": "#/definitions/Pet"}}]},
        definitions={"Pet": PET},
    )
    assert list(shown["properties"]) == names


def test_a_body_that_takes_anything_is_one_argument():
    assert list(parameters_of({"parameters": [{"in": "body"}]})["properties"]) == ["body"]


def test_a_body_without_content_adds_no_argument():
    assert parameters_of({"requestBody": {"required": True}})["properties"] == {}


def test_an_operations_own_parameter_replaces_the_paths():
    item = {
        "parameters": [{"name": "x", "in": "query", "schema": S}],
        "get": {"parameters": [{"name": "x", "in": "query", "schema": {"type": "integer"}}]},
        "x-note": "no operation",
    }
    (tool,) = Toolbox([{"openapi": "3.1.0", "paths": {"/a": item, "/b": None}}])
    assert tool.definition()["parameters"]["properties"]["x"]["type"] == ["integer", "null"]


def test_an_operation_may_come_alone():
    operation = {"operationId": "find", "parameters": [{"name": "q", "in": "query", "schema": S}]}
    (bare,) = Toolbox([operation])
    (placed,) = Toolbox([{"path": "/pets", "method": "get", "operation": {"summary": "All pets"}}])
    assert (bare.name, placed.original_name) == ("find", "get /pets")
    assert placed.description == "All pets"


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        (
            {"parameters": [{"name": "x", "in": "query"}, {"name": "x", "in": "header"}]},
            "two arguments are called 'x'",
        ),
        ({"parameters": [{"$ref": "#/parameters/none"}]}, "nothing answers to $ref"),
        ({"parameters": [{"$ref": "#/parameters/loop"}]}, "references only name one another"),
    ],
    ids=ascii,
)
def test_an_operation_that_contradicts_itself_is_refused(operation: Any, words: str):
    loop = {"loop": {"$ref": "#/parameters/loop"}}
    with pytest.raises(ToolConversionError) as refused:
        parameters_of(operation, parameters=loop)
    assert words in str(refused.value)
