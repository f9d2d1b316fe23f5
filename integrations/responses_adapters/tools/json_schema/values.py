"""Listed values on the wire: `enum` and `const` in strict form, and schemas that share no value."""

from __future__ import annotations

from typing import Any, Final

from .canonical import Schema
from .reasons import NotExpressibleError
from .widen import nullable, with_words
from .words import describe

__all__ = ["are_disjoint", "values_form"]

_JSON_TYPES: Final[dict[type, str]] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    type(None): "null",
    dict: "object",
    list: "array",
}


def values_form(node: Schema, at: str) -> Schema:
    """`enum` and `const`, one wire enum for each type among the values."""
    declared = node.get("type", list(_JSON_TYPES.values()))
    declared = [declared] if isinstance(declared, str) else declared
    groups: dict[str, list[Any]] = {}
    for value in [node["const"]] if "const" in node else node["enum"]:
        kind = _JSON_TYPES[type(value)]
        if kind == "integer" and kind not in declared:
            kind = "number"
        elif kind == "number" and kind not in declared and value.is_integer():
            kind = "integer"
        if kind in declared:
            groups.setdefault(kind, []).append(value)
    if not groups:
        raise NotExpressibleError(at, "none of the listed values has the declared type")
    if "object" in groups or "array" in groups:
        raise NotExpressibleError(at, "strict enums list text, numbers, booleans and null only")
    if "integer" in groups and "number" in groups:
        groups["number"] = groups.pop("integer") + groups["number"]
    takes_null = groups.pop("null", None) is not None
    wires: list[Schema] = [
        {"type": kind, "const": values[0]} if "const" in node else {"type": kind, "enum": values}
        for kind, values in groups.items()
    ] or [{"type": "null"}]
    wire = wires[0] if len(wires) == 1 else {"anyOf": wires}
    return with_words(nullable(wire) if takes_null else wire, describe(node))


def are_disjoint(one: Schema, other: Schema) -> bool:
    """Whether no wire value fits both, as far as types and listed values show."""
    first, second = _listed(one), _listed(other)
    if first is not None and second is not None:
        return not any(value in second for value in first)
    kinds, others = _wire_types(one), _wire_types(other)
    return bool(kinds and others and not kinds & others)


def _listed(wire: Schema) -> list[Any] | None:
    return [wire["const"]] if "const" in wire else wire.get("enum")


def _wire_types(wire: Schema) -> set[str]:
    kinds = wire.get("type", [])
    found = {kinds} if isinstance(kinds, str) else set(kinds)
    if "number" in found:
        found.add("integer")
    for branch in wire.get("anyOf", ()):
        inner = _wire_types(branch)
        if not inner:
            return set()
        found |= inner
    return found
