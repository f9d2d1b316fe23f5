from __future__ import annotations

import pytest
from pydantic import BaseModel

from responses_adapters.tools import OutputFormat, ToolConversionError, ToolError


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
