"""The WebSocket form of `/responses`: the same events as a stream, one text message each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .context import Item
from .create import run
from .events import to_json
from .journal import Recorded
from .problems import ApiError
from .store import Stored
from .wire import Request

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["SocketSession"]

_LIFETIME = 60 * 60


class SocketSession:
    """One connection: requests one after the other, and the memory of its newest response.

    Open Responses lets a connection continue its newest response even with `store=false`; a failed
    continuation takes that memory away.

    Args:
        backend: Answers.
        path: Path of the upgrade request.
        headers: Its headers.
    """

    def __init__(
        self,
        backend: Backend,
        *,
        path: str = "/v1/responses",
        headers: Mapping[str, str] | None = None,
    ) -> None:
        self._backend = backend
        self._path = path
        self._headers = headers or {}
        self._held: dict[str, Stored] = {}
        self._opened = backend.clock.now

    def receive(self, text: str) -> Iterator[str]:
        """Answer one message of the client with the messages of the server."""
        backend = self._backend
        with backend.locked:
            request = Request("POST", self._path, {}, self._headers, text.encode())
            recorded = Recorded(request)
            backend.requests.append(recorded)
            try:
                messages = self._answer(recorded)
            except ApiError as error:
                messages = [_refusal(error)]
                recorded.status = error.status
                self._held.pop(recorded.previous_response_id or "", None)
                backend.store.drop(recorded.previous_response_id or "")
        return iter(messages)

    def _answer(self, recorded: Recorded) -> list[str]:
        backend = self._backend
        if backend.clock.now - self._opened >= _LIFETIME:
            raise ApiError(
                400,
                "The connection has reached its limit of 60 minutes. Open a new one.",
                code="websocket_connection_limit_reached",
            )
        backend.check_access(recorded, "create")
        backend.meet_failure()
        body = _create_body(recorded)
        stored, _ = run(backend, recorded, body, held=self._held)
        self._held = {stored.id: stored}
        recorded.status = 200
        return [to_json(event) for event in stored.log]


def _create_body(recorded: Recorded) -> Item:
    try:
        message = json.loads(recorded.body)
    except ValueError:
        message = None
    if not isinstance(message, dict):
        raise ApiError(400, "The message is not a JSON object.", code="invalid_json")
    if message.get("type") != "response.create":
        raise ApiError(
            400,
            f"Invalid value: '{message.get('type')}'. Supported values are: 'response.create'.",
            param="type",
            code="invalid_value",
        )
    for name in ("stream", "stream_options", "background"):
        if name in message:
            raise ApiError(
                400, f"Unknown parameter: '{name}'.", param=name, code="unknown_parameter"
            )
    return {name: value for name, value in message.items() if name != "type"}


def _refusal(error: ApiError) -> str:
    told = {"type": error.type, "code": error.code or error.type, "message": error.message}
    return to_json(
        {"type": "error", "status": error.status, "error": {**told, "param": error.param}}
    )
