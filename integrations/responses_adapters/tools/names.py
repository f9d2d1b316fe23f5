"""Tool names that every server takes, and that lead back to the name the user gave."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from typing import Final

__all__ = ["clean_name", "distinct_name"]

_MAX_LENGTH: Final = 64
_VALID: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}\Z")
_HASH_LENGTH: Final = 8


def clean_name(name: str) -> str:
    """The wire name of a tool: the name itself where servers take it, else a readable head and a hash.

    Servers take 1 to 64 of `a-z A-Z 0-9 _ -`. The hash is over the full name, so that `create_…` and
    `delete_…` never collide when cut, and the same name always gives the same wire name.
    """
    return name if _VALID.match(name) else _with_hash(name, name)


def distinct_name(name: str, content: str) -> str:
    """The wire name of a second tool called `name`, told apart by what the tool says of itself."""
    return _with_hash(name, f"{name}\n{content}")


def _with_hash(name: str, hashed: str) -> str:
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    head = re.sub(r"[^a-zA-Z0-9-]+", "_", plain).strip("_-") or "tool"
    digest = hashlib.sha256(hashed.encode("utf-8", "surrogatepass")).hexdigest()[:_HASH_LENGTH]
    return f"{head[: _MAX_LENGTH - _HASH_LENGTH - 1].rstrip('_-')}_{digest}"
