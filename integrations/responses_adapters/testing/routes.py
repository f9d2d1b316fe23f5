"""Which endpoint a request is for, whatever prefix its path has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from .create import create
from .endpoints import delete, health, input_items, models, retrieve
from .journal import Recorded
from .problems import ApiError
from .wire import Reply

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["ENDPOINTS", "route"]

Endpoint: TypeAlias = "Callable[[Backend, Recorded, list[str]], Reply]"

ENDPOINTS: dict[str, tuple[str, str, Endpoint]] = {
    "create": ("POST", "responses", create),
    "retrieve": ("GET", "responses/*", retrieve),
    "delete": ("DELETE", "responses/*", delete),
    "input_items": ("GET", "responses/*/input_items", input_items),
    "models": ("GET", "models", models),
    "health": ("GET", "health", health),
}
"""Endpoints by name: method, path after the prefix with `*` for an id, and what answers."""

_ROOTS = {"responses", "conversations", "models", "health", "chat"}


def route(backend: Backend, recorded: Recorded) -> Reply:
    """Answer a request at the endpoint it is for.

    Raises:
        ApiError: There is no such endpoint (404), or not with that method (405).
    """
    parts = [part for part in recorded.path.split("/") if part]
    start = next((i for i, part in enumerate(parts) if part in _ROOTS), len(parts))
    tail = parts[start:]
    if tail[:2] == ["chat", "completions"]:
        raise ApiError(
            404,
            "This server has the Responses API only, and the client called Chat Completions:"
            " use the Responses API (ChatOpenAI: use_responses_api=True).",
        )
    methods = []
    for name, (method, pattern, endpoint) in ENDPOINTS.items():
        wanted = pattern.split("/")
        if len(wanted) != len(tail) or any(
            w not in {"*", t} for w, t in zip(wanted, tail, strict=True)
        ):
            continue
        methods.append(method)
        if method == recorded.method:
            backend.check_access(recorded, name)
            return endpoint(
                backend, recorded, [t for w, t in zip(wanted, tail, strict=True) if w == "*"]
            )
    if methods:
        raise ApiError(
            405, f"Not allowed to {recorded.method} on {recorded.path} (HINT: {methods[0]})."
        )
    raise ApiError(404, f"Invalid URL ({recorded.method} {recorded.path})")
