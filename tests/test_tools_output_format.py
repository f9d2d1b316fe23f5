from __future__ import annotations

from typing import Any, Generic, TypeVar

import pytest
from pydantic import BaseModel
from typing_extensions import TypedDict

from responses_adapters.tools import OutputFormat, ToolConversionError, ToolError

T = TypeVar("T")


class Rows(TypedDict, Generic[T]):
    rows: list[T]


class City(BaseModel):
    """A city."""

    name: str
    people: int = 0


def test_a_model_becomes_a_strict_text_format():
    assert OutputFormat(City).text == {
        "format": {
            "type": "json_schema",
            "name": "City",
            "description": "A city.",
            "schema": {
                "type": "object",
                "properties": {
                    "name": {"type": "string"},
                    "people": {"type": ["integer", "null"], "description": "Default: 0."},
                },
                "required": ["name", "people"],
                "additionalProperties": False,
            },
            "strict": True,
        }
    }


def test_an_answer_is_decoded_before_it_is_validated():
    assert OutputFormat(City).parse('{"name": "Oslo", "people": null}') == City(name="Oslo")


def test_an_answer_to_a_json_schema_is_checked_by_it():
    schema = {
        "type": "object",
        "properties": {"n": {"type": "integer", "multipleOf": 3, "not": {"const": 9}}},
    }
    shape = OutputFormat(schema, name="thirds")

    assert shape.parse('{"n": 6}') == {"n": 6}
    assert shape.parse('{"n": null}') == {}
    with pytest.raises(ToolError, match="the answer does not fit thirds: n: 9"):
        shape.parse('{"n": 9}')


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "not valid JSON"),
        ("[]", "JSON object"),
        ('{"people": "many"}', "name: Field required"),
    ],
)
def test_an_answer_that_does_not_fit_says_why(text: str, words: str):
    with pytest.raises(ToolError, match=words):
        OutputFormat(City).parse(text)


def test_a_shape_that_is_no_object_is_refused_with_what_to_do():
    with pytest.raises(ToolConversionError, match="wrap the value in an object"):
        OutputFormat(int)


@pytest.mark.parametrize("shape", ["json", None, 3, [City]])
def test_what_is_no_shape_is_refused_as_such(shape: Any):
    with pytest.raises(ToolConversionError, match="is not a shape: pass a Pydantic model"):
        OutputFormat(shape)


def test_generic_shapes_are_shapes():
    class Page(BaseModel, Generic[T]):
        item: T

    assert OutputFormat(Page[int]).parse('{"item": 1}').item == 1
    assert OutputFormat(Rows[int]).parse('{"rows": [1]}') == {"rows": [1]}
