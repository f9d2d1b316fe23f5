from __future__ import annotations

import dataclasses
import functools
import math
import sys
import types
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Generic, NotRequired, TypeVar

import pydantic.v1
import pytest
from annotated_types import Ge
from pydantic import BaseModel, ConfigDict, Field
from typing_extensions import TypedDict, Unpack

from responses_adapters.errors import ToolError
from responses_adapters.tools import (
    OutputFormat,
    Toolbox,
    ToolConversionError,
    to_responses_tool,
)

if TYPE_CHECKING:
    from decimal import Decimal

    from somewhere import Later


def call(name: str, arguments: str) -> dict[str, Any]:
    return {"type": "function_call", "call_id": "c1", "name": name, "arguments": arguments}


async def answer(tool: Any, arguments: str, **options: Any) -> Any:
    box = Toolbox([tool], **options)
    (item,) = await box.execute([call(box.definitions[0]["name"], arguments)])
    return item["output"]


def shown(tool: Any) -> dict[str, Any]:
    properties: dict[str, Any] = to_responses_tool(tool)["parameters"]["properties"]
    return properties


class Options(TypedDict):
    deep: bool
    depth: NotRequired[int]


class Account:
    """An account."""

    def __init__(self, owner: str) -> None:
        self.owner = owner

    def pay(self, amount: int) -> str:
        """Pay."""
        return f"{self.owner} pays {amount}"

    async def __call__(self, note: str) -> str:
        """Leave a note."""
        return note

    @classmethod
    def kind(cls, name: str) -> str:
        """The kind."""
        return name + cls.__name__


async def test_methods_and_callable_objects_run_on_their_instance():
    assert await answer(Account("ann").pay, '{"amount": 3}') == "ann pays 3"
    assert await answer(Account.kind, '{"name": "x"}') == "xAccount"
    assert await answer(Account("ann"), '{"note": "hi"}') == "hi"
    assert to_responses_tool(Account("ann"))["description"] == "Leave a note."


def test_a_method_without_its_instance_is_refused():
    with pytest.raises(ToolConversionError, match="pay is not bound to an object"):
        to_responses_tool(Account.pay)


async def test_arguments_that_a_partial_binds_are_hidden_and_passed():
    def send(to: str, text: str, urgent: bool = False) -> str:
        """Send."""
        return f"{to} {text} {urgent}"

    assert list(shown(functools.partial(send, to="ann"))) == ["text", "urgent"]
    assert (
        await answer(functools.partial(send, "ann", urgent=True), '{"text": "x"}') == "ann x True"
    )


async def test_every_kind_of_parameter_reaches_its_place():
    def all_kinds(a: int, /, b: int, *rest: int, c: int, d: int = 4, **more: int) -> str:
        return f"{a} {b} {rest} {c} {d} {more}"

    arguments = '{"a": 1, "b": 2, "rest": [7, 8], "c": 3, "z": 9}'

    assert await answer(all_kinds, arguments) == "1 2 (7, 8) 3 4 {'z': 9}"
    assert await answer(all_kinds, '{"a": 1, "b": 2, "c": 3}') == "1 2 () 3 4 {}"
    assert "z: " not in await answer(all_kinds, arguments)
    assert "more.z" in await answer(all_kinds, arguments.replace("9", '"nine"'))


async def test_unpacked_keywords_are_arguments_of_their_own():
    def scan(path: str, **options: Unpack[Options]) -> str:
        return f"{path} {sorted(options.items())}"

    assert list(shown(scan)) == ["path", "deep", "depth"]
    assert to_responses_tool(scan)["strict"] is True
    assert await answer(scan, '{"path": "/", "deep": true, "depth": null}') == "/ [('deep', True)]"


async def test_any_parameter_name_works():
    def odd(schema: str, json: int, model_config: bool, _x: str, copy: int) -> str:
        return f"{schema} {json} {model_config} {_x} {copy}"

    arguments = '{"schema": "s", "json": 1, "model_config": true, "_x": "u", "copy": 2}'

    assert await answer(odd, arguments) == "s 1 True u 2"


async def test_defaults_that_json_cannot_hold_still_apply():
    def where(path: Path = Path("here"), marker: object = math, n: int = Field(3, ge=1)) -> str:
        return f"{path} {marker is math} {n}"

    assert await answer(where, "{}") == "here True 3"
    assert (await answer(where, '{"n": 0}')).endswith(
        "n: Input should be greater than or equal to 1"
    )


async def test_values_arrive_as_the_annotated_types():
    def kinds(path: Path, tags: set[str], pair: tuple[int, str], options: Options) -> str:
        return f"{type(path).__name__[-4:]} {sorted(tags)} {pair} {options}"

    arguments = '{"path": "x", "tags": ["b", "a"], "pair": [1, "q"], "options": {"deep": true}}'

    assert await answer(kinds, arguments) == "Path ['a', 'b'] (1, 'q') {'deep': True}"


def test_nested_types_keep_their_own_openness():
    def save(point: Point, **more: int) -> None: ...

    inner = to_responses_tool(save)["parameters"]["$defs"]["Point"]

    assert "additionalProperties" not in inner


@pytest.mark.parametrize(
    ("docstring", "style"),
    [
        (
            "Do.\n\n    Args:\n        n (int): How many: exactly.\n\n    Returns:\n        x",
            "google",
        ),
        (
            "Do.\n\n    Parameters\n    ----------\n    n : int\n        How many: exactly.\n",
            "numpy",
        ),
        ("Do.\n\n    :param int n: How many: exactly.\n    :returns: x", "sphinx"),
    ],
)
def test_docstrings_of_every_style_describe(docstring: str, style: str):
    def do(n: int) -> None: ...

    do.__doc__ = docstring
    made = to_responses_tool(do)

    assert made["description"] == "Do.", style
    assert made["parameters"]["properties"]["n"]["description"] == "How many: exactly."


def test_a_type_that_is_not_there_at_run_time_says_what_to_do():
    def price(amount: Decimal) -> None: ...

    with pytest.raises(ToolConversionError, match="import the type outside TYPE_CHECKING"):
        to_responses_tool(price)


def test_a_return_type_that_is_not_there_is_no_matter():
    def price(amount: int) -> Decimal: ...

    assert list(shown(price)) == ["amount"]


@pytest.mark.parametrize("tool", [print, lambda f: f], ids=["builtin", "lambda"])
def test_callables_without_annotations_still_become_loose_tools(tool: Any):
    assert to_responses_tool(tool)["strict"] is False


def test_a_parameter_without_a_json_form_is_refused():
    def apply(function: Callable[[int], int]) -> None: ...

    with pytest.raises(ToolConversionError, match="apply: Cannot generate a JsonSchema"):
        to_responses_tool(apply)


T = TypeVar("T")


class Page(BaseModel, Generic[T]):
    items: list[T]


class Named(TypedDict):
    """Something with a name.

    Attributes:
        name: Its name.
    """

    name: str
    size: Annotated[int, "In bytes"]


@dataclasses.dataclass
class Point:
    x: int
    y: int = 0


async def test_types_validate_and_give_back_the_object():
    assert await answer(Point, '{"x": 1, "y": null}') == '{"x":1,"y":0}'
    assert await answer(Point, '{"x": 1, "y": 2}', handlers={"Point": lambda p: p.x + p.y}) == "3"
    assert to_responses_tool(Page[int])["name"].startswith("Page_int_")
    assert "description" not in to_responses_tool(Point)


@pytest.mark.parametrize(
    ("docstring", "description"),
    [
        (
            (
                "Delete.\n\nWarning:\n    Cannot be undone.\n\nArgs:\n    n: How many.\n\nNote: once.\n\n"
                "Example:\n    delete(3)\n\nReturns:\n    x"
            ),
            "Delete.\n\nWarning: Cannot be undone.\n\nNote: once.",
        ),
        (
            "Delete.\n\nArgs:\n    n: How many.\n\nNote: Only once.\n    Ask first.",
            "Delete.\n\nNote: Only once.\nAsk first.",
        ),
        (
            (
                "Delete.\n\nParameters\n----------\nn : int\n    How many.\n\n"
                "Warnings\n--------\nCannot be undone.\n\nSee Also\n--------\nrestore"
            ),
            "Delete.\n\nWarnings: Cannot be undone.\n\nSee Also: restore",
        ),
    ],
)
def test_warnings_and_notes_of_a_docstring_reach_the_model(docstring: str, description: str):
    def delete(n: int) -> None: ...

    delete.__doc__ = docstring

    assert to_responses_tool(delete)["description"] == description


def test_a_typed_dicts_own_words_describe_its_fields():
    made = to_responses_tool(Named)

    assert made["description"] == "Something with a name."
    assert made["parameters"]["properties"]["name"]["description"] == "Its name."
    assert made["parameters"]["properties"]["size"]["description"] == "In bytes"


def test_a_model_that_takes_more_keys_stays_loose():
    class More(BaseModel):
        model_config = ConfigDict(extra="allow")
        a: int

    assert to_responses_tool(More)["strict"] is False


PARAMETERS = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
DICTS = {
    "chat": {
        "type": "function",
        "function": {"name": "f", "description": "D", "parameters": PARAMETERS},
    },
    "responses": {"type": "function", "name": "f", "description": "D", "parameters": PARAMETERS},
    "legacy": {"name": "f", "description": "D", "parameters": PARAMETERS},
    "anthropic": {"name": "f", "description": "D", "input_schema": PARAMETERS},
    "anthropic custom": {
        "type": "custom",
        "name": "f",
        "description": "D",
        "input_schema": PARAMETERS,
    },
    "bedrock": {"toolSpec": {"name": "f", "description": "D", "inputSchema": {"json": PARAMETERS}}},
    "gemini": {
        "functionDeclarations": [
            {
                "name": "f",
                "description": "D",
                "parameters": {
                    "type": "OBJECT",
                    "properties": {"a": {"type": "STRING"}},
                    "required": ["a"],
                },
            }
        ]
    },
    "gemini json schema": {"name": "f", "description": "D", "parametersJsonSchema": PARAMETERS},
    "mcp": {"name": "f", "description": "D", "inputSchema": PARAMETERS, "annotations": {}},
    "openapi": {
        "path": "/f/{a}",
        "method": "get",
        "operation": {
            "operationId": "f",
            "summary": "D",
            "parameters": [
                {"name": "a", "in": "path", "required": True, "schema": {"type": "string"}}
            ],
        },
    },
}


@pytest.mark.parametrize("tool", DICTS.values(), ids=DICTS.keys())
def test_every_providers_dict_is_the_same_tool(tool: dict[str, Any]):
    assert to_responses_tool(tool) == {
        "type": "function",
        "name": "f",
        "description": "D",
        "parameters": {
            "type": "object",
            "properties": {"a": {"type": "string"}},
            "required": ["a"],
            "additionalProperties": False,
        },
        "strict": True,
    }


def test_fields_that_only_the_server_knows_are_kept():
    tool = {"type": "function", "name": "f", "parameters": {}, "defer_loading": True}

    assert to_responses_tool(tool)["defer_loading"] is True


def test_strict_is_always_a_bool():
    tool = {"type": "function", "name": "f", "parameters": None, "strict": None}

    assert to_responses_tool(tool)["strict"] is True


PETS = {
    "openapi": "3.0.3",
    "paths": {
        "/pets/{id}": {
            "parameters": [
                {"name": "id", "in": "path", "required": True, "schema": {"type": "integer"}}
            ],
            "put": {
                "operationId": "change.pet",
                "parameters": [{"$ref": "#/components/parameters/Trace"}],
                "requestBody": {
                    "required": True,
                    "content": {
                        "application/json": {"schema": {"$ref": "#/components/schemas/Pet"}}
                    },
                },
            },
            "delete": {"summary": "Remove a pet"},
        },
        "/photos": {
            "post": {
                "operationId": "upload",
                "requestBody": {
                    "content": {
                        "application/json": {
                            "schema": {"type": "array", "items": {"type": "string"}}
                        }
                    }
                },
            }
        },
    },
    "components": {
        "parameters": {"Trace": {"name": "X-Trace", "in": "header", "schema": {"type": "string"}}},
        "schemas": {
            "Pet": {
                "type": "object",
                "properties": {
                    "name": {"type": "string", "description": "What it answers to"},
                    "tag": {"type": "string", "nullable": True, "default": None},
                },
                "required": ["name"],
            }
        },
    },
}


def test_an_openapi_document_gives_a_tool_for_each_operation():
    change, remove, upload = Toolbox([PETS])

    properties = change.definition()["parameters"]["properties"]
    assert list(properties) == ["id", "X-Trace", "name", "tag"]
    assert properties["name"]["description"] == "What it answers to"
    assert change.strict
    assert change.decode({"id": 1, "X-Trace": None, "name": "x", "tag": None}) == {
        "id": 1,
        "name": "x",
    }
    assert change.original_name == "change.pet"
    assert remove.original_name == "delete /pets/{id}"
    assert list(upload.definition()["parameters"]["properties"]) == ["body"]


def test_several_tools_in_one_need_a_toolbox():
    with pytest.raises(ToolConversionError, match="it holds 3 tools; use Toolbox"):
        to_responses_tool(PETS)


@pytest.mark.parametrize(
    ("tool", "words"),
    [
        ({"foo": 1}, "no known kind of tool: {'foo': 1}"),
        ({"type": "function", "function": {}}, "the tool has no name"),
        ({"type": "object", "properties": {}}, "needs a name: pass name="),
        ("search", "'search' is not a tool"),
        (int, "tool 'int': #: a tool's arguments are an object, not integer"),
    ],
    ids=ascii,
)
def test_what_is_no_tool_is_refused_in_words(tool: Any, words: str):
    with pytest.raises(ToolConversionError) as caught:
        to_responses_tool(tool)

    assert words in str(caught.value)


async def test_a_tool_of_the_agents_sdk_is_known_by_its_class(monkeypatch: pytest.MonkeyPatch):
    class FunctionTool:
        def __init__(self) -> None:
            self.name = "refund"
            self.description = "Refund."
            self.params_json_schema = {"type": "object", "properties": {"n": {"type": "integer"}}}
            self.strict_json_schema = False

        async def on_invoke_tool(self, context: Any, text: str) -> str:
            return f"{context['context']} {context['tool_call_id']} {text}"

    FunctionTool.__module__ = "agents.tool"
    module = types.ModuleType("agents.tool_context")
    module.ToolContext = dict  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "agents", types.ModuleType("agents"))
    monkeypatch.setitem(sys.modules, "agents.tool_context", module)

    box = Toolbox([FunctionTool()])
    (item,) = await box.execute([call("refund", '{"n": null}')], context="ann")

    assert box["refund"].strict
    assert item["output"] == "ann c1 {}"


@pytest.mark.parametrize("needs_approval", [True, lambda context, arguments, call_id: False])
def test_a_tool_of_the_agents_sdk_may_need_approval(needs_approval: Any):
    class FunctionTool:
        name = "refund"
        description = "Refund."
        params_json_schema: ClassVar[Any] = {"type": "object", "properties": {}}

    FunctionTool.__module__ = "agents.tool"
    free, bound = FunctionTool(), FunctionTool()
    bound.needs_approval = needs_approval  # type: ignore[attr-defined]

    assert not Toolbox([free])["refund"].source.needs_approval
    assert Toolbox([bound])["refund"].source.needs_approval


def test_the_openai_sdks_own_tool_types_are_read_like_their_dicts():
    from openai.types.responses import FunctionTool, WebSearchTool

    function = FunctionTool(type="function", name="f", parameters=PARAMETERS, strict=None)

    assert to_responses_tool(function)["parameters"]["required"] == ["a"]
    assert to_responses_tool(WebSearchTool(type="web_search")) == {"type": "web_search"}


class Place(pydantic.v1.BaseModel):
    """Somewhere.

    Attributes:
        near: What is next to it.
    """

    city: str
    near: list[Place] = []


Place.update_forward_refs()


def test_a_model_of_pydantic_v1_is_read_and_gives_itself_back() -> None:
    shape = OutputFormat(Place)
    assert shape.text["format"]["name"] == "Place"
    assert "What is next to it" in str(shape.text["format"]["schema"])
    found = shape.parse('{"city": "Graz", "near": [{"city": "Wien", "near": []}]}')
    assert found == Place(city="Graz", near=[Place(city="Wien")])


def test_a_model_of_pydantic_v1_says_what_does_not_fit() -> None:
    with pytest.raises(ToolError, match=r"near\.0\.city: field required"):
        OutputFormat(Place).parse('{"city": "Graz", "near": [{"near": []}]}')


def test_what_python_or_pydantic_cannot_read_is_refused_by_name():
    with pytest.raises(ToolConversionError, match="max has no signature that Python can read"):
        to_responses_tool(max)

    def odd(amount: 5) -> None: ...  # type: ignore[valid-type]

    with pytest.raises(ToolConversionError, match="odd: Unable to generate"):
        to_responses_tool(odd)


def test_a_name_that_is_bound_later_hides_no_other_annotation():
    def price(amount: int) -> Later:
        return late

    assert shown(price)["amount"] == {"type": "integer"}
    late = 1


def test_a_parameters_own_words_win_over_the_docstrings():
    def book(
        room: Annotated[str, Field(description="Which room.")],
        nights: Annotated[int, Ge(1), "How many."],
        guests: Annotated[int, Ge(1)],
    ) -> None:
        """Book.

        Args:
            room: Never shown.
            nights: Never shown either.
            guests: Shown.
        """

    assert [each["description"] for each in shown(book).values()] == [
        "Which room.",
        "How many.",
        "Shown.",
    ]


def test_what_a_type_says_of_its_fields_is_shown():
    class Options(TypedDict):
        size: NotRequired[Annotated[int, Ge(1), "How large."]]
        depth: Annotated[int, Ge(1)]
        name: str

    @dataclasses.dataclass
    class Order:
        count: Annotated[int, "How many."]

    assert shown(Options)["size"]["description"] == "How large."
    assert shown(Order)["count"]["description"] == "How many."
    assert "description" not in to_responses_tool(Order)
