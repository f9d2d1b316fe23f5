"""Any Responses-API server, behind the agent framework you already use.

The rooms are imported by name and load their framework only then:
`responses_adapters.langgraph`, `responses_adapters.pydantic_ai`, `responses_adapters.tools`,
`responses_adapters.testing`.
"""

from __future__ import annotations

from .errors import (
    AmbiguousSubmitError,
    BackgroundTimeoutError,
    ChainLostError,
    ConfigurationError,
    ContextLengthError,
    ContextMismatchError,
    DanglingToolCallError,
    MaxIterationsError,
    MissingExtraError,
    NotStrictError,
    ResponseFailedError,
    ResponseIncompleteError,
    ResponseTooLargeError,
    ResponsesAdapterError,
    StreamTruncatedError,
    ToolConversionError,
    ToolError,
    UnknownServerError,
    UnsupportedByServerError,
)
from .profiles import ServerProfile, find_server, known_servers

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
    "ServerProfile",
    "StreamTruncatedError",
    "ToolConversionError",
    "ToolError",
    "UnknownServerError",
    "UnsupportedByServerError",
    "find_server",
    "known_servers",
]


def __getattr__(name: str) -> str:
    if name != "__version__":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib.metadata import version

    return version("responses-adapters")
