"""The intersection of canonical schemas: what `allOf`, and keywords beside a `$ref` or an `anyOf`, mean."""

from __future__ import annotations

import math
from typing import Any, Final

from .canonical import ANNOTATIONS, Canonical, Schema
from .words import RULES, describe_rules

__all__ = ["CannotMergeError", "merge", "merge_parts"]

_MAX_ALTERNATIVES: Final = 64

_TIGHTER: Final = {
    **dict.fromkeys(("minimum", "exclusiveMinimum", "minLength", "minItems"), max),
    **dict.fromkeys(("maximum", "exclusiveMaximum", "maxLength", "maxItems"), min),
    "minProperties": max,
    "maxProperties": min,
}
_ONE_IS_ENOUGH: Final = frozenset(
    {"pattern", "format", "multipleOf", "contentEncoding", "contentMediaType"}
)
"""Keywords that only refuse values: with one of two the schema is wider, and the original checks both."""


class CannotMergeError(Exception):
    """The parts contradict each other, or their intersection has no form of its own."""


def merge_parts(node: Schema, canonical: Canonical) -> Schema:
    """`node` without `$ref` and `allOf`: both merged with what stands beside them.

    Raises:
        CannotMergeError: With the reason.
    """
    while "$ref" in node or "allOf" in node:
        rest = {key: value for key, value in node.items() if key not in ("$ref", "allOf")}
        parts = list(node.get("allOf", ()))
        if "$ref" in node:
            parts.append(canonical.resolve(node["$ref"]))
        for part in parts:
            rest = merge(rest, merge_parts(part, canonical))
        node = rest
    return node


def merge(one: Schema, other: Schema) -> Schema:
    """What both accept. `one` is the outer schema: its annotations come first."""
    if any(key in one and key in other and one[key] != other[key] for key in RULES):
        other = _rules_as_words(other)  # only one set fits; the original schema checks both
    merged = dict(one)
    for key, value in other.items():
        if key not in merged:
            merged[key] = value
        elif merged[key] != value or key in ("properties", "additionalProperties"):
            merged[key] = _both(key, merged[key], value)
    if "enum" in merged and "const" in merged and not _holds(merged.pop("enum"), merged["const"]):
        raise CannotMergeError("const is not among the enum's values")
    _close(merged, one, other)
    return merged


def _rules_as_words(node: Schema) -> Schema:
    words = f"{node.get('description', '')} {describe_rules(node)}".strip()
    rest = {key: value for key, value in node.items() if key not in RULES}
    return {**rest, "description": words}


def _both(key: str, one: Any, other: Any) -> Any:
    if key in _TIGHTER:
        return _TIGHTER[key](one, other)
    if key == "type":
        return _common_types(one, other)
    if key in ("properties", "patternProperties"):
        shared = {name: _all_of(one[name], other[name]) for name in one.keys() & other.keys()}
        return {**one, **other, **shared}
    if key == "required":
        return list(dict.fromkeys([*one, *other]))
    if key == "items":
        return _all_of(one, other)
    if key in ("additionalProperties", "unevaluatedProperties", "unevaluatedItems"):
        if one is False or other is False:
            return False
        return other if one is True else one if other is True else _all_of(one, other)
    if key == "enum":
        return _shared_values(one, other)
    if key == "anyOf" or key == "oneOf":
        if len(one) * len(other) > _MAX_ALTERNATIVES:
            raise CannotMergeError("too many combinations of alternatives")
        return [_all_of(a, b) for a in one for b in other]
    if key == "multipleOf" and isinstance(one, int) and isinstance(other, int):
        return math.lcm(one, other)
    if key == "description":
        return one if other in one else f"{one}\n{other}"
    if key in ANNOTATIONS or key in _ONE_IS_ENOUGH:
        return one
    raise CannotMergeError(f"two different values of {key!r} must hold at once")


def _all_of(one: Schema, other: Schema) -> Schema:
    """Both, left for whoever reads the node: merging level by level keeps shared parts shared."""
    return one if one == other or not other else other if not one else {"allOf": [one, other]}


def _common_types(one: Any, other: Any) -> Any:
    ones = one if isinstance(one, list) else [one]
    others = other if isinstance(other, list) else [other]
    common = [name for name in ones if name in others or (name == "integer" and "number" in others)]
    if "number" in ones and "integer" in others:
        common.append("integer")
    if not common:
        raise CannotMergeError(f"a value cannot be {ones} and {others} at once")
    return common[0] if len(common) == 1 else common


def _shared_values(one: list[Any], other: list[Any]) -> list[Any]:
    shared = [value for value in one if _holds(other, value)]
    if not shared:
        raise CannotMergeError("the enums share no value")
    return shared


def _holds(values: list[Any], value: Any) -> bool:
    """Membership as JSON sees it: true is not 1."""
    kind = isinstance(value, bool)
    return any(value == item and isinstance(item, bool) is kind for item in values)


def _close(merged: Schema, one: Schema, other: Schema) -> None:
    """A closed part forbids the properties that only the other part describes."""
    if "properties" not in merged:
        return
    for closed, open_ in ((one, other), (other, one)):
        if closed.get("additionalProperties") is not False or "patternProperties" in closed:
            continue
        known = closed.get("properties", {})
        strangers = open_.get("properties", {}).keys() - known.keys()
        if strangers & set(merged.get("required", ())):
            names = ", ".join(sorted(strangers))
            raise CannotMergeError(f"one part requires {names}, another forbids it")
        if strangers:
            kept = merged["properties"]
            merged["properties"] = {k: v for k, v in kept.items() if k not in strangers}
