"""References that lead to a schema in the end, in a bounded number of steps."""

from __future__ import annotations

from typing import Any, Final

from ...errors import ToolConversionError

__all__ = ["check_grounded"]

Schema = dict[str, Any]

_MAX_CHECKS: Final = 5_000
"""Schemas that one value has to be checked against; references that fork at each step double it each time."""

_MAX_CHAIN: Final = 50
"""References that only lead to one another before there is a schema; readers follow them by recursion."""


def check_grounded(root: Schema, defs: dict[str, Schema]) -> None:
    """Refuse references that only name one another, and those that multiply.

    Counted is what a value is checked against as a whole. Its properties and items are values of their own, so
    recursion through them is no concern.

    Raises:
        ToolConversionError: With the references concerned.
    """
    targets = {f"#/$defs/{name}": _same_value(node) for name, node in defs.items()}
    targets["#"] = _same_value(root)
    users: dict[str, list[str]] = {}
    for ref, named in targets.items():
        for target in named:
            users.setdefault(target, []).append(ref)
    waiting = {ref: len(named) for ref, named in targets.items()}
    grounded = [ref for ref, count in waiting.items() if not count]
    checks: dict[str, int] = {}
    depths: dict[str, int] = {}
    for ref in grounded:  # grows while it is read
        checks[ref] = 1 + sum(checks[target] for target in targets[ref])
        if checks[ref] > _MAX_CHECKS:
            raise ToolConversionError(
                f"{ref}: a value would be checked against more than {_MAX_CHECKS:,} schemas"
            )
        depths[ref] = 1 + max((depths[target] for target in targets[ref]), default=0)
        if depths[ref] > _MAX_CHAIN:
            raise ToolConversionError(
                f"{ref}: a chain of more than {_MAX_CHAIN} references leads nowhere else"
            )
        for user in users.get(ref, ()):
            waiting[user] -= 1
            if not waiting[user]:
                grounded.append(user)
    if len(grounded) < len(targets):
        loop = ", ".join(sorted(set(targets) - set(grounded))[:3])
        raise ToolConversionError(f"references only name one another and no schema: {loop}")


def _same_value(node: Schema) -> list[str]:
    """References that a value of `node` is checked against as a whole, each as often as it is named."""
    found = [node["$ref"]] if "$ref" in node else []
    children = [node[key] for key in ("not", "if", "then", "else") if key in node]
    for key in ("anyOf", "oneOf", "allOf"):
        children += node.get(key, ())
    for child in (*children, *node.get("dependentSchemas", {}).values()):
        found += _same_value(child)
    return found
