"""Arguments between the two forms: what the strict schema makes the model write, and what the tool was made for."""

from __future__ import annotations

from typing import Any, Final

from .canonical import Schema
from .strict import Omittable
from .widen import NULL_WORD

__all__ = ["Codec"]

_KINDS: Final[dict[str, tuple[type, ...]]] = {
    "string": (str,),
    "integer": (int, float),
    "number": (int, float),
    "boolean": (bool,),
    "null": (type(None),),
    "object": (dict,),
    "array": (list,),
}


class Codec:
    """Removes the nulls that widening invited, at those places only, and puts them back for `encode`."""

    def __init__(self, wire: Schema, omittable: Omittable) -> None:
        self._wire = wire
        self._omittable = omittable

    @property
    def is_identity(self) -> bool:
        """Whether wire arguments are the tool's own arguments as they stand."""
        return not self._omittable

    def decode(self, arguments: Any) -> Any:
        """The tool's own arguments; what does not fit the schema is left for the validator."""
        return arguments if self.is_identity else self._decode(arguments, self._wire)

    def encode(self, arguments: Any) -> Any:
        """The arguments as the wire schema wants them, with null for each optional that is left out."""
        return arguments if self.is_identity else self._encode(arguments, self._wire)

    def _decode(self, value: Any, node: Schema) -> Any:
        if not isinstance(value, (dict, list)):
            return value
        node = self._choose(value, node)
        if isinstance(value, list):
            items = node.get("items")
            return [self._decode(item, items) for item in value] if items else value
        properties = node.get("properties")
        if properties is None:
            return value
        omittable = self._omittable.get(id(properties), {})
        decoded: dict[str, Any] = {}
        for name, child in value.items():
            if name in omittable:
                if child is None:
                    continue
                if child == NULL_WORD and omittable[name]:
                    child = None
            decoded[name] = self._decode(child, properties[name]) if name in properties else child
        return decoded

    def _encode(self, value: Any, node: Schema) -> Any:
        if not isinstance(value, (dict, list)):
            return value
        node = self._choose(value, node)
        if isinstance(value, list):
            items = node.get("items")
            return [self._encode(item, items) for item in value] if items else value
        properties = node.get("properties")
        if properties is None:
            return value
        omittable = self._omittable.get(id(properties), {})
        encoded: dict[str, Any] = {name: None for name in omittable if name not in value}
        for name, child in value.items():
            if child is None and omittable.get(name):
                encoded[name] = NULL_WORD
            else:
                encoded[name] = (
                    self._encode(child, properties[name]) if name in properties else child
                )
        return {name: encoded[name] for name in (*properties, *encoded) if name in encoded}

    def _choose(self, value: Any, node: Schema) -> Schema:
        """The alternative that a value is written in; the one with the fewest gaps where several fit."""
        node = self._resolve(node)
        if "anyOf" not in node:
            return node
        kind = "object" if isinstance(value, dict) else "array"
        branches = [
            b for b in map(self._resolve, node["anyOf"]) if "anyOf" in b or b.get("type") == kind
        ]
        branches = [self._choose(value, branch) for branch in branches]
        if len(branches) > 1:
            fitting = [branch for branch in branches if self._fits(value, branch)]
            branches = sorted(
                fitting,
                key=lambda b: len(b.get("required", ()) - value.keys()) if kind == "object" else 0,
            )
        return branches[0] if branches else {}

    def _resolve(self, node: Schema) -> Schema:
        while "$ref" in node:
            ref = node["$ref"]
            node = self._wire if ref == "#" else self._wire["$defs"][ref.removeprefix("#/$defs/")]
        return node

    def _fits(self, value: Any, node: Schema) -> bool:
        """Whether a value may be meant for a wire schema; absent properties are forgiven."""
        node = self._resolve(node)
        if "anyOf" in node:
            return any(self._fits(value, branch) for branch in node["anyOf"])
        if "const" in node and value != node["const"]:
            return False
        if "enum" in node and value not in node["enum"]:
            return False
        kinds = node["type"]
        if not any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds)):
            return False
        if isinstance(value, list):
            return all(self._fits(item, node["items"]) for item in value)
        if isinstance(value, dict):
            known = node["properties"]
            omittable = self._omittable.get(id(known), {})
            return value.keys() <= known.keys() and all(
                (child is None and name in omittable) or self._fits(child, known[name])
                for name, child in value.items()
            )
        return True


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS[kind])
