"""Any Responses-API server, behind the agent framework you already use.

The rooms are imported by name and load their framework only then:
`responses_adapters.langgraph`, `responses_adapters.pydantic_ai`, `responses_adapters.tools`,
`responses_adapters.testing`.
"""

from __future__ import annotations

TYPE_CHECKING = (
    False  # type checkers know the name; importing `typing` takes longer than all else here
)

if TYPE_CHECKING:
    from typing import Any

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
        ResponsesAdapterError,
        ResponseTooLargeError,
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

_OF_PROFILES = {"ServerProfile", "find_server", "known_servers"}


def __getattr__(name: str) -> Any:
    if name not in {*__all__, "__version__"}:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib import import_module, metadata

    if name == "__version__":
        return metadata.version("responses-adapters")
    home = "profiles" if name in _OF_PROFILES else "errors"
    value = globals()[name] = getattr(import_module(f".{home}", __name__), name)
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
