"""Wire schemas made wider: by null, by a word for null, and described where that is allowed."""

from __future__ import annotations

from typing import Final

from .canonical import Schema

__all__ = ["NULL_WORD", "nullable", "nullable_by_word", "with_words"]

NULL_WORD: Final = "<null>"
"""How the model says null for an optional that takes null as a value of its own: null itself leaves it out."""


def nullable(wire: Schema) -> Schema:
    """A wire schema that takes null too."""
    kind = wire.get("type")
    if kind == "null" or (isinstance(kind, list) and "null" in kind):
        return wire
    if "anyOf" in wire:
        if {"type": "null"} in wire["anyOf"]:
            return wire
        return {**wire, "anyOf": [*wire["anyOf"], {"type": "null"}]}
    if "$ref" in wire or kind in ("object", "array"):
        inner = {key: value for key, value in wire.items() if key != "description"}
        return with_words({"anyOf": [inner, {"type": "null"}]}, wire.get("description", ""))
    wider = {**wire, "type": [kind, "null"]}
    if "const" in wider:
        wider["enum"] = [wider.pop("const")]
    if "enum" in wider:
        wider["enum"] = [*wider["enum"], None]
    return wider


def nullable_by_word(wire: Schema) -> Schema:
    """A nullable wire schema on which null means "left out", so that null itself needs a word."""
    wire = nullable(wire)
    words = f'null leaves it out; "{NULL_WORD}" says null. {wire.get("description", "")}'.strip()
    inner = {key: value for key, value in wire.items() if key != "description"}
    branches = inner.get("anyOf", [inner])
    return {"anyOf": [*branches, {"type": "string", "enum": [NULL_WORD]}], "description": words}


def with_words(wire: Schema, words: str) -> Schema:
    """A wire schema with `words` before its own description."""
    if not words:
        return wire
    if "$ref" in wire:  # strict mode takes nothing beside a reference
        return {"anyOf": [wire], "description": words}
    own = wire.get("description", "")
    return {**wire, "description": words if not own or own in words else f"{words}\n{own}"}
