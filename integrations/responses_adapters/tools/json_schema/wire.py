"""From a schema of any dialect to the one that goes over the wire, and the way back for the arguments."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import Enum
from functools import cached_property, lru_cache
from typing import Any, Literal

from ...errors import NotStrictError, ToolConversionError
from .canonical import Canonical, Schema, canonicalize
from .codec import Codec
from .guard import check_size
from .reasons import NotExpressibleError
from .root import object_root
from .rules import broken_rule
from .strict import strict_form

__all__ = ["Strictness", "WireSchema", "to_wire_schema"]

Strictness = Literal["auto"] | bool
"""`"auto"`: strict where that is faithful; `True`: strict or an error; `False`: never strict."""


@dataclass(frozen=True, eq=False)
class WireSchema:
    """The schema that servers get, and what leads back from it.

    Attributes:
        strict: Whether `parameters` is in the strict subset.
        reason: Why it is not strict, with a JSON pointer; `None` where it is.
        description: What the root of the schema says of the whole.
        notes: What the root says in keywords that cannot be sent, in words for the tool's description.
        codec: Between wire arguments and the tool's own.
    """

    strict: bool
    reason: str | None
    description: str
    notes: str
    codec: Codec
    _text: str = field(repr=False)
    _canonical: Canonical = field(repr=False)

    @property
    def parameters(self) -> Schema:
        """The wire schema; a new copy each time, the caller's to change."""
        parameters: Schema = json.loads(self._text)
        return parameters

    @property
    def own_schema(self) -> Schema:
        """The tool's own schema in JSON Schema 2020-12, with an object root; a new copy each time."""
        schema: Schema = json.loads(json.dumps(self._canonical.document()))
        return {"type": "object", "properties": {}, **schema}

    def problem(self, arguments: Any) -> str | None:
        """What is wrong with decoded arguments by the original schema, in one line; `None` if nothing is."""
        try:
            error = next(self._validator.iter_errors(arguments), None)
        except RecursionError:
            return "the arguments are nested too deep"
        if error is None:
            return None
        where = "/".join(map(str, error.absolute_path))
        return f"{where or 'arguments'}: {error.message[:300]}"

    @cached_property
    def _validator(self) -> Any:
        from jsonschema import Draft202012Validator

        return Draft202012Validator(self._canonical.document())


def to_wire_schema(schema: Any, *, strict: Strictness = "auto") -> WireSchema:
    """Make a tool's wire schema; the same content is converted once.

    Args:
        schema: A JSON Schema in any dialect; `None`, `True` and `{}` mean no arguments.
        strict: See `Strictness`.

    Raises:
        ToolConversionError: No object schema can be made of it.
        NotStrictError: `strict=True`, and there is no faithful strict form.
    """
    check_size(schema)
    try:
        text = json.dumps(schema, default=_plain)
    except (TypeError, ValueError, RecursionError) as error:
        raise ToolConversionError(f"the schema is not JSON: {error}") from None
    wire = _convert(text, strict is not False)
    if strict is True and not wire.strict:
        raise NotStrictError(f"there is no faithful strict form: {wire.reason}")
    return wire


@lru_cache(maxsize=1024)
def _convert(text: str, may_be_strict: bool) -> WireSchema:
    canonical = canonicalize(json.loads(text))
    root = object_root(canonical)
    reason = root.reason if may_be_strict else "strict=False was asked for"
    if reason is None:
        try:
            wire, omittable = strict_form(root.node, canonical)
        except NotExpressibleError as error:
            reason = str(error)
        else:
            reason = broken_rule(wire)
            if reason is None:
                codec = Codec(wire, omittable)
                return WireSchema(
                    True, None, root.description, root.notes, codec, json.dumps(wire), canonical
                )
    loose = _loose_form(root.node, canonical)
    return WireSchema(
        False, reason, root.description, root.notes, Codec(loose, {}), json.dumps(loose), canonical
    )


def _loose_form(root: Schema, canonical: Canonical) -> Schema:
    """What servers ask of a tool that is not strict: an object root that lists its properties."""
    loose = {"properties": {}, **root}
    return {**loose, "$defs": canonical.defs} if canonical.defs else loose


def _plain(value: Any) -> Any:
    """Values that Python schemas hold and JSON does not know."""
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, (set, frozenset)):
        return sorted(value, key=repr)
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, Decimal):
        return float(value)
    isoformat = getattr(value, "isoformat", None)
    if isoformat is not None:
        return isoformat()
    raise TypeError(f"{type(value).__name__} {value!r:.60} is not a JSON value")
