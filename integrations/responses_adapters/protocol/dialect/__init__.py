"""A server's JSON to canonical Open Responses JSON and back: pure functions on plain dicts.

What is canonical already is given back as the same object, so that a transport can pass its bytes on untouched.
Whatever has no canonical place is kept under one key, `EXTENSION`.
"""

from __future__ import annotations

from .errors import normalize_error
from .events import EventNormalizer, normalize_events
from .items import ANY_READER, EXTENSION, ITEM_TYPES, Reader
from .outputs import inexpressible_parts
from .requests import ENCRYPTED, has_no_effect, normalize_request
from .responses import FORGOTTEN, RUNNING, forgotten, normalize_response

__all__ = [
    "ANY_READER",
    "ENCRYPTED",
    "EXTENSION",
    "FORGOTTEN",
    "ITEM_TYPES",
    "RUNNING",
    "EventNormalizer",
    "Reader",
    "forgotten",
    "has_no_effect",
    "inexpressible_parts",
    "normalize_error",
    "normalize_events",
    "normalize_request",
    "normalize_response",
]
