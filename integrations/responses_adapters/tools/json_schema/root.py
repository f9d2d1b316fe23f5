"""The root of a tool's schema: servers take a plain object there, and no alternatives."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Final

from ...errors import ToolConversionError
from .canonical import ANNOTATIONS, Canonical, Schema
from .merge import CannotMergeError, merge, merge_parts
from .words import describe

__all__ = ["ObjectRoot", "object_root"]

_BANNED: Final = ("enum", "const", "not")


@dataclass(frozen=True, slots=True)
class ObjectRoot:
    """A schema's root as an object without alternatives.

    Attributes:
        node: The canonical object schema; annotations removed.
        description: What the root said of itself.
        notes: What it said in keywords that cannot be sent, in words.
        reason: Why the tool cannot be strict already, or `None`.
    """

    node: Schema
    description: str
    notes: str
    reason: str | None


def object_root(canonical: Canonical) -> ObjectRoot:
    """Flatten references, `allOf` and alternatives at the root into one object.

    Alternatives become one object with the properties of all; the words say which belong together, and the
    original schema still decides when the arguments arrive.

    Raises:
        ToolConversionError: The root is no object, or its parts contradict each other.
    """
    try:
        node = merge_parts(canonical.root, canonical)
        node, alternatives = _flatten(node, canonical)
    except CannotMergeError as error:
        raise ToolConversionError(f"#: {error}") from None
    kinds = node.get("type", "object")
    if "object" not in ([kinds] if isinstance(kinds, str) else kinds):
        raise ToolConversionError(
            f"#: a tool's arguments are an object, not {kinds}; wrap the value in an object with one property"
        )
    notes = describe({k: v for k, v in node.items() if k not in ("title", "description")})
    if alternatives:
        notes = f"{notes} Give the arguments of one of these: {' | '.join(alternatives)}.".strip()
    reason = (
        "#: alternatives at the root have no strict form; wrap them in one property"
        if alternatives
        else None
    )
    kept = {k: v for k, v in node.items() if k not in ANNOTATIONS and k not in _BANNED}
    description = node.get("description", "")
    return ObjectRoot({**kept, "type": "object"}, description, notes, reason)


def _flatten(node: Schema, canonical: Canonical) -> tuple[Schema, list[str]]:
    alternatives: list[str] = []
    for key in ("anyOf", "oneOf"):
        if key not in node:
            continue
        rest = {k: v for k, v in node.items() if k != key}
        branches: list[Schema] = []
        for branch in node[key]:
            try:
                branches.append(merge(rest, _as_object(branch, canonical)))
            except CannotMergeError:
                continue  # never holds for an object
        if not branches:
            raise ToolConversionError(
                "#: no alternative at the root is an object; wrap the value in an object with one property"
            )
        if len(branches) > 1:
            alternatives = list(dict.fromkeys(map(_signature, branches)))
        node = branches[0] if len(branches) == 1 else _union(branches, rest)
    return node, alternatives


def _as_object(branch: Schema, canonical: Canonical) -> Schema:
    branch, _ = _flatten(merge_parts(branch, canonical), canonical)
    kinds = branch.get("type", "object")
    if "object" not in ([kinds] if isinstance(kinds, str) else kinds):
        raise CannotMergeError("not an object")
    return {**branch, "type": "object"}


def _signature(branch: Schema) -> str:
    required = set(branch.get("required", ()))
    names = [n if n in required else f"{n}?" for n in branch.get("properties", {})]
    text = ", ".join(names) or "nothing"
    return f"{text} ({branch['description']})" if "description" in branch else text


def _union(branches: list[Schema], rest: Schema) -> Schema:
    """One object that accepts what any of the branches accepts."""
    properties: dict[str, list[Schema]] = {}
    for branch in branches:
        for name, child in branch.get("properties", {}).items():
            shapes = properties.setdefault(name, [])
            if child not in shapes:
                shapes.append(child)
    required = [name for name in properties if all(name in b.get("required", ()) for b in branches)]
    union: Schema = {
        **{key: value for key, value in rest.items() if key in ANNOTATIONS},
        "type": "object",
        "properties": {n: s[0] if len(s) == 1 else {"anyOf": s} for n, s in properties.items()},
    }
    if required:
        union["required"] = required
    extras = {json.dumps(b.get("additionalProperties", True)): b for b in branches}
    if len(extras) == 1 and "additionalProperties" in branches[0]:
        union["additionalProperties"] = branches[0]["additionalProperties"]
    return union
