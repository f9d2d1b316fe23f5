"""When a request may be sent again as it is, and how soon."""

from __future__ import annotations

from typing import Final

from ..profiles import ServerProfile
from .failure import read_failure
from .turn import Reply

__all__ = ["backoff", "may_resend", "passes"]

_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 60.0


def may_resend(reply: Reply, profile: ServerProfile) -> bool:
    """Whether sending again cannot start a second response (or the server says that it may be done)."""
    if reply.delivery == "refused":
        return True
    if reply.delivery == "unknown" or reply.status in {408, 504}:
        return profile.honours_idempotency_key
    asked = reply.headers.get("x-should-retry")
    if asked in {"true", "false"}:
        return asked == "true"
    if reply.status is None or reply.status < 400:
        return False
    failure = read_failure(reply.status, reply.body)
    return failure.transient and (reply.status == 429 or reply.status >= 500 or failure.busy)


def passes(reply: Reply) -> bool:
    """Whether the trouble of a poll is likely to be over at the next one."""
    return reply.status is None or read_failure(reply.status, reply.body).transient


def backoff(reply: Reply, attempt: int, key: str | None) -> float:
    """Seconds until the next attempt: what the server asks for, else doubling, spread by the call's own key."""
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(max(0.0, float(reply.headers[header]) * unit), _LONGEST_BACKOFF)
        except (KeyError, ValueError):
            continue
    spread = (sum(key.encode()) % 64) / 256 if key else 0.0
    return _FIRST_BACKOFF * float(1 << attempt) * (1 - spread)
