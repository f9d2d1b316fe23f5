"""The WebSocket form of `/responses`: the same events as a stream, one text message each."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING

from .context import Item
from .create import run
from .damage import apply_damages
from .events import to_json
from .journal import Recorded
from .limits import check_size
from .problems import ApiError
from .store import Stored
from .wire import Fault, Frame, Request

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

    Attributes:
        fault: What ends the connection after the messages so far, `None` if nothing does.
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
        self.fault: Fault | None = None

    def receive(self, text: str) -> Iterator[str]:
        """Answer one message of the client with the messages of the server, up to a scripted fault."""
        backend = self._backend
        with backend.locked:
            request = Request("POST", self._path, {}, self._headers, text.encode())
            recorded = Recorded(request)
            backend.requests.append(recorded)
            try:
                check_size(recorded.body, backend.behaviour.max_body)
                frames = self._continue(recorded)
            except ApiError as error:
                frames = [Frame(_refusal(error).encode())]
                recorded.status = error.status
        return self._spoken(frames)

    def _spoken(self, frames: list[Frame]) -> Iterator[str]:
        for frame in frames:
            self.fault = frame.fault
            if frame.fault not in {None, "stall"}:
                return
            text = frame.data.decode()
            if text:
                yield text if text.startswith("{") else text.split("data: ", 1)[-1].strip()

    def _continue(self, recorded: Recorded) -> list[Frame]:
        try:
            return self._answer(recorded)
        except ApiError:
            self._held.pop(recorded.previous_response_id or "", None)
            self._backend.store.drop(recorded.previous_response_id or "")
            raise

    def _answer(self, recorded: Recorded) -> list[Frame]:
        backend = self._backend
        if backend.clock.now - self._opened >= _LIFETIME:
            raise ApiError(
                400,
                "The connection has reached its limit of 60 minutes. Open a new one.",
                code="websocket_connection_limit_reached",
            )
        backend.check_access(recorded, "create")
        lost = backend.meet_failure()
        if lost is not None:
            return [Frame(fault=lost.fault)]
        body = _create_body(recorded)
        stored, damages = run(backend, recorded, body, held=self._held)
        self._held = {stored.id: stored}
        recorded.status = 200
        frames = [Frame(to_json(event).encode()) for event in stored.log]
        return apply_damages(frames, damages)


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
