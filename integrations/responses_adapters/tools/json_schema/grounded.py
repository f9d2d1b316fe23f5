"""References that lead to a schema in the end, and not only to one another."""

from __future__ import annotations

from typing import Any

from ...errors import ToolConversionError

__all__ = ["check_grounded"]

Schema = dict[str, Any]


def check_grounded(root: Schema, defs: dict[str, Schema]) -> None:
    """Refuse references that come back to themselves without a property or an item between.

    Raises:
        ToolConversionError: With the first few of them.
    """
    waiting = {f"#/$defs/{name}": _same_value(node) for name, node in defs.items()}
    waiting["#"] = _same_value(root)
    users: dict[str, list[str]] = {}
    for ref, targets in waiting.items():
        for target in targets:
            users.setdefault(target, []).append(ref)
    grounded = [ref for ref, targets in waiting.items() if not targets]
    open_targets = {ref: len(targets) for ref, targets in waiting.items()}
    for ref in grounded:  # grows while it is read
        for user in users.get(ref, ()):
            open_targets[user] -= 1
            if not open_targets[user]:
                grounded.append(user)
    if len(grounded) < len(waiting):
        loop = ", ".join(sorted(set(waiting) - set(grounded))[:3])
        raise ToolConversionError(f"references only name one another and no schema: {loop}")


def _same_value(node: Schema) -> set[str]:
    """References that a value of `node` is checked against as a whole, not in one of its parts."""
    found = {node["$ref"]} if "$ref" in node else set()
    children = [node[key] for key in ("not", "if", "then", "else") if key in node]
    for key in ("anyOf", "oneOf", "allOf"):
        children += node.get(key, ())
    for child in (*children, *node.get("dependentSchemas", {}).values()):
        found |= _same_value(child)
    return found
