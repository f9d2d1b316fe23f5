"""Idempotency keys: one for each request of a run, the same whichever process sends it.

A durable engine whose worker dies takes the unfinished step again in another one. There the same request gets the same
key, so that a server that honours keys gives back the response it already has. A request that continues a response
has no such name: upstream decides by the times in the history whether it continues, and a repeated run has others.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters

from .amnesia import setup_of

__all__ = ["name_request", "new_key"]

_MAX_NAMES: Final = 2_000
_SAID: Final = ("content", "tool_name", "tool_call_id", "args", "id")
_UNSENT: Final = frozenset({"extra_headers", "timeout"})
"""Settings that are no part of the body, by which a server compares requests under one key."""

_asked: OrderedDict[str, int] = OrderedDict()
"""How often this process has asked for each request: asking again, as after a failure, means another answer."""


def name_request(
    model_name: str,
    messages: Sequence[ModelMessage],
    settings: Mapping[str, Any],
    parameters: ModelRequestParameters,
) -> str | None:
    """A name for what is about to be asked, without the time of asking; `None` outside of runs, which alone have ids."""
    run_id = messages[-1].run_id if messages else None
    if run_id is None:
        return None
    said = [
        [(part.part_kind, *(getattr(part, name, None) for name in _SAID)) for part in message.parts]
        for message in messages
    ]
    asked = {name: settings[name] for name in sorted(settings.keys() - _UNSENT)}
    facts = (run_id, asked, setup_of(model_name, parameters), said)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def new_key(name: str | None) -> str:
    """The key of a request, by its name and how often it was asked for; a random one without a name."""
    if name is None:
        return str(uuid.uuid4())
    _asked[name] = times = _asked.pop(name, 0) + 1
    if len(_asked) > _MAX_NAMES:
        _asked.popitem(last=False)
    return f"{name}-{times}"
