"""Why a schema has no strict form."""

from __future__ import annotations

__all__ = ["NotExpressibleError"]


class NotExpressibleError(Exception):
    """A schema that strict mode cannot say faithfully; `str()` is the reason, with its JSON pointer."""

    def __init__(self, at: str, reason: str) -> None:
        super().__init__(f"{at or '#'}: {reason}")
