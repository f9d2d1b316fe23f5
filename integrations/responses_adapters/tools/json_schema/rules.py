"""The documented rules of strict mode, checked on a finished schema.

Source: OpenAI's structured outputs guide, "Supported schemas". The strict form is built to keep them; this
looks once more at the result, because a server answers a broken rule with a 400 for the whole request.
"""

from __future__ import annotations

from typing import Any, Final

from .canonical import Schema

__all__ = ["broken_rule"]

MAX_PROPERTIES: Final = 5_000
MAX_OBJECT_DEPTH: Final = 10
MAX_ENUM_VALUES: Final = 1_000
MAX_CHARACTERS: Final = 120_000
"""Of all property and definition names, enum and const values together."""
LARGE_ENUM: Final = 250
MAX_LARGE_ENUM_CHARACTERS: Final = 15_000

_KEYWORDS: Final = frozenset(
    {
        *(
            "type",
            "description",
            "anyOf",
            "$ref",
            "$defs",
            "enum",
            "const",
            "properties",
            "required",
        ),
        *("additionalProperties", "items", "minItems", "maxItems", "pattern", "format", "minimum"),
        *("maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf"),
    }
)


def broken_rule(wire: Schema) -> str | None:
    """The first rule of strict mode that a schema breaks, or `None`."""
    count = _Count()
    roots = [wire, *wire.get("$defs", {}).values()]
    count.characters += sum(map(len, wire.get("$defs", ())))
    stack: list[tuple[Schema, int]] = [(root, 0) for root in roots]
    while stack:
        node, depth = stack.pop()
        foreign = node.keys() - _KEYWORDS
        if foreign:
            return f"strict mode does not know {min(foreign)!r}"
        problem = count.values(node)
        if problem:
            return problem
        if "properties" in node:
            depth += 1
            count.add_properties(node["properties"])
            if depth > MAX_OBJECT_DEPTH:
                return f"its objects are nested more than {MAX_OBJECT_DEPTH} deep"
            stack += [(child, depth) for child in node["properties"].values()]
        stack += [(branch, depth) for branch in node.get("anyOf", ())]
        if "items" in node:
            stack.append((node["items"], depth))
    return count.over_limit()


class _Count:
    def __init__(self) -> None:
        self.properties = 0
        self.enum_values = 0
        self.characters = 0

    def add_properties(self, properties: dict[str, Any]) -> None:
        self.properties += len(properties)
        self.characters += sum(map(len, properties))

    def values(self, node: Schema) -> str | None:
        if isinstance(node.get("const"), str):
            self.characters += len(node["const"])
        values = node.get("enum")
        if values is None:
            return None
        characters = sum(len(value) for value in values if isinstance(value, str))
        self.enum_values += len(values)
        self.characters += characters
        if len(values) > LARGE_ENUM and characters > MAX_LARGE_ENUM_CHARACTERS:
            return f"an enum of more than {LARGE_ENUM} values has more than {MAX_LARGE_ENUM_CHARACTERS:,} characters"
        return None

    def over_limit(self) -> str | None:
        for what, found, limit in (
            ("properties", self.properties, MAX_PROPERTIES),
            ("enum values", self.enum_values, MAX_ENUM_VALUES),
            ("characters in names and enum values", self.characters, MAX_CHARACTERS),
        ):
            if found > limit:
                return f"it has {found:,} {what}, and strict mode takes {limit:,}"
        return None
