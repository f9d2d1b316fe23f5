"""Keeping secrets out of a recording, and telling what it was made of all the same."""

from __future__ import annotations

import re
from collections.abc import Collection
from typing import Any, Final

__all__ = ["is_redacted_form", "redact"]

REDACTED: Final = "REDACTED"

_SECRET_FIELDS: Final = frozenset(
    {
        "access_token",
        "api_key",
        "apikey",
        "authorization",
        "client_secret",
        "password",
        "refresh_token",
        "secret",
        "token",
    }
)
_SECRET_MAPPINGS: Final = frozenset({"headers", "variables"})
"""Mappings whose every value is kept out: an MCP tool's headers, orq's variables."""

_SECRET_TEXT: Final = re.compile(
    r"\b(?:sk|pk|rk)-[\w-]{16,}|\bBearer\s+[\w.~+/=-]{8,}|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]+"
)

_SCHEMA_MAPPINGS: Final = frozenset({"$defs", "definitions", "patternProperties", "properties"})
"""Mappings of a JSON Schema, whose names are those of parameters and types."""

_SCHEMA_MARKS: Final = frozenset({"$ref", "allOf", "anyOf", "const", "enum", "oneOf", "type"})
"""What a JSON Schema of a parameter says one of."""

_SCHEMA_VALUES: Final = frozenset({"const", "default", "enum", "example", "examples"})
"""Where a JSON Schema holds values."""


def redact(value: Any, secrets: Collection[str] = ()) -> Any:
    """`value` without keys, tokens and passwords, wherever in the JSON they stand.

    Args:
        value: Any JSON value.
        secrets: Texts known to be secret.
    """
    if isinstance(value, str):
        for secret in secrets:
            value = value.replace(secret, REDACTED)
        return _SECRET_TEXT.sub(REDACTED, value)
    if isinstance(value, list):
        return [redact(each, secrets) for each in value]
    if isinstance(value, dict):
        is_logprob = "logprob" in value  # its token is a piece of the answer
        return {
            name: redact(each, secrets)
            if is_logprob and name == "token"
            else _redact_field(name, each, secrets)
            for name, each in value.items()
        }
    return value


def _redact_field(name: str, value: Any, secrets: Collection[str]) -> Any:
    if name in _SCHEMA_MAPPINGS and isinstance(value, dict):
        return {key: _redact_schema(key, each, secrets) for key, each in value.items()}
    if _is_secret(name) and value is not None:
        return REDACTED
    if name.lower() in _SECRET_MAPPINGS and isinstance(value, dict):
        return dict.fromkeys(value, REDACTED)
    return redact(value, secrets)


def _redact_schema(name: str, schema: Any, secrets: Collection[str]) -> Any:
    """What a schema says of a parameter, whose name tells nothing but about the values."""
    if not isinstance(schema, dict) or (schema and not schema.keys() & _SCHEMA_MARKS):
        return _redact_field(name, schema, secrets)  # data that happens to lie under such a name
    clean = redact(schema, secrets)
    secret = _is_secret(name) or name.lower() in _SECRET_MAPPINGS
    return _without_values(clean) if secret else clean


def _without_values(schema: Any) -> Any:
    """A schema without the values that it holds, however deep."""
    if isinstance(schema, list):
        return [_without_values(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    return {
        name: REDACTED if name in _SCHEMA_VALUES else _without_values(each)
        for name, each in schema.items()
    }


def _is_secret(name: str) -> bool:
    return name.lower() in _SECRET_FIELDS


def is_redacted_form(recorded: Any, value: Any) -> bool:
    """Whether `recorded` is what redacting made of `value`: anything may have stood where it says so."""
    if isinstance(recorded, str) and REDACTED in recorded:
        if recorded == REDACTED:
            return True
        return isinstance(value, str) and _is_filled_in(recorded.split(REDACTED), value)
    if isinstance(recorded, dict) and isinstance(value, dict):
        return recorded.keys() == value.keys() and all(
            is_redacted_form(each, value[name]) for name, each in recorded.items()
        )
    if isinstance(recorded, list) and isinstance(value, list):
        return len(recorded) == len(value) and all(map(is_redacted_form, recorded, value))
    return bool(recorded == value)


def _is_filled_in(kept: list[str], value: str) -> bool:
    """Whether `value` is what was kept, in that order, with anything between."""
    first, *between, last = kept
    if not value.startswith(first) or not value.endswith(last):
        return False
    place, end = len(first), len(value) - len(last)
    for each in between:
        found = value.find(each, place, end)
        if found < 0:
            return False
        place = found + len(each)
    return place <= end
