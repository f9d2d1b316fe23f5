"""What a schema says that the wire form cannot, in words the model reads."""

from __future__ import annotations

import json
import re
from typing import Any, Final

from .canonical import Schema

__all__ = ["RULES", "describe", "describe_rules", "supported_format", "supported_pattern"]

_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
)
"""String formats of strict mode: platform.openai.com/docs/guides/structured-outputs, "Supported properties"."""

_UNSUPPORTED_REGEX: Final = re.compile(r"\(\?(?!:)|\\[1-9bBpPkzZA]")

_LIMITS: Final = (
    ("Length", "minLength", "maxLength", "characters"),
    ("Size", "minProperties", "maxProperties", "entries"),
)
RULES: Final = (
    *("not", "if", "then", "else", "dependentRequired", "dependentSchemas", "propertyNames"),
    *("contains", "minContains", "maxContains"),
)
"""Keywords that refuse values by a rule of their own, which strict mode has no keyword for."""
_MAX_VALUE: Final = 300


def supported_format(name: str) -> bool:
    """Whether strict mode takes the string format."""
    return name in _FORMATS


def supported_pattern(pattern: str) -> bool:
    """Whether strict mode takes the pattern: no look-around, back-references, classes by property or anchors by letter."""
    return not _UNSUPPORTED_REGEX.search(pattern)


def describe(node: Schema) -> str:
    """The description of a canonical node, followed by what the strict form leaves out of it."""
    words = [node.get("description") or node.get("title", "")]
    if node.get("default") is not None:
        words.append(f"Default: {_json(node['default'])}.")
    if "examples" in node:
        words.append(f"Examples: {', '.join(map(_json, node['examples']))}.")
    if "format" in node and not supported_format(node["format"]):
        words.append(f"Format: {node['format']}.")
    if "pattern" in node and not supported_pattern(node["pattern"]):
        words.append(f"Pattern: {node['pattern']}")
    for what, low, high, unit in _LIMITS:
        if low in node or high in node:
            words.append(f"{what}: {_range(node.get(low), node.get(high))} {unit}.")
    if "uniqueItems" in node:
        words.append("No item twice.")
    if "contentEncoding" in node or "contentMediaType" in node:
        kinds = [node[k] for k in ("contentMediaType", "contentEncoding") if k in node]
        words.append(f"Content: {', '.join(kinds)}.")
    if "deprecated" in node:
        words.append("Deprecated.")
    words.append(describe_rules(node))
    return " ".join(filter(None, words))


def describe_rules(node: Schema) -> str:
    """The rules of a node that have no strict form, as JSON in words."""
    rules = {key: node[key] for key in RULES if key in node}
    return f"Must also satisfy {_json(rules)}" if rules else ""


def _range(low: int | None, high: int | None) -> str:
    if low is None:
        return f"at most {high}"
    if high is None:
        return f"at least {low}"
    return str(low) if low == high else f"{low} to {high}"


def _json(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"
