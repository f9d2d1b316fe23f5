"""Tool definitions that are dicts: every provider's spelling of name, description and schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from ..errors import ToolConversionError
from .openapi import is_openapi, read_openapi
from .source import Source

__all__ = ["is_hosted", "read_dict"]

_JSON_TYPES: Final = frozenset(
    {"object", "array", "string", "number", "integer", "boolean", "null"}
)
_SCHEMA_KEYS: Final = ("input_schema", "inputSchema", "parameters", "parametersJsonSchema")
_SCHEMA_KEYWORDS: Final = frozenset(
    {"properties", "$ref", "anyOf", "oneOf", "allOf", "$schema", "$defs", "required"}
    | {"additionalProperties", "patternProperties", "definitions"}
)
_OWN_KEYS: Final = frozenset({"type", "name", "description", "parameters", "strict", "function"})


def is_hosted(tool: Mapping[str, Any]) -> bool:
    """Whether a dict is a tool that the server runs or knows (`web_search`, `mcp`, `orq:*`, a grammar …).

    Known or not, such a dict is the server's business and is sent as it stands.
    """
    kind = tool.get("type")
    if not isinstance(kind, str) or kind == "function" or kind.lower() in _JSON_TYPES:
        return False
    return not any(key in tool for key in ("input_schema", "inputSchema"))


def read_dict(tool: Mapping[str, Any], *, name: str | None = None) -> Iterator[Source]:
    """Read a tool dict: Chat Completions, Responses, Anthropic, Bedrock, Gemini, MCP, OpenAPI, or JSON Schema.

    Args:
        tool: The dict. Gemini and OpenAPI may hold several tools in one.
        name: The tool's name, for a bare JSON Schema that has no `title`.

    Raises:
        ToolConversionError: The dict is none of these.
    """
    if isinstance(tool.get("function"), Mapping):
        yield _named({**tool, **tool["function"]})
    elif isinstance(tool.get("toolSpec"), Mapping):  # Bedrock
        spec = tool["toolSpec"]
        schema = spec.get("inputSchema")
        yield _source(spec, schema.get("json") if isinstance(schema, Mapping) else schema)
    elif declarations := tool.get("functionDeclarations") or tool.get("function_declarations"):
        for declaration in declarations:
            yield _named(declaration)
    elif is_openapi(tool):
        yield from read_openapi(tool)
    elif isinstance(tool.get("name"), str) and not _is_schema(tool):
        yield _named(tool)
    else:
        yield _bare_schema(tool, name)


def _is_schema(tool: Mapping[str, Any]) -> bool:
    kind = tool.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    return any(isinstance(k, str) and k.lower() in _JSON_TYPES for k in kinds)


def _named(tool: Mapping[str, Any]) -> Source:
    for key in (*_SCHEMA_KEYS, "parameters_json_schema"):
        if tool.get(key) is not None:
            return _source(tool, tool[key])
    return _source(tool, None)


def _source(tool: Mapping[str, Any], schema: Any) -> Source:
    name = tool.get("name")
    if not isinstance(name, str) or not name:
        raise ToolConversionError(f"the tool has no name: {dict(tool)!r:.120}")
    strict = tool.get("strict")
    is_function = tool.get("type") == "function"
    return Source(
        name=name,
        description=_text(tool.get("description")),
        schema=schema,
        strict=strict if isinstance(strict, bool) else None,
        extra={k: v for k, v in tool.items() if k not in _OWN_KEYS} if is_function else {},
    )


def _bare_schema(schema: Mapping[str, Any], name: str | None) -> Source:
    if schema and not _is_schema(schema) and not _SCHEMA_KEYWORDS & schema.keys():
        raise ToolConversionError(
            f"no known kind of tool: {dict(schema)!r:.120}; a function tool has type, name and parameters"
        )
    name = name or _text(schema.get("name")) or _text(schema.get("title"))
    if not name:
        raise ToolConversionError("a JSON Schema without a title needs a name: pass name=")
    return Source(name=name, description=_text(schema.get("description")), schema=schema)


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
