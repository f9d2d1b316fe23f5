"""Which endpoint a request is for, whatever prefix its path has."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

from . import conversations, endpoints, schedules
from .create import create
from .journal import Recorded
from .problems import ApiError
from .wire import Reply

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["ENDPOINTS", "route"]

Endpoint: TypeAlias = "Callable[[Backend, Recorded, list[str]], Reply]"

ENDPOINTS: dict[str, tuple[str, str, Endpoint]] = {
    "create": ("POST", "responses", create),
    "count": ("POST", "responses/input_tokens", endpoints.count),
    "compact": ("POST", "responses/compact", endpoints.compact),
    "restore": ("PATCH", "responses/*", endpoints.restore),
    "check": ("POST", "check", endpoints.check),
    "tools": ("GET", "tools", endpoints.tools),
    "retrieve": ("GET", "responses/*", endpoints.retrieve),
    "delete": ("DELETE", "responses/*", endpoints.delete),
    "cancel": ("POST", "responses/*/cancel", endpoints.cancel),
    "input_items": ("GET", "responses/*/input_items", endpoints.input_items),
    "create_conversation": ("POST", "conversations", conversations.create_conversation),
    "retrieve_conversation": ("GET", "conversations/*", conversations.retrieve_conversation),
    "update_conversation": ("POST", "conversations/*", conversations.update_conversation),
    "delete_conversation": ("DELETE", "conversations/*", conversations.delete_conversation),
    "list_items": ("GET", "conversations/*/items", conversations.list_items),
    "add_items": ("POST", "conversations/*/items", conversations.add_items),
    "retrieve_item": ("GET", "conversations/*/items/*", conversations.retrieve_item),
    "delete_item": ("DELETE", "conversations/*/items/*", conversations.delete_item),
    "create_schedule": ("POST", "agents/*/schedules", schedules.create_schedule),
    "list_schedules": ("GET", "agents/*/schedules", schedules.list_schedules),
    "retrieve_schedule": ("GET", "agents/*/schedules/*", schedules.retrieve_schedule),
    "update_schedule": ("PATCH", "agents/*/schedules/*", schedules.update_schedule),
    "run_schedule": ("POST", "agents/*/schedules/*/execution", schedules.run_schedule),
    "delete_schedule": ("DELETE", "agents/*/schedules/*", schedules.delete_schedule),
    "models": ("GET", "models", endpoints.models),
    "model": ("GET", "models/**", endpoints.model),
    "health": ("GET", "health", endpoints.health),
}
"""Endpoints by name: method, path after the prefix with `*` for an id and `**` for an id with
slashes, and what answers."""

_ROOTS = {"agents", "check", "conversations", "health", "models", "responses", "tools"}

_PATTERNS = {name: pattern.split("/") for name, (_, pattern, _) in ENDPOINTS.items()}

_EXTRA = frozenset(
    {"restore", "check", "tools", *(name for name in ENDPOINTS if "schedule" in name)}
)
"""Endpoints that OpenAI does not have."""


def route(backend: Backend, recorded: Recorded) -> Reply:
    """Answer a request at the endpoint it is for.

    Raises:
        ApiError: There is no such endpoint (404), or not with that method (405).
    """
    behaviour = backend.behaviour
    parts = [part for part in recorded.path.split("/") if part]
    if parts[-2:] == ["chat", "completions"]:
        raise ApiError(
            404,
            "This server has the Responses API only, and the client called Chat Completions:"
            " use the Responses API (ChatOpenAI: use_responses_api=True).",
        )
    for prefix, status in behaviour.closed_paths.items():
        if recorded.path.startswith(prefix):
            raise ApiError(status, f"Not allowed: {recorded.method} {recorded.path}")
    if behaviour.health_at_root and len(parts) > 1 and parts[-1] == "health":
        raise ApiError(404, f"Invalid URL ({recorded.method} {recorded.path})")
    allowed = []
    for start in (i for i, part in enumerate(parts) if part in _ROOTS):
        for name, (method, _, endpoint) in ENDPOINTS.items():
            if name not in behaviour.endpoints if behaviour.endpoints else name in _EXTRA:
                continue
            ids = _match(_PATTERNS[name], parts[start:])
            if ids is not None and method == recorded.method:
                backend.check_access(recorded, name)
                return endpoint(backend, recorded, ids)
            if ids is not None:
                allowed.append(method)
    if allowed:
        hint = " or ".join(allowed)
        raise ApiError(
            405,
            f"Not allowed to {recorded.method} on {recorded.path} (HINT: {hint}).",
            headers={"allow": ", ".join(allowed)},
        )
    raise ApiError(404, f"Invalid URL ({recorded.method} {recorded.path})")


def _match(pattern: list[str], tail: list[str]) -> list[str] | None:
    """The ids in a path, `None` where it is not of this pattern."""
    if pattern[-1] == "**":
        pattern = pattern[:-1] + ["*"] * (len(tail) - len(pattern) + 1)
    if len(pattern) != len(tail):
        return None
    pairs = list(zip(pattern, tail, strict=True))
    if any(wanted not in {"*", given} for wanted, given in pairs):
        return None
    return [given for wanted, given in pairs if wanted == "*"]
