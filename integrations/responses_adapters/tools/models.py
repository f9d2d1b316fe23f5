"""Types as tools: Pydantic models (of v1 too), dataclasses, typed dicts, and what else Pydantic reads as an object."""

from __future__ import annotations

import dataclasses
import inspect
import json
import typing
from typing import Annotated, Any, get_origin

from pydantic import BaseModel, ValidationError

from .docstrings import describe_parameters
from .pydantic_schema import adapter, explain, explain_all, json_schema_of
from .source import InvalidArgumentsError, Source, ToolContext

__all__ = ["read_type"]


def read_type(kind: Any) -> Source:
    """Read a type: its fields are the arguments, and running the tool gives back the validated object.

    Raises:
        ToolConversionError: Pydantic does not know the type, or it has no JSON form.
    """
    if _is_v1(kind):
        return _read_v1(kind)
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


def _is_v1(kind: Any) -> bool:
    """Whether this is a model of `pydantic.v1`, of which the validators of v2 want to know nothing."""
    return any(base.__module__ == "pydantic.v1.main" for base in getattr(kind, "__mro__", ()))


def _read_v1(kind: Any) -> Source:
    schema = dict(kind.schema(ref_template="#/$defs/{model}"))
    if "definitions" in schema:
        schema["$defs"] = schema.pop("definitions")
    prose, described = _documentation(kind)
    _document(schema, prose, described)

    def run(arguments: dict[str, Any], context: ToolContext[Any]) -> Any:
        del context
        try:
            return kind.parse_obj(arguments)
        except ValueError as error:  # the base of what v1 raises
            raise InvalidArgumentsError(explain_all(error.errors())) from None  # type: ignore[attr-defined]

    return Source(name=kind.__name__, description=prose, schema=schema, run=run, is_type=True)


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
