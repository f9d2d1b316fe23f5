"""What a server says when it refuses: one catalogue of errors, and the shapes servers put them in."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from .wire import Reply

__all__ = ["FAILURES", "SHAPES", "ApiError", "error_reply"]


class ApiError(Exception):
    """A request the server refuses.

    Attributes:
        status: HTTP status.
        type: Error type; derived from the status where not given.
        param: The parameter at fault, such as `input[3].status`.
        code: Machine-readable code, where the server gives one.
        headers: Extra reply headers.
        extra: Further fields of the error object.
        body: The raw body instead of an error object.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        param: str | None = None,
        code: str | int | None = None,
        type: str | None = None,  # noqa: A002 - the wire's own name
        headers: Mapping[str, str] | None = None,
        extra: Mapping[str, Any] | None = None,
        body: str | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.message = message
        self.param = param
        self.code = code
        self.type: str = type or _TYPES.get(status, "server_error" if status >= 500 else _INVALID)
        self.headers: Mapping[str, str] = headers or {}
        self.extra: Mapping[str, Any] = extra or {}
        self.body = body


_INVALID = "invalid_request_error"
_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}


def _openai(error: ApiError) -> Any:
    fields = {"message": error.message, "type": error.type, "param": error.param}
    return {"error": {**fields, "code": error.code, **error.extra}}


def _detail(error: ApiError) -> Any:
    if error.status != 422:
        return {"detail": error.message}
    location = ["body", *(error.param or "").split(".")]
    return {"detail": [{"type": error.code, "loc": location, "msg": error.message}]}


def _int_code(error: ApiError) -> Any:
    body: dict[str, Any] = {"code": error.status, "message": error.message, "type": error.type}
    return {"error": {**body, "metadata": dict(error.extra)} if error.extra else body}


def _bare(error: ApiError) -> Any:
    return {"error": {"message": error.message, "type": error.type}}


def _string(error: ApiError) -> Any:
    return {"error": error.message}


def _message_only(error: ApiError) -> Any:
    return {"error": {"message": error.message}}


SHAPES: dict[str, Callable[[ApiError], Any]] = {
    "openai": _openai,
    "detail": _detail,
    "int_code": _int_code,
    "string": _string,
    "message": _message_only,
    "bare": _bare,
}
"""Error bodies by name: OpenAI's envelope, FastAPI's `detail` (a list for 422), an envelope with the
HTTP status as code, a bare string, and an envelope with nothing but the message."""


FAILURES: dict[int | str, tuple[int, str, str | None]] = {
    400: (400, "The request is invalid.", None),
    401: (401, "Incorrect API key provided.", "invalid_api_key"),
    403: (403, "You are not allowed to do this.", None),
    404: (404, "Not found.", None),
    409: (409, "The request conflicts with another one.", None),
    429: (429, "Rate limit reached. Please try again later.", "rate_limit_exceeded"),
    500: (500, "The server had an error while processing your request. Sorry about that!", None),
    502: (502, "Bad gateway.", None),
    503: (503, "The server is overloaded. Please try again later.", None),
    504: (504, "The gateway timed out.", None),
    "rate_limit_exceeded": (
        429,
        "Rate limit reached. Please try again later.",
        "rate_limit_exceeded",
    ),
    "insufficient_quota": (
        429,
        "You exceeded your current quota, please check your plan and billing details.",
        "insufficient_quota",
    ),
    "context_length_exceeded": (
        400,
        "Your input exceeds the context window of this model. Please adjust your input and try again.",
        "context_length_exceeded",
    ),
    "conversation_locked": (
        400,
        "Another process is currently operating on this conversation. Please retry in a few seconds.",
        "conversation_locked",
    ),
    "invalid_encrypted_content": (
        400,
        (
            "The encrypted content gAAA...DQ== could not be verified."
            " [Reason: Encrypted content could not be decrypted or parsed.]"
        ),
        "invalid_encrypted_content",
    ),
    "server_error": (500, "The server had an error while processing your request.", "server_error"),
}
"""Failures by status or name: status, message, code."""


def error_reply(error: ApiError, shape: str) -> Reply:
    """The reply that reports an error, in the shape of the server."""
    if error.body is not None:
        return Reply(
            error.status, {"content-type": "text/html", **error.headers}, error.body.encode()
        )
    return Reply.json(error.status, SHAPES[shape](error), error.headers)
