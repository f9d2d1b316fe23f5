"""A Responses server in memory, for tests, demos and offline work; its I/O halves load when they are used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .behaviour import Behaviour, Refusal
    from .context import Context
    from .engine import Backend
    from .journal import Recorded
    from .patch import NetworkBlockedError, PatchedTransports
    from .replay import Replay
    from .script import Turn
    from .server import ResponsesServer
    from .servers import BEHAVIOURS
    from .transport import async_openai_client, make_transport, openai_client
    from .wire import Frame, Reply, Request

__all__ = [
    "BEHAVIOURS",
    "Backend",
    "Behaviour",
    "Context",
    "Frame",
    "NetworkBlockedError",
    "PatchedTransports",
    "Recorded",
    "Refusal",
    "Replay",
    "Reply",
    "Request",
    "ResponsesServer",
    "Turn",
    "async_openai_client",
    "make_transport",
    "openai_client",
]

_HOMES = {
    "BEHAVIOURS": "servers",
    "Backend": "engine",
    "Behaviour": "behaviour",
    "Context": "context",
    "Frame": "wire",
    "NetworkBlockedError": "patch",
    "PatchedTransports": "patch",
    "Recorded": "journal",
    "Refusal": "behaviour",
    "Replay": "replay",
    "Reply": "wire",
    "Request": "wire",
    "ResponsesServer": "server",
    "Turn": "script",
    "async_openai_client": "transport",
    "make_transport": "transport",
    "openai_client": "transport",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
