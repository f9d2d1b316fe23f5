"""What an error means: whether the request may be sent again, for that must never pay twice, and what to do."""

from __future__ import annotations

import random
from typing import Final

from openai import APIError
from pydantic_ai.exceptions import (
    ModelAPIError,
    ModelConnectionError,
    ModelHTTPError,
    ModelQuotaExceededError,
    ModelRateLimitError,
    ModelServerError,
    ModelUnavailableError,
)

from ..protocol.advice import advise
from ..protocol.failure import read_failure
from ..protocol.http_clients import never_left

__all__ = ["advised", "is_failed_poll", "is_refusal", "retry_delay", "says_lost"]

_REFUSED: Final = frozenset({409, 429, 500, 502, 503, 529})
"""Statuses with which a server says that it did not do the work; 408 and 504 say only that it took too long."""

_TRANSIENT: Final = (
    ModelConnectionError,
    ModelRateLimitError,
    ModelServerError,
    ModelUnavailableError,
)
_UNSENT: Final = frozenset({"connect", "pool"})
_FIRST_BACKOFF: Final = 0.5
_LONGEST_BACKOFF: Final = 8.0
_LONGEST_WAIT: Final = 60.0


def retry_delay(error: ModelAPIError, attempt: int) -> float | None:
    """Seconds to wait before the request is sent again, `None` if it must not be.

    Args:
        error: What the attempt ended with.
        attempt: Its number, from 0.
    """
    if isinstance(error, ModelConnectionError):
        return _backoff(attempt) if _is_unsent(error) else None
    if not isinstance(error, ModelHTTPError) or isinstance(error, ModelQuotaExceededError):
        return None
    refused = error.status_code in _REFUSED and not error.in_stream
    if not refused or (error.headers or {}).get("x-should-retry") == "false":
        return None
    if error.retry_after is None:
        return _backoff(attempt)
    return error.retry_after if error.retry_after <= _LONGEST_WAIT else None


def is_failed_poll(error: ModelAPIError) -> bool:
    """Whether asking for a background response failed for now, rather than the response itself, which is final."""
    return isinstance(error, _TRANSIENT) and isinstance(error.__cause__, APIError)


def is_refusal(error: ModelAPIError) -> bool:
    """Whether the server refused the request as it stands."""
    return isinstance(error, ModelHTTPError) and error.status_code in {400, 404, 422}


def _is_unsent(error: ModelConnectionError) -> bool:
    """Whether the request certainly did not reach the server; upstream's word is not enough over aiohttp."""
    cause = error.__cause__
    return never_left(cause) if isinstance(cause, APIError) else error.phase in _UNSENT


def _may_have_been_accepted(error: ModelAPIError) -> bool:
    """Whether the server may be doing the work although no answer came."""
    if isinstance(error, ModelConnectionError):
        return not _is_unsent(error)
    return isinstance(error, ModelHTTPError) and error.status_code in {408, 504}


def advised(
    error: ModelAPIError,
    *,
    base_url: str,
    api_key_env: str | None,
    has_key: bool,
    retries: bool,
) -> ModelAPIError:
    """The error, with a message that says what to do; its class and body stay upstream's.

    Args:
        error: What the request ended with.
        base_url: Where it went.
        api_key_env: The environment variable of the key.
        has_key: Whether a key was sent at all.
        retries: Whether requests are sent again at all.
    """
    cause = error.__cause__
    if isinstance(cause, APIError):
        model = error.model_name
        error.message = advise(
            cause, base_url=base_url, model=model, api_key_env=api_key_env, has_key=has_key
        ).message
        if retries and _may_have_been_accepted(error):
            error.message += "; it may have been accepted, so it was not sent again"
        error.args = (error.message,)
    return error


def says_lost(error: ModelAPIError) -> bool:
    """Whether the server says that it has not got the response to continue."""
    status = error.status_code if isinstance(error, ModelHTTPError) else 200
    # What an answer or a stream that began well says of its failure has no body.
    said = error.body or {"code": error.provider_error_code, "message": error.message}
    failure = read_failure(status, said)
    bare_not_found = status == 404 and "model" not in f"{failure.code} {failure.message}".lower()
    return failure.lost_response or bare_not_found


def _backoff(attempt: int) -> float:
    longest: float = min(_FIRST_BACKOFF * 2**attempt, _LONGEST_BACKOFF)
    return longest * (1 - 0.25 * random.random())  # noqa: S311 - jitter
