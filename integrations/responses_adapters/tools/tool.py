"""One tool, converted: its definition for the server, and the way back for its arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from ..errors import ToolConversionError, ToolError
from ..protocol.reading import plain
from .dicts import is_hosted
from .json_schema import Strictness, WireSchema, to_wire_schema
from .names import clean_name
from .source import InvalidArgumentsError, Run, Source
from .sources import read_sources

__all__ = ["Tool", "make_tools", "parse_arguments", "to_responses_tool"]


@dataclass(frozen=True, eq=False)
class Tool:
    """A converted function tool.

    Attributes:
        name: The name on the wire.
        source: The tool as it was read, with its own name and schema.
        wire: Its schema on the wire, and the codec back.
    """

    name: str
    source: Source
    wire: WireSchema

    @property
    def original_name(self) -> str:
        """The name that the user gave."""
        return self.source.name

    @property
    def description(self) -> str:
        """What the model reads about the tool."""
        own, root = self.source.description, self.wire.description
        if self.source.redescribed or root in own:
            root = ""
        return "\n\n".join(filter(None, (own, root, self.wire.notes)))

    @property
    def strict(self) -> bool:
        """Whether the server is asked to keep the model to the schema."""
        return self.wire.strict

    @property
    def reason(self) -> str | None:
        """Why the tool is not strict, with a JSON pointer; `None` where it is."""
        return self.wire.reason

    @property
    def verbatim(self) -> bool:
        """Whether the arguments on the wire are the tool's own as they stand, so that decoding changes nothing."""
        return self.wire.codec.is_identity

    @property
    def run(self) -> Run:
        """Validates the tool's own arguments and runs it.

        Raises:
            ToolConversionError: Only its definition is known.
        """
        if self.source.run is None:
            raise ToolConversionError(f"{self.original_name} has no function here: pass handlers=")
        return self.source.run

    def definition(self) -> dict[str, Any]:
        """The flat Responses tool; a new dict each time."""
        described = {"description": self.description} if self.description else {}
        return {
            "type": "function",
            "name": self.name,
            **described,
            "parameters": self.wire.parameters,
            "strict": self.strict,
            **self.source.extra,
        }

    def decode(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The tool's own arguments from those on the wire: without the nulls that only strict mode asked for."""
        decoded: dict[str, Any] = self.wire.codec.decode(arguments)
        return decoded

    def encode(self, arguments: dict[str, Any]) -> dict[str, Any]:
        """The arguments as the model has to write them; the inverse of `decode`."""
        encoded: dict[str, Any] = self.wire.codec.encode(arguments)
        return encoded

    def with_run(self, run: Run, *, is_async: bool) -> Tool:
        """The same definition, run by something else."""
        return replace(self, source=replace(self.source, run=run, is_async=is_async))


def parse_arguments(text: Any) -> dict[str, Any]:
    """The arguments object that a model wrote.

    Raises:
        InvalidArgumentsError: It is not a JSON object; the message tells the model what to correct.
    """
    if isinstance(text, Mapping):
        return dict(text)
    if text is None or not str(text).strip():  # how some servers say "no arguments"
        return {}
    try:
        read = json.loads(text, parse_constant=_refuse_constant)
        value = plain(read, str(text).encode("utf-8", "replace"))
    except (ValueError, TypeError, RecursionError) as error:
        raise InvalidArgumentsError(f"the arguments are not valid JSON: {error}") from None
    if not isinstance(value, dict):
        raise InvalidArgumentsError(
            f"the arguments must be a JSON object, not {type(value).__name__}"
        )
    return value


def _refuse_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def make_tools(
    tool: Any,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: Strictness = "auto",
) -> list[Tool | dict[str, Any]]:
    """Convert whatever holds one tool or several; hosted tool dicts come back as they are.

    Raises:
        ToolConversionError: See `to_responses_tool`.
        NotStrictError: See `to_responses_tool`.
    """
    if isinstance(tool, Tool):
        return [tool]
    if type(tool).__module__.startswith("openai.types."):
        tool = tool.model_dump(exclude_none=True, by_alias=True)
    if isinstance(tool, Mapping) and is_hosted(tool):
        return [dict(tool)]
    made: list[Tool | dict[str, Any]] = []
    for source in read_sources(tool, name=name):
        if name is not None or description is not None:
            source = replace(
                source,
                name=source.name if name is None else name,
                description=source.description if description is None else description,
                redescribed=description is not None,
            )
        made.append(_make(source, strict))
    return made


def _make(source: Source, strict: Strictness) -> Tool:
    if strict == "auto" and source.strict is False:
        strict = False  # the user's own wish, written into the tool
    try:
        wire = to_wire_schema(source.schema, strict=strict)
    except ToolError as error:
        raise type(error)(f"tool {source.name!r}: {error}") from None
    return Tool(clean_name(source.name), source, wire)


def to_responses_tool(
    tool: Any,
    *,
    name: str | None = None,
    description: str | None = None,
    strict: Strictness = "auto",
) -> dict[str, Any]:
    """Any tool as the flat dict that a Responses server takes.

    Args:
        tool: A function (sync or async), method, partial or callable object; a Pydantic model, dataclass or typed
            dict; a tool of LangChain, PydanticAI, MCP or openai-agents; a tool dict of Chat Completions,
            Responses, Anthropic, Bedrock, Gemini, MCP or OpenAPI; a JSON Schema with `name=`. A hosted tool's dict
            (`web_search`, `mcp`, `orq:*`, known or not) is returned as it is.
        name: Replaces the tool's own name. A name that servers do not take is cleaned.
        description: Replaces the tool's own description.
        strict: `"auto"` is strict where that is faithful: optionals are widened to null, and what cannot be said
            in strict mode leaves the tool loose. `True` demands it, `False` never asks for it.

    Returns:
        `{"type": "function", "name", "description", "parameters", "strict"}`, with `strict` always a bool.

    Raises:
        ToolConversionError: No tool can be made of it; the message says why, where, and what to change.
        NotStrictError: `strict=True`, and a strict form would lose something.
    """
    made = make_tools(tool, name=name, description=description, strict=strict)
    if len(made) != 1:
        raise ToolConversionError(f"it holds {len(made)} tools; use Toolbox([...]).definitions")
    (only,) = made
    return only.definition() if isinstance(only, Tool) else only
