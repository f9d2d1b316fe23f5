"""Parameters that a server refuses, demands, or that nobody knows about."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from .behaviour import Behaviour, Refusal
from .context import text_of
from .problems import ApiError

__all__ = ["check_guardrails", "check_refusals"]


def check_refusals(body: Mapping[str, Any], behaviour: Behaviour) -> None:
    """That a request has what the server demands and nothing that it refuses.

    Raises:
        ApiError: 400 with the parameter named; 501 for one whose effect is unknown.
    """
    for path in behaviour.unknown:
        for name, value in _values(body, path):
            if value is not None:
                raise ApiError(
                    501,
                    f"No source tells what {behaviour.name} does with '{name}', so it is not emulated.",
                    param=name,
                    code="not_implemented_by_fake",
                )
    for refusal in behaviour.refusals:
        for name, value in _values(body, refusal.path):
            if _refused(refusal, value):
                shown = f" with value {value!r}" if refusal.values or refusal.only else ""
                raise ApiError(
                    400,
                    f"Parameter '{name}'{shown} is not supported.",
                    param=name,
                    code="unsupported_parameter",
                )
    for name, wanted in behaviour.demands:
        value = body.get(name)
        if value is None or wanted not in {None, value}:
            needed = f"'{name}'" if wanted is None else f"'{name}': {wanted!r}"
            raise ApiError(400, f"Parameter {needed} is required.", param=name)


def _refused(refusal: Refusal, value: Any) -> bool:
    if value is None:
        return False
    if refusal.only:
        return value not in refusal.only
    return not refusal.values or value in refusal.values


def _values(body: Any, path: str) -> Iterator[tuple[str, Any]]:
    """Every value at `path`, with the name it has in errors."""
    step, _, rest = path.partition(".")
    each = step.endswith("[]")
    name = step.removesuffix("[]")
    value = body.get(name) if isinstance(body, Mapping) else None
    if not each:
        found = [(name, value)]
    elif isinstance(value, list):
        found = [(f"{name}[{index}]", item) for index, item in enumerate(value)]
    else:
        found = []
    for label, item in found:
        if not rest:
            yield label, item
            continue
        for inner, deep in _values(item, rest):
            yield f"{label}.{inner}", deep


def check_guardrails(sent: list[dict[str, Any]], behaviour: Behaviour) -> None:
    """That no input item has what a guardrail forbids; tool outputs are input too.

    Raises:
        ApiError: One has.
    """
    for pattern in behaviour.guardrails:
        if any(re.search(pattern, text_of(item)) for item in sent):
            status, code, message = behaviour.guardrail_error
            failures = {"failures": [{"pattern": pattern}]}
            raise ApiError(status, message, code=code, param="input", extra=failures)
