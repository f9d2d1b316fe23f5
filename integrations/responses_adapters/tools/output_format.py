"""Structured output: the same schema core as for tools, for an answer instead of a call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..errors import ToolConversionError, ToolError
from .json_schema import Strictness
from .source import InvalidArgumentsError, ToolContext
from .tool import Tool, make_tools, parse_arguments

__all__ = ["OutputFormat"]


class OutputFormat:
    """The shape that an answer must have.

    Args:
        shape: A Pydantic model, dataclass or typed dict, or a JSON Schema of an object.
        name: Its name; a JSON Schema without a title needs one.
        strict: As for tools.

    Raises:
        ToolConversionError: The shape is no object.
        NotStrictError: `strict=True`, and there is no faithful strict form.
    """

    def __init__(self, shape: Any, *, name: str | None = None, strict: Strictness = "auto") -> None:
        if not (isinstance(shape, (Mapping, Tool, bool)) or callable(shape)):
            raise ToolConversionError(
                f"{shape!r:.80} is not a shape: pass a Pydantic model, a dataclass, a typed dict,"
                " or the JSON Schema of an object"
            )
        (tool,) = make_tools(shape, name=name, strict=strict)
        if not isinstance(tool, Tool):
            raise ToolConversionError(f"{shape!r:.80} is a hosted tool, not a shape")
        self.tool = tool

    @property
    def text(self) -> dict[str, Any]:
        """The `text` field of a request; a new dict each time."""
        definition = self.tool.definition()
        described = {k: definition[k] for k in ("description",) if k in definition}
        return {
            "format": {
                "type": "json_schema",
                "name": definition["name"],
                **described,
                "schema": definition["parameters"],
                "strict": definition["strict"],
            }
        }

    def parse(self, text: str) -> Any:
        """The answer as the shape's own object; a dict where the shape is a JSON Schema.

        Raises:
            ToolError: The text is not JSON, or does not fit; the message can go back to the model.
        """
        try:
            value = self.tool.decode(parse_arguments(text))
            if self.tool.source.run is not None:
                return self.tool.run(value, ToolContext(None))
        except InvalidArgumentsError as error:
            raise ToolError(f"the answer does not fit {self.tool.name}: {error}") from None
        problem = self.tool.wire.problem(value)
        if problem is not None:
            raise ToolError(f"the answer does not fit {self.tool.name}: {problem}")
        return value
