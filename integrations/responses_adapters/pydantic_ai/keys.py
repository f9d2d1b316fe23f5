"""Idempotency keys: one for each request of a run, the same whichever process sends it.

A durable engine whose worker dies takes the unfinished step again in another one. There the same request gets the same
key, so that a server that honours keys gives back the response it already has.
"""

from __future__ import annotations

import hashlib
import uuid
from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from pydantic_ai.messages import ModelMessage
from pydantic_ai.models import ModelRequestParameters

from .amnesia import setup_of

__all__ = ["name_request", "new_key"]

_MAX_NAMES: Final = 2_000

_asked: OrderedDict[str, int] = OrderedDict()
"""How often this process has asked for each request: asking again, as after a failure, means another answer."""


def name_request(
    model_name: str, messages: Sequence[ModelMessage], parameters: ModelRequestParameters
) -> str | None:
    """A name for what is about to be asked, without the time of asking; `None` outside of runs, which alone have ids."""
    newest = messages[-1] if messages else None
    if newest is None or newest.run_id is None:
        return None
    said = [
        (part.part_kind, getattr(part, "tool_call_id", None), getattr(part, "content", None))
        for part in newest.parts
    ]
    facts = (newest.run_id, len(messages), model_name, setup_of(parameters), said)
    return hashlib.sha256(repr(facts).encode()).hexdigest()[:32]


def new_key(name: str | None) -> str:
    """The key of a request, by its name and how often it was asked for; a random one without a name."""
    if name is None:
        return str(uuid.uuid4())
    _asked[name] = times = _asked.pop(name, 0) + 1
    if len(_asked) > _MAX_NAMES:
        _asked.popitem(last=False)
    return f"{name}-{times}"
