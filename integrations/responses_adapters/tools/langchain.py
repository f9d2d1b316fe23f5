"""LangChain tools, both ways: read as the model should see them, and made of any other tool."""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

from pydantic import BaseModel, ValidationError

from ..errors import ToolConversionError, ToolError
from .approval import Approve, ask_first
from .callables import injected_parameters, is_injected
from .injections import fill, markers_of
from .parts import data_part
from .pydantic_schema import explain, json_schema_of
from .running import collect, collected, run_blocking
from .source import InvalidArgumentsError, Run, Source, ToolContext
from .tool import Tool

if TYPE_CHECKING:
    from langchain_core.tools import BaseTool

__all__ = ["read", "to_langchain"]

_ONLY_ARGUMENT: Final = "__arg1"
"""What LangChain calls the argument of a `Tool`, which takes one string and has no schema."""


def read(tool: BaseTool) -> Iterator[Source]:
    """Read a LangChain tool. Running it goes through its own `invoke`, so callbacks and error handlers stay."""
    injected = _injected(tool)
    yield Source(
        name=tool.name,
        description=tool.description,
        schema=_schema(tool, injected),
        run=_runner(tool, injected, _content),
        is_async=_is_async(tool),
        origin=tool,
    )


def _runner(tool: BaseTool, injected: Mapping[str, Any], reading: Callable[[Any], Any]) -> Run:
    """How to run a tool, and what to make of its `ToolMessage`."""
    fields = getattr(tool.get_input_schema(), "model_fields", {})
    optional = {name for name, field in fields.items() if not field.is_required()}

    def call(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        filled = {}
        for name, hint in injected.items():
            if "RunnableConfig" in markers_of(hint):  # LangChain hands over its own
                continue
            try:
                filled[name] = fill(name, hint, context)
            except ToolConversionError:
                if name not in optional:  # else it has a default of its own
                    raise
        return {
            "type": "tool_call",
            "name": tool.name,
            "args": {**arguments, **filled},
            "id": context.call_id or None,
        }

    def run(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        with _readable_errors():
            return reading(tool.invoke(call(arguments, context)))

    async def run_async(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        with _readable_errors():
            return reading(await tool.ainvoke(call(arguments, context)))

    return run_async if _is_async(tool) else run


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


def to_langchain(tool: Tool, wire_name: str, approve: Approve | None) -> BaseTool:
    """A LangChain tool that takes the tool's own arguments; one that came from LangChain is given back.

    Raises:
        ToolConversionError: It needs approval, and there is nobody to ask.
    """
    from langchain_core.tools import BaseTool, StructuredTool

    origin = tool.source.origin if isinstance(tool.source.origin, BaseTool) else None
    if approve is not None:
        if origin is not None:  # its message and artifact reach the graph as they are
            run = _runner(origin, _injected(origin), lambda message: message)
            tool = tool.with_run(run, is_async=tool.source.is_async)
        tool = ask_first(tool, wire_name, approve)
    elif tool.source.needs_approval:
        raise ToolConversionError(
            f"{tool.original_name} needs approval, which a LangChain tool cannot say:"
            " pass approve= to the Toolbox"
        )
    elif origin is not None:
        return origin
    run, name = tool.run, tool.original_name

    def call(_runtime: Any = None, **arguments: Any) -> Any:
        with _native_errors():
            return collected(run(arguments, _context(_runtime, name)))

    async def call_async(_runtime: Any = None, **arguments: Any) -> Any:
        with _native_errors():
            return await collect(run(arguments, _context(_runtime, name)))

    def call_asking(_runtime: Any = None, **arguments: Any) -> Any:
        return run_blocking(lambda: call_async(_runtime, **arguments))

    for function in (call, call_async, call_asking):
        _fill_in_runtime(function)
    blocking = None if tool.source.is_async else call
    return StructuredTool(
        name=name,
        description=tool.description,
        args_schema=tool.wire.own_schema,
        func=blocking if approve is None else call_asking,
        coroutine=call_async if tool.source.is_async else None,
        handle_tool_error=True,
        return_direct=origin is not None and origin.return_direct,
    )


def _fill_in_runtime(function: Callable[..., Any]) -> None:
    """Let `ToolNode`, which goes by the annotation, hand over what the graph holds."""
    try:
        from langgraph.prebuilt import ToolRuntime
    except ImportError:  # LangChain without LangGraph
        return
    function.__annotations__["_runtime"] = ToolRuntime


def _context(runtime: Any, name: str) -> ToolContext[Any]:
    return ToolContext(runtime, getattr(runtime, "tool_call_id", None) or "", name)


@contextmanager
def _native_errors() -> Iterator[None]:
    """Failures as `ToolNode` shows them to the model."""
    from langchain_core.tools import ToolException

    try:
        yield
    except (InvalidArgumentsError, ToolError) as error:
        raise ToolException(str(error)) from None
