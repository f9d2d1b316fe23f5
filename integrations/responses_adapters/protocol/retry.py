"""When a request may be sent again as it is, and how soon."""

from __future__ import annotations

from typing import Final
from zlib import crc32

from ..profiles import ServerProfile
from .failure import read_failure
from .turn import Reply

__all__ = ["backoff", "may_resend", "passes", "poll_pause"]

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
    if (asked := _asked_for(reply)) is not None:
        return asked
    return _FIRST_BACKOFF * float(1 << attempt) * _spread(key)


def poll_pause(reply: Reply | None, interval: float, number: int, key: str | None) -> float:
    """Seconds until the next poll: what the server asked for at the last one, else the interval.

    Spread by up to a quarter, another one each time: jobs that were submitted together are not polled together.
    A server that asks for no pause at all gets a quarter of the interval, so that nobody polls in circles.
    """
    asked = _asked_for(reply) if reply is not None else None
    if asked is None:
        return interval * _spread(f"{key}{number}" if key else None)
    return max(asked, interval / 4)


def _asked_for(reply: Reply) -> float | None:
    """The pause that the server asks for, in seconds."""
    for header, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        try:
            return min(max(0.0, float(reply.headers[header]) * unit), _LONGEST_BACKOFF)
        except (KeyError, ValueError):
            continue
    return None


def _spread(key: str | None) -> float:
    """A factor between 0.75 and 1 that depends on the key alone."""
    return 1 - (crc32(key.encode()) % 64) / 256 if key else 1.0
