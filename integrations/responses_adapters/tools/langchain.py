"""LangChain tools, both ways: read as the model should see them, and made of any other tool."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from ..errors import ToolError
from .callables import injected_parameters, is_injected
from .parts import data_part
from .pydantic_schema import explain, json_schema_of
from .source import InvalidArgumentsError, Source, ToolContext
from .tool import Tool

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["read", "to_langchain"]

_ONLY_ARGUMENT: Final = "__arg1"
"""What LangChain calls the argument of a `Tool`, which takes one string and has no schema."""


def read(tool: BaseTool) -> Iterator[Source]:
    """Read a LangChain tool. Running it goes through its own `invoke`, so callbacks and error handlers stay."""
    injected = _injected(tool)

    def call(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        filled = {
            name: _fill(hint, context)
            for name, hint in injected.items()
            if "InjectedToolCallId" not in _markers(hint)  # LangChain fills it
        }
        arguments = {**arguments, **filled}
        return {
            "type": "tool_call",
            "name": tool.name,
            "args": arguments,
            "id": context.call_id,
        }

    def run(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        with _readable_errors():
            return _content(tool.invoke(call(arguments, context)))

    async def run_async(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        with _readable_errors():
            return _content(await tool.ainvoke(call(arguments, context)))

    is_async = _is_async(tool)
    yield Source(
        name=tool.name,
        description=tool.description,
        schema=_schema(tool, injected),
        run=run_async if is_async else run,
        is_async=is_async,
        origin=tool,
    )


def _schema(tool: BaseTool, injected: Mapping[str, Any]) -> dict[str, Any]:
    if tool.args_schema is None and _is_single_input(tool):
        only = {_ONLY_ARGUMENT: {"type": "string"}}
        return {"type": "object", "properties": only, "required": [_ONLY_ARGUMENT]}
    shown: Any = tool.tool_call_schema
    if isinstance(shown, Mapping):
        schema = dict(shown)
    elif issubclass(shown, BaseModel):
        schema = json_schema_of(shown, tool.name)
    else:  # a model of pydantic.v1
        schema = shown.schema()
    schema.pop("description", None)  # it repeats the tool's
    if injected.keys() & schema.get("properties", {}).keys():
        properties = schema["properties"].items()
        schema["properties"] = {k: v for k, v in properties if k not in injected}
        schema["required"] = [k for k in schema.get("required", ()) if k not in injected]
    return schema


def _is_single_input(tool: BaseTool) -> bool:
    return any(
        base.__name__ == "Tool" and base.__module__ == "langchain_core.tools.simple"
        for base in type(tool).__mro__
    )


def _is_async(tool: BaseTool) -> bool:
    """Whether the tool has an async form of its own; LangChain would run the sync one in its shared pool."""
    if hasattr(tool, "coroutine"):
        return getattr(tool, "coroutine", None) is not None
    return not type(tool)._arun.__module__.startswith("langchain_core.tools")


def _injected(tool: BaseTool) -> dict[str, Any]:
    """The parameters that the graph fills in, from the function and from the schema."""
    function = getattr(tool, "func", None) or getattr(tool, "coroutine", None) or tool._run
    found = injected_parameters(function)
    if isinstance(tool.args_schema, type):
        try:
            hints = typing.get_type_hints(tool.args_schema, include_extras=True)
        except (NameError, TypeError):
            hints = {}
        found |= {name: hint for name, hint in hints.items() if is_injected(hint)}
    return found


def _markers(hint: Any) -> dict[str, Any]:
    """The classes that mark an annotation, by name, base classes included."""
    found: dict[str, Any] = {}
    for marker in (typing.get_origin(hint) or hint, *getattr(hint, "__metadata__", ())):
        kind = marker if isinstance(marker, type) else type(marker)
        found |= {base.__name__: marker for base in kind.__mro__}
    return found


def _fill(hint: Any, context: ToolContext[Any]) -> Any:
    markers = _markers(hint)
    value = context.value
    if "InjectedState" in markers:
        field = getattr(markers["InjectedState"], "field", None)
        if field is None:
            return value
        return value[field] if isinstance(value, Mapping) else getattr(value, field)
    if "InjectedStore" in markers:
        return getattr(value, "store", None)
    if "ToolRuntime" in markers:
        return _runtime(context)
    return value


def _runtime(context: ToolContext[Any]) -> Any:
    import dataclasses

    from langgraph.prebuilt import ToolRuntime

    if isinstance(context.value, ToolRuntime):
        return dataclasses.replace(context.value, tool_call_id=context.call_id)
    return ToolRuntime(
        state=context.value,
        context=None,
        config={},
        stream_writer=lambda _: None,
        tool_call_id=context.call_id,
        store=None,
    )


@contextmanager
def _readable_errors() -> Iterator[None]:
    from langchain_core.tools import ToolException

    try:
        yield
    except ValidationError as error:
        raise InvalidArgumentsError(explain(error)) from None
    except ToolException as error:  # LangChain's way to speak to the model
        raise ToolError(str(error)) from error


def _content(result: Any) -> Any:
    """The content of a `ToolMessage` as Responses parts."""
    content = getattr(result, "content", result)
    if not isinstance(content, list):
        return content
    return [_part(block) if isinstance(block, Mapping) else block for block in content]


def _part(block: Mapping[str, Any]) -> Any:
    kind = block.get("type")
    if kind == "text":
        return {"type": "input_text", "text": block.get("text", "")}
    if kind == "image_url":
        image = block.get("image_url")
        url = image.get("url") if isinstance(image, Mapping) else image
        return {"type": "input_image", "image_url": url}
    if kind in ("image", "file") and block.get("url"):
        field = "image_url" if kind == "image" else "file_url"
        return {"type": f"input_{kind}", field: block["url"]}
    data = block.get("base64") or block.get("data")
    if kind in ("image", "file") and isinstance(data, str):
        media_type = block.get("mime_type") or (
            "image/png" if kind == "image" else "application/pdf"
        )
        return data_part(data, media_type, filename=block.get("filename"))
    return block


def to_langchain(tool: Tool) -> BaseTool:
    """A LangChain tool that takes the tool's own arguments; one that came from LangChain is given back."""
    from langchain_core.tools import BaseTool, StructuredTool, ToolException

    if isinstance(tool.source.origin, BaseTool):
        return tool.source.origin
    run, name = tool.run, tool.original_name

    def call(**arguments: Any) -> Any:
        try:
            return run(arguments, ToolContext(None, name=name))
        except (InvalidArgumentsError, ToolError) as error:
            raise ToolException(str(error)) from None

    async def call_async(**arguments: Any) -> Any:
        try:
            return await run(arguments, ToolContext(None, name=name))
        except (InvalidArgumentsError, ToolError) as error:
            raise ToolException(str(error)) from None

    return StructuredTool(
        name=name,
        description=tool.description,
        args_schema=tool.wire.own_schema,
        func=None if tool.source.is_async else call,
        coroutine=call_async if tool.source.is_async else None,
        handle_tool_error=True,
    )
