"""Types as tools: Pydantic models, dataclasses, typed dicts, and whatever else Pydantic reads as an object."""

from __future__ import annotations

import dataclasses
import inspect
import json
import typing
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, ValidationError

from .docstrings import describe_parameters
from .pydantic_schema import adapter, explain, json_schema_of
from .source import InvalidArgumentsError, Source, ToolContext

__all__ = ["read_type"]


def read_type(kind: Any) -> Source:
    """Read a type: its fields are the arguments, and running the tool gives back the validated object.

    Raises:
        ToolConversionError: Pydantic does not know the type, or it has no JSON form.
    """
    name = getattr(kind, "__name__", None) or str(kind)
    validator = adapter(kind, name)
    is_model = isinstance(kind, type) and issubclass(kind, BaseModel)
    schema = json_schema_of(kind if is_model else validator, name)
    prose, described = _documentation(kind)
    _document(schema, prose, described)

    def run(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        del context
        try:
            return validator.validate_json(json.dumps(arguments))
        except ValidationError as error:
            raise InvalidArgumentsError(explain(error)) from None

    return Source(name=name, description=prose, schema=schema, run=run, is_type=True)


def _documentation(kind: Any) -> tuple[str, dict[str, str]]:
    if "__doc__" not in getattr(kind, "__dict__", {}):
        return "", _annotated_texts(kind)
    if dataclasses.is_dataclass(kind) and _is_generated(kind):
        return "", _annotated_texts(kind)
    prose, described = describe_parameters(kind)
    return prose, {**_annotated_texts(kind), **described}


def _is_generated(kind: Any) -> bool:
    """Whether the docstring is the signature that `@dataclass` writes."""
    return str(kind.__doc__).startswith(f"{kind.__name__}(")


def _annotated_texts(kind: Any) -> dict[str, str]:
    """Descriptions given as plain text, `Annotated[int, "How many"]`, which Pydantic does not read."""
    try:
        hints = typing.get_type_hints(kind, include_extras=True)
    except (NameError, TypeError):
        return {}
    found: dict[str, str] = {}
    for name, hint in hints.items():
        while getattr(get_origin(hint), "_name", None) in ("Required", "NotRequired"):
            hint = typing.get_args(hint)[0]
        if get_origin(hint) is not Annotated:
            continue
        texts = [
            item if isinstance(item, str) else getattr(item, "documentation", None)
            for item in hint.__metadata__
        ]
        text = next((text for text in texts if isinstance(text, str)), None)
        if text:
            found[name] = inspect.cleandoc(text)
    return found


def _document(schema: dict[str, Any], prose: str, described: dict[str, str]) -> None:
    """Put the docstring where it belongs: the prose at the root, the rest at fields that say nothing themselves."""
    target = schema
    if "$ref" in schema:
        target = schema["$defs"].get(schema["$ref"].removeprefix("#/$defs/"), {})
    if prose:
        target["description"] = prose
    for name, text in described.items():
        child = target.get("properties", {}).get(name)
        if child is not None:
            child.setdefault("description", text)
