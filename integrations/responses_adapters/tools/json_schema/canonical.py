"""Any schema dialect in, one out: JSON Schema 2020-12 whose references are `#` or `#/$defs/<name>`.

Understood: JSON Schema drafts 3 to 2020-12, OpenAPI 3.0 and 3.1, Swagger, Gemini's upper-case types, and the
slips that hand-written schemas have (`"type": "int"`, `"minItems": "1"`, `"description": null`). Vendor keywords
are left out. References are followed inside the document, never fetched, and never inlined.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

from ...errors import ToolConversionError
from .grounded import check_grounded
from .guard import pointer
from .references import References, Resource

__all__ = ["ANNOTATIONS", "Canonical", "Schema", "canonicalize"]

Schema = dict[str, Any]

ANNOTATIONS: Final = frozenset({"title", "description", "default", "examples", "deprecated"})
"""Keywords that describe and accept everything."""

_MAX_DEPTH: Final = 64

_TYPES: Final = {
    **{t: t for t in ("string", "number", "integer", "boolean", "object", "array", "null")},
    "str": "string",
    "text": "string",
    "int": "integer",
    "long": "integer",
    "float": "number",
    "double": "number",
    "decimal": "number",
    "bool": "boolean",
    "list": "array",
    "tuple": "array",
    "set": "array",
    "dict": "object",
    "map": "object",
    "none": "null",
}
_ANY_TYPE: Final = frozenset({"any", "type_unspecified"})

_LONE_REF_DRAFT: Final = re.compile(r"json-schema\.org/draft-0[3-7]/")


@dataclass(frozen=True, slots=True)
class Canonical:
    """One document in the one dialect.

    Attributes:
        root: The schema itself.
        defs: What its references name; only what is reachable.
    """

    root: Schema
    defs: dict[str, Schema]

    def document(self) -> Schema:
        """Root and definitions as one schema, as validators want it."""
        return {**self.root, "$defs": self.defs} if self.defs else self.root

    def resolve(self, ref: str) -> Schema:
        """The node that a canonical reference names."""
        return self.root if ref == "#" else self.defs[ref.removeprefix("#/$defs/")]


def canonicalize(document: Any) -> Canonical:
    """Read a schema of any dialect.

    Raises:
        ToolConversionError: A reference leads nowhere, outside the document, or only to itself; a type does
            not exist; the schema is nested too deep. The message holds the JSON pointer.
    """
    declared = document.get("$schema") if isinstance(document, dict) else None
    dialect = declared if isinstance(declared, str) else ""
    references = References(document, dialect)
    lone_refs = bool(_LONE_REF_DRAFT.search(dialect))
    home = Resource(document, "")
    root = _read(document, "", _Context(references, lone_refs, home, 0))
    defs: dict[str, Schema] = {}
    while references.pending:
        name, target, home = references.pending.pop()
        node = _read(target, f"/$defs/{name}", _Context(references, lone_refs, home, 0))
        if "title" in node and _restates(node["title"], name):
            del node["title"]
        defs[name] = node
    check_grounded(root, defs)
    return Canonical(root, defs)


@dataclass(frozen=True, slots=True)
class _Context:
    references: References
    lone_refs: bool  # up to draft 7, what stands beside a $ref does not count
    home: Resource
    depth: int


def _read(raw: Any, at: str, around: _Context) -> Schema:
    if raw is True or raw is None:
        return {}
    if raw is False:
        return {"not": {}}
    if not isinstance(raw, dict):
        raise ToolConversionError(f"{at or '#'}: {raw!r:.40} is not a schema")
    if around.depth > _MAX_DEPTH:
        raise ToolConversionError(
            f"{at[:60]}…: the schema is nested more than {_MAX_DEPTH} levels deep; flatten it, or use $defs"
        )
    return _Node(raw, at, around).read()


class _Node:
    """Reads the keywords of one schema object; a value of the wrong kind says nothing and is left out."""

    __slots__ = ("at", "inside", "out", "raw")

    def __init__(self, raw: Schema, at: str, around: _Context) -> None:
        self.raw = raw
        self.at = at
        self.out: Schema = {}
        home = around.references.enter(raw, around.home)
        self.inside = _Context(around.references, around.lone_refs, home, around.depth + 1)

    def read(self) -> Schema:
        for key, value in self.raw.items():
            keyword = _KEYWORDS.get(key)
            if keyword is not None:
                keyword(self, key, value)
        if self.inside.lone_refs and "$ref" in self.out:
            self.out = {k: v for k, v in self.out.items() if k == "$ref" or k in ANNOTATIONS}
        self._settle_bounds()
        self._settle_arrays()
        patterns = self.raw.get("patternProperties")
        if isinstance(patterns, dict) and len(self.out["patternProperties"]) < len(patterns):
            self.out["additionalProperties"] = True  # keys that cannot be checked stay sayable
        pattern = self.raw.get("pattern")
        if isinstance(pattern, str) and "pattern" not in self.out:
            self.out["description"] = (
                f"{self.out.get('description', '')} Pattern: {pattern}".strip()
            )
        if self.raw.get("nullable") is True or self.raw.get("x-nullable") is True:
            return _nullable(self.out)
        return self.out

    def _child(self, value: Any, *tokens: str | int) -> Schema:
        return _read(value, pointer(self.at, *tokens), self.inside)

    def schema(self, key: str, value: Any) -> None:
        self.out[key] = self._child(value, key)

    def schema_or_bool(self, key: str, value: Any) -> None:
        if value is None:
            return
        child = value if isinstance(value, bool) else self._child(value, key)
        self.out[key] = True if child == {} else False if child == {"not": {}} else child

    def schemas(self, key: str, value: Any) -> None:
        if isinstance(value, list) and value:
            self.out[key] = [self._child(child, key, i) for i, child in enumerate(value)]

    def named_schemas(self, key: str, value: Any) -> None:
        if isinstance(value, dict):
            self.out[key] = {name: self._child(child, key, name) for name, child in value.items()}

    def properties(self, key: str, value: Any) -> None:
        if not isinstance(value, dict):
            return
        self.named_schemas(key, value)
        for name, child in self.out[key].items():
            if "title" in child and _restates(child["title"], name):
                del child["title"]
        draft3 = [k for k, v in value.items() if isinstance(v, dict) and v.get("required") is True]
        if draft3:
            self.names("required", draft3)

    def pattern_properties(self, key: str, value: Any) -> None:
        if isinstance(value, dict):
            self.named_schemas(key, {k: child for k, child in value.items() if _compiles(k)})

    def items(self, key: str, value: Any) -> None:
        if isinstance(value, list):  # a tuple, up to draft 2019-09
            self.schemas("prefixItems", value)
        elif value is False:
            self.out["items"] = False
        else:
            self.schema(key, value)

    def type(self, key: str, value: Any) -> None:
        names: list[str] = []
        branches: list[Schema] = []
        for one in value if isinstance(value, list) else [value]:
            word = one.lower() if isinstance(one, str) else one
            if isinstance(word, dict):  # draft 3 unions
                branches.append(self._child(word, key))
            elif isinstance(word, str) and word in _TYPES:
                names.append(_TYPES[word])
            elif word is None and isinstance(value, list):
                names.append("null")
            elif word is None or (isinstance(word, str) and word in _ANY_TYPE):
                return
            else:
                raise ToolConversionError(
                    f"{self.at or '#'}: {one!r} is not a JSON Schema type; use string, number, integer,"
                    " boolean, object, array or null"
                )
        if branches:
            self.out["anyOf"] = branches + [{"type": name} for name in names]
        elif names:
            names = _distinct(names)
            self.out["type"] = names[0] if len(names) == 1 else names

    def text(self, key: str, value: Any) -> None:
        if isinstance(value, str) and value:
            self.out[key] = value

    def pattern(self, key: str, value: Any) -> None:
        if isinstance(value, str) and _compiles(value):
            self.out[key] = value

    def number(self, key: str, value: Any) -> None:
        key = "multipleOf" if key == "divisibleBy" else key
        number = _as_number(value)
        if number is not None and not (key == "multipleOf" and number <= 0):
            self.out[key] = number

    def count(self, key: str, value: Any) -> None:
        number = _as_number(value)
        if number is not None and number >= 0 and number == int(number):
            self.out[key] = int(number)

    def flag(self, key: str, value: Any) -> None:
        if value is True:
            self.out[key] = True

    def names(self, key: str, value: Any) -> None:
        if isinstance(value, list):
            names = _distinct([*self.out.get(key, ()), *value])
            if names:
                self.out[key] = names

    def values(self, key: str, value: Any) -> None:
        if not isinstance(value, list):
            return
        values = [item for item in value if _is_finite(item)]
        if values:
            self.out[key] = values
        elif key == "enum":
            raise ToolConversionError(
                f"{self.at or '#'}: enum lists no value, so nothing is accepted"
            )

    def value(self, key: str, value: Any) -> None:
        if _is_finite(value):
            self.out[key] = value

    def example(self, _: str, value: Any) -> None:
        if _is_finite(value) and "examples" not in self.raw:
            self.out["examples"] = [value]

    def reference(self, key: str, value: Any) -> None:
        if not isinstance(value, str):
            raise ToolConversionError(
                f"{self.at or '#'}: {key} must be a string, not {value!r:.40}"
            )
        self.out["$ref"] = self.inside.references.name(value, self.at, self.inside.home)

    def extends(self, _: str, value: Any) -> None:
        self.schemas("allOf", value if isinstance(value, list) else [value])

    def disallow(self, key: str, value: Any) -> None:
        self.out["not"] = self._child({"type": value}, key)

    def dependencies(self, key: str, value: Any) -> None:
        for name, needed in value.items() if isinstance(value, dict) else ():
            if isinstance(needed, (str, list)):
                needed = [needed] if isinstance(needed, str) else needed
                self.out.setdefault("dependentRequired", {})[name] = _distinct(needed)
            else:
                child = self._child(needed, key, name)
                self.out.setdefault("dependentSchemas", {})[name] = child

    def _settle_bounds(self) -> None:
        """Draft 4 says `exclusiveMinimum: true` beside a `minimum`."""
        for bound, exclusive in (
            ("minimum", "exclusiveMinimum"),
            ("maximum", "exclusiveMaximum"),
        ):
            if self.raw.get(exclusive) is True and bound in self.out:
                self.out[exclusive] = self.out.pop(bound)

    def _settle_arrays(self) -> None:
        out = self.out
        if "prefixItems" in out and isinstance(self.raw.get("items"), list):
            rest = self.raw.get("additionalItems", True)
            out["items"] = False if rest is False else self._child(rest, "additionalItems")
        if out.get("items") is False:  # servers want a schema here
            length = len(out.get("prefixItems", ()))
            out["items"] = {}
            out["maxItems"] = min(length, out.get("maxItems", length))
        names = out.get("type", ())
        if "array" in names and "items" not in out:
            out["items"] = {}  # servers refuse an array without items, strict or not


_KEYWORDS: Final[dict[str, Callable[[_Node, str, Any], None]]] = {
    "type": _Node.type,
    "properties": _Node.properties,
    "patternProperties": _Node.pattern_properties,
    "dependentSchemas": _Node.named_schemas,
    **dict.fromkeys(("anyOf", "oneOf", "allOf", "prefixItems"), _Node.schemas),
    **dict.fromkeys(("not", "if", "then", "else", "contains", "propertyNames"), _Node.schema),
    "additionalProperties": _Node.schema_or_bool,
    "unevaluatedProperties": _Node.schema_or_bool,
    "unevaluatedItems": _Node.schema_or_bool,
    "items": _Node.items,
    "required": _Node.names,
    **dict.fromkeys(("title", "description", "format"), _Node.text),
    **dict.fromkeys(("contentEncoding", "contentMediaType"), _Node.text),
    "pattern": _Node.pattern,
    **dict.fromkeys(("minimum", "maximum", "multipleOf", "divisibleBy"), _Node.number),
    **dict.fromkeys(("exclusiveMinimum", "exclusiveMaximum"), _Node.number),
    **dict.fromkeys(("minLength", "maxLength", "minItems", "maxItems"), _Node.count),
    **dict.fromkeys(("minProperties", "maxProperties", "minContains", "maxContains"), _Node.count),
    **dict.fromkeys(("uniqueItems", "deprecated"), _Node.flag),
    **dict.fromkeys(("enum", "examples"), _Node.values),
    **dict.fromkeys(("const", "default"), _Node.value),
    "example": _Node.example,
    **dict.fromkeys(("$ref", "$dynamicRef", "$recursiveRef"), _Node.reference),
    "extends": _Node.extends,
    "disallow": _Node.disallow,
    **dict.fromkeys(("dependencies", "dependentRequired"), _Node.dependencies),
}


def _nullable(node: Schema) -> Schema:
    """OpenAPI 3.0's `nullable: true` as a type."""
    names = node.get("type")
    if names is None:
        if not (node.keys() - ANNOTATIONS):
            return node
        inner = {key: node[key] for key in node if key not in ANNOTATIONS}
        outer = {key: node[key] for key in node if key in ANNOTATIONS}
        return {"anyOf": [inner, {"type": "null"}], **outer}
    node["type"] = _distinct([*(names if isinstance(names, list) else [names]), "null"])
    if "const" in node:
        node["enum"] = [node.pop("const")]
    if "enum" in node and None not in node["enum"]:
        node["enum"] = [*node["enum"], None]
    return node


def _compiles(pattern: str) -> bool:
    """Whether Python can check the pattern; JSON Schema's own regular expressions are ECMAScript's."""
    try:
        re.compile(pattern)
    except (re.error, OverflowError, RecursionError):
        return False
    return True


def _as_number(value: Any) -> int | float | None:
    if isinstance(value, str):  # Gemini writes int64 as text
        try:
            value = float(value)
        except ValueError:
            return None
        value = int(value) if math.isfinite(value) and value == int(value) else value
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    return value if isinstance(value, int) or math.isfinite(value) else None


def _is_finite(value: Any) -> bool:
    if isinstance(value, float):
        return math.isfinite(value)
    if isinstance(value, dict):
        value = list(value.values())
    return all(map(_is_finite, value)) if isinstance(value, list) else True


def _restates(title: str, name: str) -> bool:
    """Whether a title only repeats the name it belongs to, as generated ones do."""
    return _letters(title) == _letters(name)


def _letters(text: str) -> str:
    return "".join(filter(str.isalnum, text)).casefold()


def _distinct(names: list[Any]) -> list[str]:
    return list(dict.fromkeys(name for name in names if isinstance(name, str)))
