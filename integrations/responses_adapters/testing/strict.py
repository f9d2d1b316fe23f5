"""The rules a schema must keep to be enforced strictly."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .problems import ApiError

__all__ = ["check_strict_schema"]


def check_strict_schema(
    schema: Mapping[str, Any], *, subject: str, param: str, code: str | None
) -> None:
    """Every object in the schema is closed and requires all its properties.

    Args:
        schema: A JSON Schema.
        subject: What it describes, such as `function 'f'`.
        param: The request parameter it stands in.
        code: Error code.

    Raises:
        ApiError: The first object that is not.
    """
    fault = _fault(schema, ())
    if fault is not None:
        where, what = fault
        context = f"({', '.join(map(repr, where))}{',' if len(where) == 1 else ''})"
        raise ApiError(
            400,
            f"Invalid schema for {subject}: In context={context}, {what}",
            param=param,
            code=code,
        )


def _fault(schema: Any, where: tuple[str, ...]) -> tuple[tuple[str, ...], str] | None:
    if not isinstance(schema, Mapping):
        return None
    properties = _members(schema, "properties")
    if schema.get("type") == "object" or properties:
        fault = _object_fault(schema, properties)
        if fault is not None:
            return where, fault
    children: list[tuple[tuple[str, ...], Any]] = []
    for key in ("properties", "$defs", "definitions"):
        children += [((key, name), each) for name, each in _members(schema, key).items()]
    for key in ("anyOf", "oneOf", "allOf"):
        options = schema.get(key)
        if isinstance(options, list):
            children += [((key, str(number)), each) for number, each in enumerate(options)]
    children.append((("items",), schema.get("items")))
    faults = (_fault(child, where + step) for step, child in children)
    return next((fault for fault in faults if fault is not None), None)


def _members(schema: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = schema.get(key)
    return value if isinstance(value, Mapping) else {}


def _object_fault(schema: Mapping[str, Any], properties: Mapping[str, Any]) -> str | None:
    if schema.get("additionalProperties") is not False:
        return "'additionalProperties' is required to be supplied and to be false."
    required = schema.get("required")
    named = required if isinstance(required, list) else []
    absent = [name for name in properties if name not in named]
    if absent:
        return (
            "'required' is required to be supplied and to be an array including every key in properties."
            f" Missing '{absent[0]}'."
        )
    return None
