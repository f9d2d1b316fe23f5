"""Which reader a tool needs. Foreign objects are known by the module of their class; nothing is imported to ask."""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from functools import lru_cache
from types import FunctionType
from typing import Any, Final

from ..errors import ToolConversionError
from .callables import read_callable
from .dicts import read_dict
from .models import read_type
from .source import Source

__all__ = ["read_sources"]

_FOREIGN: Final = {
    ("langchain_core", "BaseTool"): "langchain",
    ("pydantic_ai", "Tool"): "pydantic_ai",
    ("pydantic_ai", "ToolDefinition"): "pydantic_ai",
    ("pydantic_ai", "AbstractToolset"): "pydantic_ai",
    ("agents", "FunctionTool"): "openai_agents",
    ("mcp", "Tool"): "mcp",
    ("mcp_types", "Tool"): "mcp",
}
"""Top-level package and name of a class, and the spoke that reads it."""


def read_sources(tool: Any, *, name: str | None = None) -> Iterator[Source]:
    """Read a tool of any kind; some hold several.

    Args:
        tool: See `to_responses_tool`.
        name: For a bare JSON Schema, which may have none.

    Raises:
        ToolConversionError: It is no tool, or has no JSON form.
    """
    spoke = _spoke(type(tool))
    if isinstance(tool, Source):
        yield tool
    elif spoke is not None:
        yield from importlib.import_module(f"{__package__}.{spoke}").read(tool)
    elif isinstance(tool, Mapping):
        yield from read_dict(tool, name=name)
    elif isinstance(tool, bool) and tool and name is not None:  # the schema that says nothing
        yield Source(name=name)
    elif isinstance(tool, type):
        yield _read_type_once(tool)
    elif isinstance(tool, FunctionType):
        yield _read_function_once(tool)
    elif hasattr(tool, "__origin__"):  # a generic alias
        yield read_type(tool)
    elif callable(tool):
        yield read_callable(tool)
    else:
        raise ToolConversionError(
            f"{tool!r:.80} is not a tool: pass a function, a type, a tool of LangChain, PydanticAI,"
            " MCP or openai-agents, or a tool dict"
        )


def _spoke(kind: type) -> str | None:
    for base in kind.__mro__:
        spoke = _FOREIGN.get((base.__module__.partition(".")[0], base.__name__))
        if spoke is not None:
            return spoke
    return None


# Functions and types do not change; callable objects do, and may equal each other.
_read_function_once = lru_cache(maxsize=256)(read_callable)
_read_type_once = lru_cache(maxsize=256)(read_type)
