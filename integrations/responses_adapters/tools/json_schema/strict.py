"""The strict form of a canonical schema, or the reason why it has none.

Strict mode knows closed objects with every property required, and a short list of keywords (source: OpenAI's
structured outputs guide, "Supported schemas"). Optional properties are widened to null; what only narrows is
moved into words, because the arguments are validated by the original schema later; what would make a valid
call unsayable has no strict form.
"""

from __future__ import annotations

import json
from typing import Any, Final

from .canonical import ANNOTATIONS, Canonical, Schema
from .guard import pointer
from .merge import CannotMergeError, merge_parts
from .reasons import NotExpressibleError
from .values import are_disjoint, values_form
from .widen import nullable, nullable_by_word, with_words
from .words import describe, supported_format, supported_pattern

__all__ = ["Omittable", "strict_form"]

Omittable = dict[int, dict[str, bool]]
"""By `id` of a wire object's `properties`: the names whose null means "left out", and whether `NULL_WORD` applies."""

_MAX_NODES: Final = 20_000
_MAX_MERGES: Final = 60

_NARROWING: Final = frozenset(
    {
        *("not", "if", "then", "else", "dependentRequired", "dependentSchemas", "propertyNames"),
        *("minProperties", "maxProperties", "minLength", "maxLength", "uniqueItems", "contains"),
        *("minContains", "maxContains", "contentEncoding", "contentMediaType", "unevaluatedItems"),
    }
)
"""Keywords that only refuse values; outside the subset, so they become words."""

_SHAPING: Final = frozenset(
    {"properties", "patternProperties", "additionalProperties", "unevaluatedProperties"}
    | {"items", "prefixItems", "anyOf", "oneOf", "allOf"}
)
"""Keywords that can also let values in which a closed form would shut out."""

_LONE: Final = ANNOTATIONS | _NARROWING | {"$ref"}

_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf")

_IMPLIED_TYPES: Final = {
    **dict.fromkeys(("properties", "required", "additionalProperties"), "object"),
    **dict.fromkeys(("patternProperties", "minProperties", "maxProperties"), "object"),
    **dict.fromkeys(("items", "prefixItems", "minItems", "maxItems", "uniqueItems"), "array"),
    **dict.fromkeys(("pattern", "format", "minLength", "maxLength"), "string"),
    **dict.fromkeys(_BOUNDS, "number"),
}


def strict_form(root: Schema, canonical: Canonical) -> tuple[Schema, Omittable]:
    """The strict form of `root`, an object schema whose references `canonical` resolves.

    Raises:
        NotExpressibleError: A valid call could not be said, or the form would be too large.
    """
    form = _StrictForm(canonical)
    return form.build(root), form.omittable


class _StrictForm:
    def __init__(self, canonical: Canonical) -> None:
        self._canonical = canonical
        self.omittable: Omittable = {}
        self._defs: dict[str, Schema] = {}
        self._waiting: list[str] = []
        self._seen: set[str] = set()
        self._unions: list[tuple[list[Schema], str]] = []
        self._nodes = 0
        self._merging: list[str] = []  # the references whose targets are merged in here

    def build(self, root: Schema) -> Schema:
        """The whole wire schema, definitions included."""
        wire = self.object(root, "", is_root=True)
        while self._waiting:
            name = self._waiting.pop()
            self._defs[name] = self.node(self._canonical.defs[name], f"/$defs/{name}")
        for wires, at in self._unions:
            self._check_distinct(wires, at)
        if self._defs:
            wire["$defs"] = {
                name: self._defs[name] for name in self._canonical.defs if name in self._defs
            }
        return wire

    def node(self, node: Schema, at: str) -> Schema:
        self._nodes += 1
        if self._nodes > _MAX_NODES or len(self._merging) > _MAX_MERGES:
            raise NotExpressibleError(at, f"merging its parts takes more than {_MAX_NODES} schemas")
        simple = self._simplify(node, at)
        merged = () if "$ref" in simple else _named(node)
        self._merging += merged
        wire = self._wire(simple, at)
        del self._merging[len(self._merging) - len(merged) :]
        return wire

    def _wire(self, node: Schema, at: str) -> Schema:
        if "$ref" in node:
            return _described({"$ref": self._reference(node["$ref"])}, node)
        if "anyOf" in node:
            return self._union(node, at)
        if "enum" in node or "const" in node:
            return values_form(node, at)
        kinds = _types(node)
        if not kinds:
            raise NotExpressibleError(at, "takes any value; give it a type to make the tool strict")
        if kinds == ["null"]:
            return _described({"type": "null"}, node)
        wires = [self._typed(kind, node, at) for kind in kinds if kind != "null"]
        wire = wires[0] if len(wires) == 1 else {"anyOf": wires}
        return _described(nullable(wire) if "null" in kinds else wire, node)

    def _typed(self, kind: str, node: Schema, at: str) -> Schema:
        if kind == "object":
            return self.object(node, at)
        if kind == "array":
            return self._array(node, at)
        wire: Schema = {"type": kind}
        if kind == "string":
            if "pattern" in node and supported_pattern(node["pattern"]):
                wire["pattern"] = node["pattern"]
            if "format" in node and supported_format(node["format"]):
                wire["format"] = node["format"]
        elif kind != "boolean":
            wire |= {key: node[key] for key in _BOUNDS if key in node}
        return wire

    def object(self, node: Schema, at: str, *, is_root: bool = False) -> Schema:
        """The closed object with every property required; the root may say nothing and mean no arguments."""
        self._check_closed(node, at, is_root=is_root)
        properties = node.get("properties", {})
        required = set(node.get("required", ()))
        if not required <= properties.keys():
            missing = ", ".join(sorted(required - properties.keys()))
            raise NotExpressibleError(at, f"requires {missing}, which it does not describe")
        wire: Schema = {}
        omittable: dict[str, bool] = {}
        for name, child in properties.items():
            if _is_never(child):
                if name in required:
                    raise NotExpressibleError(
                        at, f"requires {name}, for which no value is accepted"
                    )
                continue
            made = self.node(child, pointer(at, "properties", name))
            if name not in required:
                null_is_a_value = "default" not in child or child["default"] is not None
                omittable[name] = null_is_a_value and self._accepts_null(child)
                made = nullable_by_word(made) if omittable[name] else nullable(made)
            wire[name] = made
        if omittable:
            self.omittable[id(wire)] = omittable
        return {
            "type": "object",
            "properties": wire,
            "required": list(wire),
            "additionalProperties": False,
        }

    def _check_closed(self, node: Schema, at: str, *, is_root: bool) -> None:
        keys = "holds keys that are not known beforehand, and strict objects are closed"
        if node.get("patternProperties"):
            raise NotExpressibleError(at, f"{keys} (patternProperties)")
        for keyword in ("additionalProperties", "unevaluatedProperties"):
            if node.get(keyword, False) is not False:
                raise NotExpressibleError(at, f"{keys} ({keyword})")
        shape = {"properties", "additionalProperties", "unevaluatedProperties"}
        if not is_root and not shape & node.keys():
            raise NotExpressibleError(at, f"{keys}; list its properties to make the tool strict")

    def _array(self, node: Schema, at: str) -> Schema:
        items = node.get("items", {})
        if "prefixItems" in node:
            items = self._common_item(node, at)
        if not items.keys() - ANNOTATIONS:
            raise NotExpressibleError(
                at, "its items take any value; give them a type to make the tool strict"
            )
        wire: Schema = {"type": "array", "items": self.node(items, pointer(at, "items"))}
        return wire | {key: node[key] for key in ("minItems", "maxItems") if key in node}

    def _common_item(self, node: Schema, at: str) -> Schema:
        """The schema of a tuple's items where all positions have the same one."""
        first, *others = (
            {k: v for k, v in item.items() if k != "title"} for item in node["prefixItems"]
        )
        closed = node.get("maxItems", len(others) + 2) <= len(others) + 1
        if not closed:
            others.append(node.get("items", {}))
        if any(other != first for other in others):
            raise NotExpressibleError(
                at, "a tuple's positions differ, and strict arrays have one item schema"
            )
        return first

    def _union(self, node: Schema, at: str) -> Schema:
        wires: list[Schema] = []
        takes_null = False
        for index, branch in enumerate(node["anyOf"]):
            if _is_never(branch):
                continue
            if branch == {"type": "null"}:
                takes_null = True
                continue
            made = self.node(branch, pointer(at, "anyOf", index))
            nested = made["anyOf"] if made.keys() == {"anyOf"} else [made]
            wires += [wire for wire in nested if not self._is_among(wire, wires)]
        if not wires:
            if not takes_null:
                raise NotExpressibleError(at, "none of its alternatives can hold")
            wires = [{"type": "null"}]
        if len(wires) > 1:
            self._unions.append((wires, at))
        wire = wires[0] if len(wires) == 1 else {"anyOf": wires}
        return _described(nullable(wire) if takes_null else wire, node)

    def _is_among(self, wire: Schema, wires: list[Schema]) -> bool:
        gaps = self._gaps(wire)
        return any(wire == other and gaps == self._gaps(other) for other in wires)

    def _check_distinct(self, wires: list[Schema], at: str) -> None:
        """Refuse alternatives that look alike on the wire but leave out different properties."""
        objects = [wire for wire in map(self._target, wires) if wire.get("type") == "object"]
        for index, one in enumerate(objects):
            for other in objects[:index]:
                if (
                    one["properties"].keys() == other["properties"].keys()
                    and self._gaps(one) != self._gaps(other)
                    and not any(
                        are_disjoint(schema, other["properties"][name])
                        for name, schema in one["properties"].items()
                    )
                ):
                    raise NotExpressibleError(at, "two alternatives cannot be told apart")

    def _gaps(self, wire: Schema) -> list[Any]:
        """Which nulls inside a wire schema mean "left out", in a form that compares."""
        properties = wire.get("properties", {})
        inner = [*properties.values(), *wire.get("anyOf", ())]
        inner += [wire["items"]] if "items" in wire else []
        return [self.omittable.get(id(properties)), *map(self._gaps, inner)]

    def _target(self, wire: Schema) -> Schema:
        return self._defs.get(wire["$ref"].removeprefix("#/$defs/"), {}) if "$ref" in wire else wire

    def _reference(self, ref: str) -> str:
        name = ref.removeprefix("#/$defs/")
        if ref != "#" and name not in self._seen:
            self._seen.add(name)
            self._waiting.append(name)
        return ref

    def _simplify(self, node: Schema, at: str) -> Schema:
        """`node` as a lone reference, a lone union, or a node without either."""
        node = _as_any_of(_unwrap(node))
        if "$ref" in node and node.keys() <= _LONE:
            return node
        if any(ref in self._merging for ref in _named(node)):
            return self._without_siblings(node, at)
        if "$ref" in node or "allOf" in node:
            try:
                node = _as_any_of(merge_parts(node, self._canonical))
            except CannotMergeError as error:
                raise NotExpressibleError(at, str(error)) from None
        if "anyOf" not in node or node.keys() - _NARROWING - ANNOTATIONS == {"anyOf"}:
            return node
        return self._distribute(node, at)

    def _without_siblings(self, node: Schema, at: str) -> Schema:
        """A reference inside its own merged target: merging again would never end, so siblings become words."""
        if "$ref" not in node or node.keys() & _SHAPING:
            raise NotExpressibleError(at, "is merged with a reference to itself, without end")
        rest = {key: value for key, value in node.items() if key not in _LONE}
        words = f"{describe(node)} Must also satisfy {json.dumps(rest)}".strip()
        return {"$ref": node["$ref"], "description": words}

    def _distribute(self, node: Schema, at: str) -> Schema:
        """What stands beside `anyOf` holds for each alternative."""
        outer = {key: node[key] for key in node if key in ANNOTATIONS}
        rest = {key: node[key] for key in node if key not in outer and key != "anyOf"}
        branches: list[Schema] = []
        for branch in node["anyOf"]:
            if rest.keys() == {"type"} and self._resolved(branch).get("type") == rest["type"]:
                branches.append(branch)
                continue
            both = {"allOf": [branch, rest]}
            try:
                merge_parts(both, self._canonical)
            except CannotMergeError:
                continue  # contradicts what stands beside it: not an alternative
            branches.append(both)
        if not branches:
            raise NotExpressibleError(at, "none of its alternatives can hold")
        return {"anyOf": branches, **outer}

    def _resolved(self, node: Schema) -> Schema:
        while node.keys() == {"$ref"}:
            node = self._canonical.resolve(node["$ref"])
        return node

    def _accepts_null(self, node: Schema) -> bool:
        if "$ref" in node and not self._accepts_null(self._canonical.resolve(node["$ref"])):
            return False
        if "allOf" in node and not all(map(self._accepts_null, node["allOf"])):
            return False
        for key in ("anyOf", "oneOf"):
            if key in node and not any(map(self._accepts_null, node[key])):
                return False
        if "enum" in node and None not in node["enum"]:
            return False
        if "const" in node and node["const"] is not None:
            return False
        return "null" in node["type"] if "type" in node else True


def _described(wire: Schema, node: Schema) -> Schema:
    return with_words(wire, describe(node))


def _as_any_of(node: Schema) -> Schema:
    """`oneOf` as `anyOf`: strict mode has no other, and the original schema still decides."""
    if "oneOf" not in node:
        return node
    rest = {key: value for key, value in node.items() if key != "oneOf"}
    if "anyOf" not in node:
        return {**rest, "anyOf": node["oneOf"]}
    pairs = [{"allOf": [a, b]} for a in node["anyOf"] for b in node["oneOf"]]
    return {**rest, "anyOf": pairs}


def _unwrap(node: Schema) -> Schema:
    """`allOf` around a single reference, the idiom for describing one, as the reference."""
    parts = node.get("allOf", ())
    if len(parts) == 1 and "$ref" in parts[0] and "$ref" not in node:
        return {**parts[0], **{key: value for key, value in node.items() if key != "allOf"}}
    return node


def _types(node: Schema) -> list[str]:
    """The declared types, else the one that the keywords are about."""
    if "type" in node:
        return node["type"] if isinstance(node["type"], list) else [node["type"]]
    implied = {_IMPLIED_TYPES[key] for key in node if key in _IMPLIED_TYPES}
    return list(implied) if len(implied) == 1 else []


def _named(node: Schema) -> tuple[str, ...]:
    """The references that a node is merged with, or would be."""
    found = [node["$ref"]] if "$ref" in node else []
    for part in node.get("allOf", ()):
        found += _named(part)
    return tuple(found)


def _is_never(node: Schema) -> bool:
    return node.get("not") == {}
