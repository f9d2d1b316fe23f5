"""The error tree: every failure says what happened, to which response, on which server, and what to do.

    ResponsesAdapterError
    ├─ MissingExtraError (ImportError)
    ├─ UnknownServerError (ValueError)
    ├─ ConfigurationError (ValueError)
    ├─ UnsupportedByServerError (RuntimeError)
    ├─ ChainLostError (RuntimeError)
    ├─ ContextLengthError (RuntimeError)
    ├─ ContextMismatchError (RuntimeError)
    ├─ AmbiguousSubmitError (RuntimeError)
    ├─ ResponseFailedError
    ├─ ResponseIncompleteError (RuntimeError)
    ├─ ResponseTooLargeError (RuntimeError)
    ├─ StreamTruncatedError
    ├─ BackgroundTimeoutError
    ├─ DanglingToolCallError (RuntimeError)
    ├─ MaxIterationsError (RuntimeError)
    └─ ToolError
       ├─ NotStrictError
       └─ ToolConversionError

Those that trying again would pay for twice, or not help, are a `RuntimeError` too: LangGraph's default `RetryPolicy` does
not retry these.

HTTP errors that the OpenAI SDK already names well (authentication, rate limit, not found …) stay SDK errors.
"""

from __future__ import annotations

from typing import Any

__all__ = [
    "AmbiguousSubmitError",
    "BackgroundTimeoutError",
    "ChainLostError",
    "ConfigurationError",
    "ContextLengthError",
    "ContextMismatchError",
    "DanglingToolCallError",
    "MaxIterationsError",
    "MissingExtraError",
    "NotStrictError",
    "ResponseFailedError",
    "ResponseIncompleteError",
    "ResponseTooLargeError",
    "ResponsesAdapterError",
    "StreamTruncatedError",
    "ToolConversionError",
    "ToolError",
    "UnknownServerError",
    "UnsupportedByServerError",
]


class ResponsesAdapterError(Exception):
    """Base of every error raised by this package.

    Attributes:
        response_id: The response concerned, where one is known.
        status: Its status (`"failed"`, `"incomplete"` …) or the HTTP status as text.
        server: Name of the server profile in use.
        code: The server's own error code, as text.
    """

    def __init__(
        self,
        message: str,
        *,
        response_id: str | None = None,
        status: str | None = None,
        server: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message)
        self.response_id = response_id
        self.status = status
        self.server = server
        self.code = code


class MissingExtraError(ResponsesAdapterError, ImportError):
    """An optional dependency is not installed; the message is the command that installs it."""

    def __init__(self, extra: str, missing: str) -> None:
        super().__init__(
            f"{missing} is not installed: run  pip install 'responses-adapters[{extra}]'"
        )
        self.extra = extra


class UnknownServerError(ResponsesAdapterError, ValueError):
    """`server=` names no known server."""


class ConfigurationError(ResponsesAdapterError, ValueError):
    """An option is missing, misspelt, or contradicts another one."""


class UnsupportedByServerError(ResponsesAdapterError, RuntimeError):
    """The server refuses this parameter or feature: its profile says so, or it said so itself."""


class ChainLostError(ResponsesAdapterError, RuntimeError):
    """The server no longer holds the conversation, and there is no local history to replay."""


class ContextMismatchError(ResponsesAdapterError, RuntimeError):
    """The server answered without the context it was asked to continue, and replay is not allowed."""


class ContextLengthError(ResponsesAdapterError, RuntimeError):
    """The conversation is longer than the model's context window; what to leave out is for the caller to say."""


class AmbiguousSubmitError(ResponsesAdapterError, RuntimeError):
    """The request may or may not have been accepted; sending it again could pay twice."""


class ResponseFailedError(ResponsesAdapterError):
    """The response ended as `failed` or `cancelled`; `retryable` says whether trying again can help."""

    def __init__(
        self,
        message: str,
        *,
        retryable: bool = False,
        response_id: str | None = None,
        status: str | None = None,
        server: str | None = None,
        code: str | None = None,
    ) -> None:
        super().__init__(message, response_id=response_id, status=status, server=server, code=code)
        self.retryable = retryable


class ResponseIncompleteError(ResponsesAdapterError, RuntimeError):
    """The response ended as `incomplete` and the caller asked for that to be an error."""


class ResponseTooLargeError(ResponsesAdapterError, RuntimeError):
    """The server sent more than is read of one answer."""


class StreamTruncatedError(ResponsesAdapterError):
    """The event stream ended without a terminal event, so the answer may be cut."""


class BackgroundTimeoutError(ResponsesAdapterError):
    """A background response was still running at `poll_timeout`; it keeps running on the server.

    Attributes:
        response: In PydanticAI the suspended `ModelResponse`: `message_history=[*messages, error.response]` waits for it
            again.
    """

    def __init__(self, message: str, *, response: Any = None, **facts: str | None) -> None:
        super().__init__(message, **facts)
        self.response = response


class DanglingToolCallError(ResponsesAdapterError, RuntimeError):
    """A function call in the history has no output, and the caller asked for that to be an error."""


class MaxIterationsError(ResponsesAdapterError, RuntimeError):
    """The tool loop reached `max_iterations`."""


class ToolError(ResponsesAdapterError):
    """Base of the errors about tools."""


class NotStrictError(ToolError):
    """`strict=True` was asked for a schema that has no faithful strict form; the message says why and where."""


class ToolConversionError(ToolError):
    """The object cannot be expressed as a Responses tool."""
