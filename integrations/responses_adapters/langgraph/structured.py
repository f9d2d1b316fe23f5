"""Structured output: an answer in the shape of a schema, checked by the schema's own validator."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from operator import itemgetter
from typing import Any, Literal, TypeAlias

from langchain_core.exceptions import OutputParserException
from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableLambda, RunnableMap, RunnablePassthrough
from langchain_core.utils.function_calling import convert_to_json_schema

from ..errors import ToolError
from ..tools import OutputFormat

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
    shape = OutputFormat(schema, strict="auto" if strict is None else strict)
    note = {"kwargs": {"method": method, "strict": strict}, "schema": _for_traces(schema, shape)}
    if method == "function_calling":
        bound = model.bind_tools(
            [shape.tool],
            tool_choice=shape.tool.original_name,
            ls_structured_output_format=note,
        )
        return bound, lambda message: _read(shape, json.dumps(_only_call(message)))
    response_format = {"type": "json_object"} if method == "json_mode" else shape.text["format"]
    bound = model.bind(response_format=response_format, ls_structured_output_format=note)
    return bound, lambda message: _read(shape, _text(message))


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


def _for_traces(schema: Any, shape: OutputFormat) -> dict[str, Any]:
    """The schema as LangChain shows it in traces; as it goes over the wire where LangChain cannot convert it."""
    try:
        return convert_to_json_schema(schema)
    except Exception:  # noqa: BLE001 - it raises whatever it meets: `NotRequired` is a TypeError
        parameters: dict[str, Any] = shape.tool.definition()["parameters"]
        return {"title": shape.tool.original_name, **parameters}


def _text(message: AIMessage) -> str:
    for block in message.content:
        if isinstance(block, Mapping) and block.get("type") == "refusal":
            raise OutputParserException(f"the model refused: {block.get('refusal')}")
    return str(message.text)


def _only_call(message: AIMessage) -> dict[str, Any]:
    if not message.tool_calls:
        raise OutputParserException(
            "the model did not answer in the shape", llm_output=message.text
        )
    return message.tool_calls[0]["args"]


def _read(shape: OutputFormat, text: str) -> Any:
    try:
        return shape.parse(text)
    except ToolError as error:
        raise OutputParserException(str(error), llm_output=text) from error
