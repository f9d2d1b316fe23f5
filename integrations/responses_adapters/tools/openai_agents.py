"""Function tools of the OpenAI Agents SDK."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from typing import Any

from .source import Source, ToolContext

__all__ = ["read"]


def read(tool: Any) -> Iterator[Source]:
    """Read an `agents.FunctionTool`. Its `strict_json_schema` says how it was converted there, not what its owner wants."""

    async def run(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        agents_context = importlib.import_module("agents.tool_context").ToolContext
        text = json.dumps(arguments)
        theirs = agents_context(
            context=context.value,
            tool_name=tool.name,
            tool_call_id=context.call_id,
            tool_arguments=text,
        )
        return await tool.on_invoke_tool(theirs, text)

    yield Source(
        name=tool.name,
        description=tool.description or "",
        schema=tool.params_json_schema,
        run=run,
        is_async=True,
        needs_approval=getattr(tool, "needs_approval", False) is not False,  # or a function
        origin=tool,
    )
