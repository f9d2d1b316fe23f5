"""One response body in canonical form."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final

from ...profiles import ServerProfile
from .items import ANY_READER, EXTENSION, Json, Reader, normalize_item

__all__ = ["FORGOTTEN", "RUNNING", "forgotten", "keep", "normalize_response"]

RUNNING: Final = frozenset({"queued", "in_progress", "pending", "running"})

_STATUS: Final = {
    "pending": "queued",
    "running": "in_progress",
    "requires_action": "completed",  # a turn that waits for a client tool has ended, for the client
}
FORGOTTEN: Final = {
    "error": {
        "code": "previous_response_not_found",
        "type": "invalid_request_error",
        "param": "previous_response_id",
        "message": "the server answered without the response that it was asked to continue",
    }
}
"""The error that a server should have given when it ignored `previous_response_id`."""

_LENGTH: Final = frozenset({"length", "max_tokens"})
"""What chat completions and others call the reason `max_output_tokens`."""

_USAGE: Final = {"prompt_tokens": "input_tokens", "completion_tokens": "output_tokens"}


def normalize_response(
    body: Json, request: Mapping[str, Any] | None = None, reader: Reader = ANY_READER
) -> Json:
    """The response in canonical form; the same object if it is already.

    Items of unknown type move from `output` to `body[EXTENSION]["unmapped"]`, a status that is not the
    specification's to `body[EXTENSION]["status"]`. The response that was continued keeps the id by which the client
    knows it, where the server echoes another one or none; a null stays, since it may say that the server forgot.

    Args:
        body: What the server sent.
        request: The create request, or `None` for a retrieved response.
        reader: The client.
    """
    fixed = dict(body)
    if not isinstance(body.get(EXTENSION, {}), Mapping):
        del fixed[EXTENSION]
    status = str(body.get("status"))
    if status in _STATUS:
        fixed["status"] = _STATUS[status]
        keep(fixed, status=status)
    # A response that was asked for while it runs can only be a background one, whether or not the server says so.
    background = request is None or request.get("background")
    if status in RUNNING and background and not body.get("background"):
        fixed["background"] = True
    continued = (request or {}).get("previous_response_id")
    if continued and body.get("previous_response_id", "") is not None:
        fixed["previous_response_id"] = continued
    fixed["output"], unmapped = _output(body, reader)
    keep(fixed, unmapped=unmapped)
    if body.get("error"):
        fixed["error"] = _error(body["error"])
    details = body.get("incomplete_details")
    if isinstance(details, Mapping) and str(details.get("reason")) in _LENGTH:
        fixed["incomplete_details"] = {**details, "reason": "max_output_tokens"}
    if isinstance(body.get("usage"), Mapping):
        fixed["usage"] = _usage(body["usage"])
    return body if fixed == body else fixed


def forgotten(
    response: Mapping[str, Any], request: Mapping[str, Any] | None, profile: ServerProfile | None
) -> bool:
    """Whether a server that echoes the id it continues shows by a null echo that it has not got it."""
    if profile is None or not profile.echoes_previous_id:
        return False
    asked = (request or {}).get("previous_response_id") is not None
    return asked and response.get("previous_response_id", "") is None


def keep(body: Json, **extras: object) -> None:
    """Put what is not empty under the extension key."""
    if found := {name: value for name, value in extras.items() if value}:
        body[EXTENSION] = {**body.get(EXTENSION, {}), **found}


def _output(body: Json, reader: Reader) -> tuple[list[Json], list[Any]]:
    output = body.get("output")
    entries: Iterable[Any]
    if isinstance(output, str):
        entries = [{"type": "message", "content": output}] if output else []
    elif isinstance(output, Mapping):
        entries = [output]
    else:
        entries = output if isinstance(output, list) else []
    known: list[Json] = []
    unmapped: list[Any] = []
    for index, entry in enumerate(entries):
        item = normalize_item(entry, index, reader, response_id=str(body.get("id") or ""))
        if item is None:
            unmapped.append(entry)
        else:
            known.append(item)
    return known, unmapped


def _error(error: object) -> Json:
    if not isinstance(error, Mapping):
        return {"code": "server_error", "message": str(error)}
    code = error.get("code") or error.get("type") or "server_error"
    message = error.get("message") or error.get("detail") or "no reason given"
    return {**error, "code": str(code), "message": str(message)}


def _usage(usage: Mapping[str, Any]) -> Json:
    fixed = dict(usage)
    for alias, name in _USAGE.items():
        if name not in usage and alias in usage:
            fixed[name] = usage[alias]
    sent, said = fixed.get("input_tokens"), fixed.get("output_tokens")
    if fixed.get("total_tokens") is None and isinstance(sent, int) and isinstance(said, int):
        fixed["total_tokens"] = sent + said
    return fixed
