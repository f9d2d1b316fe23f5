"""PydanticAI tools and toolsets, both ways."""

from __future__ import annotations

import functools
import inspect
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from ..errors import ToolConversionError, ToolError
from .approval import Approve, DeclinedError, ask_first, nobody_to_ask
from .pydantic_schema import explain
from .running import collect, collected
from .source import InvalidArgumentsError, Source, ToolContext
from .tool import Tool

if TYPE_CHECKING:
    from pydantic_ai import RunContext, ToolDefinition
    from pydantic_ai import Tool as PydanticAITool
    from pydantic_ai.exceptions import ApprovalRequired
    from pydantic_ai.toolsets import AbstractToolset, ToolsetTool

__all__ = ["load_toolset", "read", "to_pydantic_ai"]


def read(tool: Any) -> Iterator[Source]:
    """Read a PydanticAI tool, a function toolset, or a bare `ToolDefinition`.

    Raises:
        ToolConversionError: A toolset that has to be asked for its tools; use `load_toolset`.
    """
    from pydantic_ai import ToolDefinition
    from pydantic_ai.toolsets import AbstractToolset, FunctionToolset

    if isinstance(tool, ToolDefinition):
        yield _source(tool, None, tool)
    elif isinstance(tool, FunctionToolset):
        for each in tool.tools.values():
            yield _source(each.tool_def, tool, each)
    elif isinstance(tool, AbstractToolset):
        raise ToolConversionError(
            f"{type(tool).__name__} lists its tools only when asked:"
            " Toolbox(await load_toolset(toolset)) from responses_adapters.tools.pydantic_ai"
        )
    else:
        yield _source(tool.tool_def, FunctionToolset([tool]), tool)


async def load_toolset(toolset: AbstractToolset[Any], *, context: Any = None) -> list[Source]:
    """The tools of any PydanticAI toolset, MCP servers included, ready for a `Toolbox`.

    Args:
        toolset: The toolset, entered already where it needs to be.
        context: The run's dependencies, or its `RunContext`.
    """
    tools = await toolset.get_tools(_run_context(ToolContext(context)))
    return [_source(tool.tool_def, toolset, tool) for tool in tools.values()]


def _source(
    definition: ToolDefinition, toolset: AbstractToolset[Any] | None, origin: Any
) -> Source:
    run = None
    if toolset is not None and definition.kind != "external":
        run = functools.partial(_call, toolset, definition.name)
    return Source(
        name=definition.name,
        description=definition.description or "",
        schema=definition.parameters_json_schema,
        run=run,
        is_async=True,
        needs_approval=definition.kind == "unapproved",
        strict=definition.strict,
        origin=origin,
    )


async def _call(
    toolset: AbstractToolset[Any], name: str, arguments: dict[str, Any], context: ToolContext[Any]
) -> Any:
    ctx = _run_context(context)
    tools = await toolset.get_tools(ctx)
    with _readable_errors(name):
        if name not in tools:
            raise ToolError(f"{name} is not available in this run.")
        validated = await _validate(tools[name], arguments, ctx)
        return _result(await toolset.call_tool(name, validated, ctx, tools[name]))


async def _validate(
    tool: ToolsetTool[Any], arguments: dict[str, Any], ctx: RunContext[Any]
) -> dict[str, Any]:
    validated: dict[str, Any] = tool.args_validator.validate_json(
        json.dumps(arguments), context=ctx.validation_context
    )
    if tool.args_validator_func is not None:
        verdict = tool.args_validator_func(ctx, **validated)
        if inspect.isawaitable(verdict):
            await verdict
    return validated


def _run_context(context: ToolContext[Any]) -> RunContext[Any]:
    """The caller's own `RunContext` for this call, or a minimal one that carries the dependencies."""
    import dataclasses

    from pydantic_ai import RunContext, RunUsage
    from pydantic_ai.models.test import TestModel

    if isinstance(context.value, RunContext):
        return dataclasses.replace(
            context.value,
            tool_call_id=context.call_id,
            tool_name=context.name,
            tool_call_approved=context.approved,
        )
    return RunContext(
        deps=context.value,
        model=TestModel(),
        usage=RunUsage(),
        tool_call_id=context.call_id,
        tool_name=context.name,
        tool_call_approved=context.approved,
    )


class _ApprovalRequiredError(DeclinedError):
    """PydanticAI's own signal, in words for whoever does not know it."""

    def __init__(self, name: str, signal: ApprovalRequired) -> None:
        super().__init__(nobody_to_ask(name))
        self.signal = signal


@contextmanager
def _readable_errors(name: str) -> Iterator[None]:
    from pydantic_ai.exceptions import ApprovalRequired, ModelRetry, ToolFailed

    try:
        yield
    except ValidationError as error:
        raise InvalidArgumentsError(explain(error)) from None
    except (ModelRetry, ToolFailed) as error:  # PydanticAI's ways to speak to the model
        raise ToolError(str(error)) from error
    except ApprovalRequired as signal:
        raise _ApprovalRequiredError(name, signal) from None


def _result(result: Any) -> Any:
    from pydantic_ai import ToolReturn

    if isinstance(result, ToolReturn):
        content = result.content or []
        extra = [content] if isinstance(content, str) else list(content)
        result = [result.return_value, *extra] if extra else result.return_value
    if isinstance(result, list):
        return [_part(item) for item in result]
    return _part(result)


def _part(item: Any) -> Any:
    kind = getattr(item, "kind", None)
    if kind == "image-url":
        return {"type": "input_image", "image_url": item.url}
    if kind == "document-url":
        return {"type": "input_file", "file_url": item.url}
    if kind == "binary":
        from .parts import data_part

        return data_part(item.base64, item.media_type)
    return item


def to_pydantic_ai(tool: Tool, wire_name: str, approve: Approve | None) -> PydanticAITool[Any]:
    """A PydanticAI tool that shows the wire schema and decodes inside; context is the `RunContext`.

    Where nobody can be asked here, a tool that needs approval is left for the agent to ask about.
    """
    from pydantic_ai import Tool as PydanticAITool

    if approve is not None:
        tool = ask_first(tool, wire_name, approve)
    run = tool.run

    def context_of(ctx: RunContext[Any]) -> ToolContext[Any]:
        return ToolContext(
            ctx, ctx.tool_call_id or "", tool.original_name, approved=ctx.tool_call_approved
        )

    def call(ctx: RunContext[Any], /, **arguments: Any) -> Any:
        with _native_errors():
            return collected(run(tool.decode(arguments), context_of(ctx)))

    async def call_async(ctx: RunContext[Any], /, **arguments: Any) -> Any:
        try:
            with _native_errors():
                return await collect(run(tool.decode(arguments), context_of(ctx)))
        except DeclinedError as declined:  # an answer, and nothing to try again
            return str(declined)

    made: PydanticAITool[Any] = PydanticAITool.from_schema(
        call_async if tool.source.is_async else call,
        name=tool.name,
        description=tool.description,
        json_schema=tool.wire.parameters,
        takes_ctx=True,
    )
    made.strict = tool.strict
    made.requires_approval = tool.source.needs_approval and approve is None
    return made


@contextmanager
def _native_errors() -> Iterator[None]:
    """Failures as the agent expects them."""
    from pydantic_ai import ModelRetry

    try:
        yield
    except _ApprovalRequiredError as error:
        raise error.signal from None
    except DeclinedError:
        raise
    except (InvalidArgumentsError, ToolError) as error:
        raise ModelRetry(str(error)) from None
