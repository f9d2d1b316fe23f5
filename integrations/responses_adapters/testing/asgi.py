"""The fake as an ASGI application, for uvicorn or any other server; it needs no web framework."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, MutableMapping
from dataclasses import replace
from typing import Any, TypeAlias
from urllib.parse import parse_qsl

from .behaviour import DEFAULT_MAX_BODY, Behaviour
from .transport import Handler
from .wire import Fault, Frame, Reply, Request

__all__ = ["Abort", "FakeApp"]

Message: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]

Abort: TypeAlias = Callable[[Message, bool], None]
"""Closes the connection of a scope under the server's feet: with RST if the flag is set, else with FIN."""

_TENANT = "/t/"


class ConnectionFaultError(Exception):
    """A connection had to break and the server offers no way to do it, so the application breaks instead."""


class FakeApp:
    """Serves one backend at the root and further ones under `/t/<tenant>`, so that tests share a server.

    Args:
        backend: Answers what has no tenant; without one such requests get a 404.
        abort: How to break a connection; ASGI itself has no way.

    Attributes:
        tenants: Backends by tenant name; add and remove at any time.
    """

    def __init__(self, backend: Handler | None = None, *, abort: Abort | None = None) -> None:
        self.backend = backend
        self.tenants: dict[str, Handler] = {}
        self._abort = abort

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        match scope["type"]:
            case "http":
                await self._http(scope, receive, send)
            case "websocket":
                await self._websocket(scope, receive, send)
            case "lifespan":
                await _lifespan(receive, send)
            case kind:
                raise NotImplementedError(f"the fake does not serve ASGI scopes of type {kind!r}")

    async def _http(self, scope: Message, receive: Receive, send: Send) -> None:
        backend, path = self._route(scope["path"])
        limit = _largest_body(backend)
        body = await read_body(receive, limit=limit)
        if body is None:
            return
        request = Request(
            method=scope["method"].upper(),
            path=path,
            query=dict(parse_qsl(scope["query_string"].decode(), keep_blank_values=True)),
            headers=_headers(scope),
            body=body,
        )
        reply = _answer(backend, request)
        if limit is not None and len(body) > limit:
            reply = hang_up(reply)
        await self._send(scope, receive, send, reply)

    async def _websocket(self, scope: Message, receive: Receive, send: Send) -> None:
        """Drive the backend's own session; one that has none, or another path, refuses the handshake."""
        backend, path = self._route(scope["path"])
        open_session = getattr(backend, "socket", None)
        await receive()
        if open_session is None or not path.endswith("/responses"):
            await send({"type": "websocket.close"})
            return
        session = open_session(path=path, headers=_headers(scope))
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            text = message.get("text")
            if text is None:
                text = message["bytes"].decode("utf-8", "replace")
            for answer in session.receive(text):
                await send({"type": "websocket.send", "text": answer})

    def _route(self, path: str) -> tuple[Handler | None, str]:
        if not path.startswith(_TENANT):
            return self.backend, path
        tenant, _, rest = path.removeprefix(_TENANT).partition("/")
        return self.tenants.get(tenant), "/" + rest

    async def _send(self, scope: Message, receive: Receive, send: Send, reply: Reply) -> None:
        gone = asyncio.create_task(_disconnected(receive))
        try:
            if reply.fault is not None:
                await self._break(scope, reply.fault, gone)
                return
            if isinstance(reply.body, bytes):
                await send_whole(send, reply)
                return
            await send(_start(reply))
            if await self._stream(scope, send, reply.body, gone):
                await send({"type": "http.response.body"})
        finally:
            gone.cancel()

    async def _stream(
        self, scope: Message, send: Send, frames: Iterator[Frame], gone: asyncio.Task[None]
    ) -> bool:
        """Send every frame; false when the connection ended first, by a fault or by the client."""
        try:
            for frame in frames:
                endless = frame.fault == "stall" and not frame.delay
                # A zero delay still lets the loop notice that the client has gone.
                await asyncio.wait([gone], timeout=None if endless else frame.delay)
                if gone.done():
                    return False
                if frame.fault is not None and frame.fault != "stall":
                    await self._break(scope, frame.fault, gone)
                    return False
                if frame.data:
                    await send(
                        {"type": "http.response.body", "body": frame.data, "more_body": True}
                    )
            return True
        finally:
            close = getattr(frames, "close", None)
            if close is not None:
                close()

    async def _break(self, scope: Message, fault: Fault, gone: asyncio.Task[None]) -> None:
        """Fail as asked; a refusal comes too late on an open connection and is a close without answer."""
        if fault == "stall":
            await gone
            return
        if self._abort is None:
            raise ConnectionFaultError(f"scripted fault: {fault}")
        self._abort(scope, fault == "reset")
        await gone


def _answer(backend: Handler | None, request: Request) -> Reply:
    if backend is None:
        return error_json(404, f"No backend is mounted for {request.path}.")
    try:
        return backend.handle(request)
    except Exception as error:  # noqa: BLE001 - in process it reaches the test; here only an answer does
        return error_json(500, f"The fake itself failed, in a callback or by a bug: {error!r}")


def error_json(status: int, message: str) -> Reply:
    """An answer of the carrier's own, which no client should try again."""
    error = {"message": message, "type": "fake_error", "param": None, "code": None}
    return Reply.json(status, {"error": error}, {"x-should-retry": "false"})


def _headers(scope: Message) -> dict[str, str]:
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


async def send_whole(send: Send, reply: Reply) -> None:
    """Send a reply whose body is bytes."""
    assert isinstance(reply.body, bytes)  # noqa: S101 - the caller's promise
    length = (b"content-length", str(len(reply.body)).encode())
    await send(_start(reply, length))
    await send({"type": "http.response.body", "body": reply.body})


def _start(reply: Reply, *headers: tuple[bytes, bytes]) -> Message:
    said = [
        (name.lower().encode("latin-1"), value.encode("latin-1"))
        for name, value in reply.headers.items()
    ]
    return {
        "type": "http.response.start",
        "status": reply.status,
        "headers": [*said, *headers],
    }


def hang_up(reply: Reply) -> Reply:
    """The reply, after which the server closes the connection: the rest of the request is not waited for."""
    return replace(reply, headers={**reply.headers, "connection": "close"})


async def read_body(receive: Receive, *, limit: int | None) -> bytes | None:
    """The whole request body, one byte more than `limit` of a longer one, `None` if the client left before its end."""
    body = bytearray()
    while True:
        message = await receive()
        if message["type"] == "http.disconnect":
            return None
        body += message.get("body", b"")
        if limit is not None and len(body) > limit:
            return bytes(body[: limit + 1])
        if not message.get("more_body", False):
            return bytes(body)


def _largest_body(backend: Handler | None) -> int | None:
    """Bytes that the backend takes; whatever else answers requests may say nothing about it."""
    behaviour: Behaviour | None = getattr(backend, "behaviour", None)
    return DEFAULT_MAX_BODY if behaviour is None else behaviour.max_body


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _lifespan(receive: Receive, send: Send) -> None:
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
