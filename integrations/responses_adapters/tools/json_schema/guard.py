"""A first look at a schema that may be hostile: its depth and size, before anything else reads it."""

from __future__ import annotations

from typing import Any, Final

from ...errors import ToolConversionError

__all__ = ["MAX_LEVELS", "MAX_VALUES", "check_size", "pointer"]

MAX_LEVELS: Final = 160
"""Levels of lists and objects. A nested object schema costs two, and validators recurse."""

MAX_VALUES: Final = 200_000
"""Values in one schema, shared ones counted each time; 5,000 documented properties have about 20,000."""


def pointer(path: str, *tokens: str | int) -> str:
    """`path` with tokens appended as a JSON pointer (RFC 6901)."""
    for token in tokens:
        path += "/" + str(token).replace("~", "~0").replace("/", "~1")
    return path


def check_size(schema: object) -> None:
    """Refuse a schema that is too deep or too large to walk, cycles and shared nodes included.

    Raises:
        ToolConversionError: With the limit that was passed.
    """
    level: list[Any] = [schema]
    seen = 0
    for _ in range(MAX_LEVELS):
        below: list[Any] = []
        for node in level:
            if isinstance(node, dict):
                below.extend(node.values())
            elif isinstance(node, (list, tuple)):
                below.extend(node)
            else:
                continue
            if seen + len(below) > MAX_VALUES:
                raise ToolConversionError(
                    f"the schema holds more than {MAX_VALUES:,} values: split the tool, or describe"
                    " its large argument as text"
                )
        if not below:
            return
        seen += len(below)
        level = below
    raise ToolConversionError(
        f"the schema is nested more than {MAX_LEVELS} levels deep (or contains itself): flatten it, or use $defs"
    )
