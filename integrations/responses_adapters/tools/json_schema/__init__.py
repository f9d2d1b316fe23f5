"""JSON Schema in any dialect to the one that goes over the wire, and the way back for the arguments.

In the order that a schema takes: `guard`, `canonical` (with `references` and `grounded`), `root`, `strict` (with
`merge`, `values`, `widen`, `words`), `rules`, `codec`.
"""

from __future__ import annotations

from .wire import Strictness, WireSchema, to_wire_schema

__all__ = ["Strictness", "WireSchema", "to_wire_schema"]
