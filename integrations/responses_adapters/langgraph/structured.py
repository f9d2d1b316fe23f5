"""Structured output: an answer in the shape of a schema, checked by the schema's own validator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Literal, TypeAlias, is_typeddict

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from pydantic import BaseModel, TypeAdapter, ValidationError

from ..tools import Toolbox
from .options import format_of_tool

__all__ = ["Method", "bind_schema", "with_parser"]

Method: TypeAlias = Literal["json_schema", "function_calling", "json_mode"]
Parse: TypeAlias = Callable[[AIMessage], Any]


def bind_schema(
    model: Any, schema: Any, *, method: Method, strict: bool | None
) -> tuple[Runnable[Any, AIMessage], Parse]:
    """The model bound to answer in this shape, and how to read its answer.

    Args:
        model: A `ChatResponses`.
        schema: A Pydantic model, dataclass, TypedDict or JSON schema.
        method: `"json_schema"` by `text.format`, `"function_calling"` by a tool that must be called, `"json_mode"`
            any JSON object (the prompt must describe it).
        strict: As in `bind_tools`.
    """
    note = {"kwargs": {"method": method, "strict": strict}, "schema": schema}
    if method == "json_mode":
        return model.bind(
            response_format={"type": "json_object"}, ls_structured_output_format=note
        ), lambda message: _validated(schema, _object(_text(message)))
    toolbox = Toolbox([schema], strict="auto" if strict is None else strict)
    definition = toolbox.definitions[0]
    name = definition["name"]

    def decoded(text: str) -> Any:
        call = toolbox.decode_call(name, text)
        if call.arguments is None:
            raise OutputParserException(
                f"the answer does not fit {name}: {call.error}", llm_output=text
            )
        return _validated(schema, call.arguments)

    if method == "function_calling":
        bound = model.bind_tools(
            [schema], tool_choice=name, strict=strict, ls_structured_output_format=note
        )
        return bound, lambda message: _validated(schema, message.tool_calls[0]["args"])
    bound = model.bind(response_format=format_of_tool(definition), ls_structured_output_format=note)
    return bound, lambda message: decoded(_text(message))


def with_parser(
    bound: Runnable[Any, AIMessage], parse: Parse, *, include_raw: bool
) -> Runnable[Any, Any]:
    """The bound model followed by its parser; with `include_raw` as `{"raw", "parsed", "parsing_error"}`."""
    parser: Runnable[AIMessage, Any] = RunnableLambda(parse, name="parse_answer")
    if not include_raw:
        return bound | parser
    parsed = RunnablePassthrough.assign(
        parsed=itemgetter("raw") | parser, parsing_error=lambda _: None
    )
    failed = RunnablePassthrough.assign(parsed=lambda _: None)
    return RunnableMap(raw=bound) | parsed.with_fallbacks([failed], exception_key="parsing_error")


def _text(message: AIMessage) -> str:
    for block in message.content:
        if isinstance(block, Mapping) and block.get("type") == "refusal":
            raise OutputParserException(f"the model refused: {block.get('refusal')}")
    return str(message.text)


def _object(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise OutputParserException(f"the answer is not JSON: {error}", llm_output=text) from error


def _validated(schema: Any, value: Any) -> Any:
    """An instance of the schema's class; a plain dict for JSON schemas and TypedDicts."""
    if not isinstance(schema, type) or is_typeddict(schema):
        return value
    try:
        if issubclass(schema, BaseModel):
            return schema.model_validate(value)
        return TypeAdapter(schema).validate_python(value)
    except ValidationError as error:
        raise OutputParserException(
            f"the answer does not fit {schema.__name__}: {error}", llm_output=json.dumps(value)
        ) from error
