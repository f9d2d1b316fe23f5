"""JSON Schema and readable errors from Pydantic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, TypeAdapter, ValidationError
from pydantic.errors import PydanticInvalidForJsonSchema, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaWarningKind

from ..errors import ToolConversionError

__all__ = ["adapter", "explain", "explain_all", "json_schema_of"]

_MAX_ERRORS: Final = 8


class _QuietSchema(GenerateJsonSchema):
    """Leaves out a default that JSON cannot hold, without a warning: the tool's own default still applies."""

    ignored_warning_kinds: set[JsonSchemaWarningKind] = {  # noqa: RUF012 -- the base class declares it so
        "skipped-choice",
        "non-serializable-default",
    }


def adapter(kind: Any, what: str) -> TypeAdapter[Any]:
    """A validator for a type.

    Raises:
        ToolConversionError: Pydantic does not know the type; `what` says whose it is.
    """
    try:
        return TypeAdapter(kind)
    except (PydanticUserError, NameError) as error:
        raise ToolConversionError(f"{what}: {_first_line(error)}") from None


def json_schema_of(kind: type[BaseModel] | TypeAdapter[Any], what: str) -> dict[str, Any]:
    """The JSON Schema of what a model or adapter accepts.

    Raises:
        ToolConversionError: A part of it has no JSON form; `what` says whose it is.
    """
    make = kind.json_schema if isinstance(kind, TypeAdapter) else kind.model_json_schema
    try:
        return make(schema_generator=_QuietSchema)
    except (PydanticInvalidForJsonSchema, PydanticUserError) as error:
        raise ToolConversionError(f"{what}: {_first_line(error)}") from None


def explain(error: ValidationError) -> str:
    """What the model must correct, without the values it sent and without links."""
    return explain_all(error.errors(include_url=False, include_context=False, include_input=False))


def explain_all(found: Sequence[Mapping[str, Any]]) -> str:
    """The same from the errors themselves, each with a `loc` and a `msg`."""
    lines = [f"{_where(item['loc'])}: {item['msg']}" for item in found[:_MAX_ERRORS]]
    if len(found) > _MAX_ERRORS:
        lines.append(f"and {len(found) - _MAX_ERRORS} more")
    return "; ".join(lines)


def _where(location: tuple[int | str, ...]) -> str:
    return ".".join(map(str, location)) or "arguments"


def _first_line(error: Exception) -> str:
    return str(error).partition("\n")[0]
