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
        if self.is_identity:
            return arguments
        return _Walk(self._wire, self._omittable).decode(arguments, self._wire)

    def encode(self, arguments: Any) -> Any:
        """The arguments as the wire schema wants them, with null for each optional that is left out."""
        if self.is_identity:
            return arguments
        return _Walk(self._wire, self._omittable).encode(arguments, self._wire)


class _Walk:
    """One pass over one set of arguments; remembers what fits, because alternatives ask again at each level."""

    def __init__(self, wire: Schema, omittable: Omittable) -> None:
        self._wire = wire
        self._omittable = omittable
        self._fitting: dict[tuple[int, int], bool] = {}

    def decode(self, value: Any, node: Schema) -> Any:
        node = self._choose(value, node)
        if isinstance(value, list) and "items" in node:
            return [self.decode(item, node["items"]) for item in value]
        if not isinstance(value, dict) or "properties" not in node:
            return value
        properties = node["properties"]
        omittable = self._omittable.get(id(properties), {})
        decoded: dict[str, Any] = {}
        for name, child in value.items():
            if child is None and name in omittable:
                continue
            if child == NULL_WORD and omittable.get(name):
                decoded[name] = None
            elif name in properties:
                decoded[name] = self.decode(child, properties[name])
            else:
                decoded[name] = child
        return decoded

    def encode(self, value: Any, node: Schema) -> Any:
        node = self._choose(value, node)
        if isinstance(value, list) and "items" in node:
            return [self.encode(item, node["items"]) for item in value]
        if not isinstance(value, dict) or "properties" not in node:
            return value
        properties = node["properties"]
        omittable = self._omittable.get(id(properties), {})
        encoded: dict[str, Any] = {}
        for name, child in properties.items():
            if name not in value:
                if name in omittable:
                    encoded[name] = None
            elif value[name] is None and omittable.get(name):
                encoded[name] = NULL_WORD
            else:
                encoded[name] = self.encode(value[name], child)
        return encoded | {name: value[name] for name in value if name not in properties}

    def _choose(self, value: Any, node: Schema) -> Schema:
        """The alternative that a list or object is written in; of several, the one with the fewest gaps."""
        if not isinstance(value, (dict, list)):
            return node
        branches = [b for b in self._branches(node) if _is_of_kind(value, b)]
        if len(branches) > 1:
            branches = [b for b in branches if self._fits(value, b)]
            if isinstance(value, dict):
                branches.sort(key=lambda b: len(b["properties"].keys() - value.keys()))
        return branches[0] if branches else {}

    def _branches(self, node: Schema) -> list[Schema]:
        """The alternatives of a node without references and unions between; the node itself if it has none."""
        found: list[Schema] = []
        pending, seen = [node], set()
        while pending:
            node = pending.pop()
            if "$ref" in node:
                if node["$ref"] not in seen:
                    seen.add(node["$ref"])
                    pending.append(self._resolve(node["$ref"]))
            elif "anyOf" in node:
                pending += reversed(node["anyOf"])
            else:
                found.append(node)
        return found

    def _resolve(self, ref: str) -> Schema:
        if ref == "#":
            return self._wire
        target: Schema = self._wire["$defs"][ref.removeprefix("#/$defs/")]
        return target

    def _fits(self, value: Any, node: Schema) -> bool:
        """Whether a value may be meant for a wire schema; absent properties are forgiven."""
        if not isinstance(value, (dict, list)):
            return any(_is_of_kind(value, b) and _is_listed(value, b) for b in self._branches(node))
        key = (id(value), id(node))
        if key not in self._fitting:
            self._fitting[key] = any(self._fits_branch(value, b) for b in self._branches(node))
        return self._fitting[key]

    def _fits_branch(self, value: Any, node: Schema) -> bool:
        if not _is_of_kind(value, node):
            return False
        if isinstance(value, list):
            return all(self._fits(item, node["items"]) for item in value)
        properties = node["properties"]
        omittable = self._omittable.get(id(properties), {})
        return value.keys() <= properties.keys() and all(
            (child is None and name in omittable) or self._fits(child, properties[name])
            for name, child in value.items()
        )


def _is_of_kind(value: Any, node: Schema) -> bool:
    kinds = node["type"]
    return any(_is(value, kind) for kind in ([kinds] if isinstance(kinds, str) else kinds))


def _is(value: Any, kind: str) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if kind == "integer" and isinstance(value, float):
        return value.is_integer()
    return isinstance(value, _KINDS[kind])


def _is_listed(value: Any, node: Schema) -> bool:
    if "const" in node:
        return bool(value == node["const"])
    return "enum" not in node or value in node["enum"]
