"""MCP tools of either SDK line: 1.x says `inputSchema`, 2.x `input_schema`."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator
from typing import Any, Final

from ..errors import ToolError
from .parts import data_part
from .source import Source, ToolContext

__all__ = ["load_mcp_tools", "read"]

_MAX_PAGES: Final = 1_000


def read(tool: Any) -> Iterator[Source]:
    """Read an MCP tool definition; to run it, load it from a session or give it a handler."""
    yield _source(tool, None)


async def load_mcp_tools(session: Any, *, prefix: str = "") -> list[Source]:
    """The tools of an MCP server, ready for a `Toolbox`, each run by `tools/call` on the session.

    Args:
        session: An initialised `ClientSession` (mcp 1.x or 2.x), or an entered `mcp.Client`.
        prefix: Put before each name, to tell servers apart.

    Raises:
        ToolError: The server keeps sending the same page.
    """
    sources: list[Source] = []
    cursor: str | None = None
    for _ in range(_MAX_PAGES):
        page = await _list_tools(session, cursor)
        sources += [_source(tool, session, prefix) for tool in page.tools]
        cursor = _either(page, "next_cursor", "nextCursor")
        if not cursor:
            return sources
    raise ToolError(f"the MCP server sent {_MAX_PAGES} pages of tools and still has more")


async def _list_tools(session: Any, cursor: str | None) -> Any:
    if cursor is None:
        return await session.list_tools()
    try:
        return await session.list_tools(cursor=cursor)
    except TypeError:  # ClientSession of 2.x
        from mcp.types import PaginatedRequestParams

        return await session.list_tools(params=PaginatedRequestParams(cursor=cursor))


def _source(tool: Any, session: Any, prefix: str = "") -> Source:
    return Source(
        name=prefix + tool.name,
        description=tool.description or getattr(tool, "title", None) or "",
        schema=_either(tool, "input_schema", "inputSchema"),
        run=None if session is None else functools.partial(_call, session, tool.name),
        is_async=True,
    )


async def _call(
    session: Any, name: str, arguments: dict[str, Any], context: ToolContext[Any]
) -> Any:
    del context
    result = await session.call_tool(name, arguments)
    parts = [_part(block) for block in getattr(result, "content", ())]
    if _either(result, "is_error", "isError"):
        raise ToolError("\n".join(p["text"] for p in parts if "text" in p) or f"{name} failed.")
    structured = _either(result, "structured_content", "structuredContent")
    if not parts and structured is not None:
        return structured
    if all(part["type"] == "input_text" for part in parts):
        return "\n".join(part["text"] for part in parts)
    return parts


def _part(block: Any) -> dict[str, Any]:
    """A content block as a Responses part; what has no part of its own becomes text."""
    if block.type == "text":
        return {"type": "input_text", "text": block.text}
    if block.type in ("image", "audio"):
        return data_part(block.data, _either(block, "mime_type", "mimeType"))
    if block.type == "resource":
        resource = block.resource
        if getattr(resource, "text", None) is not None:
            return {"type": "input_text", "text": resource.text}
        media_type = _either(resource, "mime_type", "mimeType") or "application/octet-stream"
        return data_part(resource.blob, media_type, filename=str(resource.uri).rsplit("/", 1)[-1])
    return {
        "type": "input_text",
        "text": json.dumps(block.model_dump(mode="json", exclude_none=True)),
    }


def _either(thing: Any, new: str, old: str) -> Any:
    return getattr(thing, new) if hasattr(thing, new) else getattr(thing, old, None)
