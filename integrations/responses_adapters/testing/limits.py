"""What fits into a request, the model's window and a minute, and how much of it was read before."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

from .behaviour import Behaviour
from .context import CALL_OUTPUTS, Context, Item, count_tokens
from .problems import ApiError
from .script import Turn

__all__ = [
    "RateLimit", "check_size", "count_context", "fit_window", "limit_tool_calls", "read_from_cache",
]  # fmt: skip

_CACHE_FLOOR = 1024
_CACHE_STEP = 128


def check_size(body: bytes, limit: int | None) -> None:
    """Refuse a body with more bytes than the server takes, unread.

    Raises:
        ApiError: It has.
    """
    if limit is not None and len(body) > limit:
        raise ApiError(
            413, f"The request has more than {limit:,} bytes, the most that this server takes."
        )


def count_context(context: Context) -> int:
    """Input tokens of a turn: items, instructions and tools."""
    return count_tokens(context, extra=[context.instructions, *context.tools])


def fit_window(context: Context, window: int | None) -> Context:
    """The context as it fits, the oldest items dropped where the request allows that.

    Raises:
        ApiError: It does not fit and `truncation` is not `"auto"`.
    """
    if window is None or count_context(context) <= window:
        return context
    if context.request.get("truncation") != "auto":
        raise ApiError(
            400,
            "Your input exceeds the context window of this model. Please adjust your input and try again.",
            param="input",
            code="context_length_exceeded",
        )
    while len(context) > 1 and count_context(context) > window:
        dropped = context.pop(0)
        context.kept = max(context.kept - 1, 0)
        partners = [each for each in context if each.get("call_id") == dropped.get("call_id")]
        if dropped.get("call_id") and partners:
            context.remove(partners[0])
            context.kept = max(context.kept - 1, 0)
    return context


def read_from_cache(context: Context, read: int, earlier: Sequence[Context]) -> int:
    """Tokens of the longest prefix shared with a recent turn, from 1024 up in steps of 128.

    The rule is OpenAI's published one for prompt caching.
    """
    if read < _CACHE_FLOOR:
        return 0
    alike = (
        other
        for other in islice(reversed(earlier), 4)
        if (other.instructions, other.tools) == (context.instructions, context.tools)
        and other.request.get("prompt_cache_key") == context.request.get("prompt_cache_key")
    )
    shared = max((_shared_length(context, other) for other in alike), default=0)
    if not shared:
        return 0
    prefix = islice(context, shared)
    tokens = count_tokens(prefix, extra=[context.instructions, *context.tools])
    return tokens // _CACHE_STEP * _CACHE_STEP if tokens >= _CACHE_FLOOR else 0


def _shared_length(one: Context, other: Context) -> int:
    """How many items two contexts have in common from the start."""
    length = min(len(one), len(other))
    if one[:length] == other[:length]:
        return length
    return next(i for i in range(length) if one[i] != other[i])


def limit_tool_calls(turn: Turn, limit: int | None) -> Turn:
    """The turn without the hosted calls beyond `max_tool_calls`; attempts beyond it are ignored."""
    if limit is None:
        return turn
    kept: list[Item] = []
    for part in turn.parts:
        if _is_hosted_call(part):
            limit -= 1
            if limit < 0:
                continue
        kept.append(part)
    return turn.saying(kept)


def _is_hosted_call(part: Item) -> bool:
    kind = part["type"]
    return ":" in kind or (kind.endswith("_call") and kind not in CALL_OUTPUTS)


class RateLimit:
    """Create requests counted by the virtual minute."""

    def __init__(self) -> None:
        self._minute = -1
        self._used = 0

    def spend(self, now: int, behaviour: Behaviour) -> dict[str, str]:
        """Count one request; gives the headers that tell how many are left.

        Raises:
            ApiError: None is left.
        """
        limit, suffix = behaviour.rate_limit, behaviour.rate_suffix
        if limit is None:
            return {}
        if now // 60 != self._minute:
            self._minute, self._used = now // 60, 0
        self._used += 1
        left, reset = 60 - now % 60, (self._minute + 1) * 60
        headers = {
            f"x-ratelimit-limit{suffix}": str(limit),
            f"x-ratelimit-remaining{suffix}": str(max(limit - self._used, 0)),
            f"x-ratelimit-reset{suffix}": f"{left}s" if suffix else str(reset),
        }
        if self._used > limit:
            raise ApiError(
                429,
                "Rate limit reached. Please try again later.",
                code="rate_limit_exceeded",
                headers={**headers, "retry-after": str(left)},
            )
        return headers
