"""The fake served in process: one transport for httpx2 and httpx, sync and async, event by event."""

from __future__ import annotations

import asyncio
import errno
import os
import time
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

from ..profiles import SERVERS, ServerProfile
from .wire import Fault, Frame, Reply, Request

if TYPE_CHECKING:
    from openai import AsyncOpenAI, OpenAI

__all__ = [
    "Handler",
    "Library",
    "async_openai_client",
    "make_transport",
    "openai_client",
    "sdk_library",
]

Library: TypeAlias = Literal["httpx2", "httpx"]
"""The HTTP libraries that OpenAI's SDK has used: httpx until 2.x, httpx2 since 3.0."""


class Handler(Protocol):
    """Whatever answers requests: a `Backend`, or any object with the same `handle`."""

    def handle(self, request: Request) -> Reply:
        """The reply to one request, without waiting."""
        ...


def make_transport(backend: Handler, *, library: Library | None = None) -> Any:
    """A transport that answers from `backend`, for `Client(transport=…)` and `AsyncClient(transport=…)` alike.

    Each frame of a stream reaches the reader on its own, after its delay. Faults raise what a socket raises.
    A silence longer than the client's read time-out raises `ReadTimeout` at once instead of waiting for it,
    and a stall takes no time at all.

    Args:
        backend: Answers the requests.
        library: The HTTP library of the client; by default that of the installed OpenAI SDK.

    Returns:
        A `BaseTransport` and `AsyncBaseTransport` of that library.
    """
    return kit(library or sdk_library()).transport(backend)


def openai_client(backend: Handler, **options: Any) -> OpenAI:
    """An `OpenAI` client wired to `backend`; `options` go to its constructor."""
    from openai import DefaultHttpxClient, OpenAI

    http_client = DefaultHttpxClient(transport=make_transport(backend))
    return OpenAI(http_client=http_client, **{**_endpoint(backend), **options})


def async_openai_client(backend: Handler, **options: Any) -> AsyncOpenAI:
    """An `AsyncOpenAI` client wired to `backend`; `options` go to its constructor."""
    from openai import AsyncOpenAI, DefaultAsyncHttpxClient

    http_client = DefaultAsyncHttpxClient(transport=make_transport(backend))
    return AsyncOpenAI(http_client=http_client, **{**_endpoint(backend), **options})


def sdk_library() -> Library:
    """The HTTP library under the installed OpenAI SDK."""
    from openai import DefaultHttpxClient

    used = {cls.__module__.partition(".")[0] for cls in DefaultHttpxClient.__mro__}
    return "httpx2" if "httpx2" in used else "httpx"


def emulated_profile(backend: Handler) -> ServerProfile:
    """The server that `backend` stands for; OpenAI where it does not say."""
    behaviour = getattr(backend, "behaviour", None)
    name = getattr(behaviour, "name", None) or getattr(backend, "server", "openai")
    return SERVERS.get(str(name), SERVERS["generic"])


def _endpoint(backend: Handler) -> dict[str, str]:
    profile = emulated_profile(backend)
    return {
        "base_url": profile.base_url or f"https://{profile.name}.example/v1",
        "api_key": "fake-key",
    }


@dataclass(frozen=True, slots=True)
class Kit:
    """The classes made for one HTTP library; `core` is the one below it, whose errors are its causes."""

    library: ModuleType
    core: ModuleType
    transport: type[_Transport]
    stream: type[_FrameStream]

    def respond(self, backend: Handler, request: Any) -> Any:
        """The library's own response to its own `request`.

        Raises:
            The library's `TransportError`s, where the reply is a fault.
        """
        request.read()
        return self._respond(backend, request)

    async def respond_async(self, backend: Handler, request: Any) -> Any:
        """As `respond`, letting other tasks run once, as they do while a socket is awaited."""
        await request.aread()
        await asyncio.sleep(0)
        return self._respond(backend, request)

    def _respond(self, backend: Handler, request: Any) -> Any:
        reply = backend.handle(
            Request(
                method=request.method.upper(),
                path=request.url.path,
                query=dict(request.url.params.multi_items()),
                headers=dict(request.headers.items()),
                body=request.content,
            )
        )
        if reply.fault is not None:
            raise self.failure(reply.fault, request, started=False)
        headers = dict(reply.headers)
        if isinstance(reply.body, bytes):
            return self.library.Response(reply.status, headers=headers, content=reply.body)
        stream = self.stream(self, request, reply.body)
        return self.library.Response(reply.status, headers=headers, stream=stream)

    def failure(self, fault: Fault, request: Any, *, started: bool) -> Exception:
        """What the library raises when a socket fails like this, before or after the headers."""
        kind, message = {
            "refuse": ("ConnectError", _os_error(errno.ECONNREFUSED)),
            "disconnect": ("RemoteProtocolError", _CUT if started else _DISCONNECTED),
            "reset": ("ReadError", _os_error(errno.ECONNRESET)),
            "stall": ("ReadTimeout", "timed out"),
        }["disconnect" if started and fault == "refuse" else fault]
        error: Exception = getattr(self.library, kind)(message, request=request)
        error.__cause__ = getattr(self.core, kind)(message)
        return error


_DISCONNECTED = "Server disconnected without sending a response."
_CUT = "peer closed connection without sending complete message body (incomplete chunked read)"


def _os_error(number: int) -> str:
    return f"[Errno {number}] {os.strerror(number)}"


@cache
def kit(library: Library) -> Kit:
    """The classes for `library`, made once: both libraries name their bases alike."""
    module = import_module(library)
    transport_bases = (_Transport, module.BaseTransport, module.AsyncBaseTransport)
    stream_bases = (_FrameStream, module.SyncByteStream, module.AsyncByteStream)
    transport = type("FakeTransport", transport_bases, {"library": library})
    core = import_module(library.replace("httpx", "httpcore"))
    return Kit(module, core, transport, type("FrameStream", stream_bases, {}))


class _Transport:
    library: Library

    def __init__(self, backend: Handler) -> None:
        self.backend = backend

    def handle_request(self, request: Any) -> Any:
        return kit(self.library).respond(self.backend, request)

    async def handle_async_request(self, request: Any) -> Any:
        return await kit(self.library).respond_async(self.backend, request)


class _FrameStream:
    """A response body that hands out one frame at a time, and closes the frames when it is closed."""

    def __init__(self, kit: Kit, request: Any, frames: Iterator[Frame]) -> None:
        self._kit = kit
        self._request = request
        self._frames = frames

    def __iter__(self) -> Iterator[bytes]:
        for step in self._steps():
            if isinstance(step, bytes):
                yield step
            else:
                time.sleep(step)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for step in self._steps():
            if isinstance(step, bytes):
                await asyncio.sleep(0)  # as at every read from a socket, others may run, or cancel
                yield step
            else:
                await asyncio.sleep(step)

    def _steps(self) -> Iterator[bytes | float]:
        """Seconds to wait and bytes to deliver, in order; a fault is raised in its place."""
        limit: float | None = self._request.extensions.get("timeout", {}).get("read")
        silence = 0.0
        for frame in self._frames:
            silence += frame.delay
            stalled = frame.fault == "stall"
            endless = stalled and (limit is None or not frame.delay)
            if endless or (limit is not None and silence > limit):
                raise self._kit.failure("stall", self._request, started=True)
            if stalled:  # a stall that the client would sit out takes no time
                continue
            if frame.delay:
                yield frame.delay
            if frame.fault is not None:
                raise self._kit.failure(frame.fault, self._request, started=True)
            if frame.data:
                silence = 0.0
                yield frame.data

    def close(self) -> None:
        close = getattr(self._frames, "close", None)
        if close is not None:
            close()

    async def aclose(self) -> None:
        self.close()
