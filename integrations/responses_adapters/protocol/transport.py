"""HTTP transports for any client of a Responses server, on httpx2 and httpx, sync and async.

`pool_transport` keeps one connection pool per event loop; `dialect_transport` makes a server speak canonical
Open Responses. Everything but the reading of bytes is pure and shared by both worlds.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final, Literal, TypeAlias, get_args

import openai

from ..errors import ResponseTooLargeError
from ..profiles import ServerProfile, find_server
from .dialect import ANY_READER, Reader
from .gauge import Gauge
from .http_clients import Held, hold, release
from .reading import Limits
from .translation import Call, Frame, Frames, refusal

__all__ = [
    "FRAMES",
    "Observer",
    "Variables",
    "client_transport",
    "dialect_transport",
    "is_synchronous",
    "library_of",
    "pool_transport",
]

Library: TypeAlias = Literal["httpx2", "httpx"]

SDK_LIBRARY: Final[Library] = (
    "httpx2" if openai.DefaultHttpxClient.__mro__[1].__module__.startswith("httpx2") else "httpx"
)
"""The HTTP library of the installed OpenAI SDK: httpx2 since openai 3, httpx before."""

FRAMES: Final = "responses_adapters.frames"
"""Key of the extensions of a streamed response: a function that gives its frames, for whoever wants them parsed."""

Variables: TypeAlias = Mapping[str, Any] | Callable[[], Mapping[str, Any]]
"""Template variables, or a function that gives them for each request."""

Observer: TypeAlias = Callable[[Mapping[str, Any]], None]
"""Sees a request body."""


_making: Final = threading.Lock()
"""Each thread has event loops of its own, and all of them share a pool."""


def dialect_transport(
    server: str | ServerProfile | None = None,
    *,
    base_url: str | None = None,
    inner: Any = None,
    reader: Reader = ANY_READER,
    variables: Variables | None = None,
    on_send: Observer | None = None,
    limits: Limits | None = None,
    library: Library = SDK_LIBRARY,
) -> Any:
    """A transport for `Client(transport=…)` and `AsyncClient(transport=…)` that speaks canonical Open Responses.

    Canonical traffic passes byte for byte; requests to other paths are not looked at.

    Args:
        server: The server's name or profile; by default `base_url` tells.
        base_url: Address of the API; `variables` go to its origin only.
        inner: The transport below, for the same library; by default pools of its own.
        reader: What the client makes of answers.
        variables: Secret template variables, added to each create request; a function is asked each time.
        on_send: Sees the body of each create request before the variables are added.
        limits: How much of one answer is read; beyond, it ends with an error.
        library: The HTTP library of the client.

    Returns:
        A `BaseTransport` and `AsyncBaseTransport` of that library.
    """
    return _classes(library)["DialectTransport"](
        inner if inner is not None else pool_transport(library=library),
        profile=find_server(server, base_url=base_url),
        base_url=base_url,
        reader=reader,
        variables=variables,
        on_send=on_send,
        limits=limits or Limits(),
    )


def pool_transport(
    *,
    make_client: Callable[[], Any] | None = None,
    make_async_client: Callable[[], Any] | None = None,
    library: Library = SDK_LIBRARY,
) -> Any:
    """A transport that sends through clients of its own: one for synchronous use, and one per event loop.

    A connection cannot be used from another loop than the one that opened it, nor closed after that loop has
    ended. So every loop gets its own client, which is closed when the loop shuts down its async generators
    (`asyncio.run` does), when nobody holds the transport any more, or by `aclose()`; the next request opens a new one. Redirects are answers: a key
    is never sent on to wherever they lead.

    Args:
        make_client: Builds the synchronous client; its proxies, limits and TLS settings apply.
        make_async_client: Builds the client of one event loop.
        library: The HTTP library of the client that this transport is for.
    """
    module = import_module(library)
    return _classes(library)["PoolTransport"](
        make_client or module.Client, make_async_client or module.AsyncClient
    )


def client_transport(client: Any) -> Any:
    """A transport that sends through a client of the caller's, with its proxies, hooks and auth, and leaves it open."""
    return _classes(library_of(client))["ClientTransport"](client)


def library_of(client: Any) -> Library:
    """The HTTP library of a client."""
    modules = {cls.__module__.partition(".")[0] for cls in type(client).__mro__}
    return "httpx2" if "httpx2" in modules else "httpx"


def is_synchronous(client: Any) -> bool:
    """Whether this is a client of either HTTP library that does not work with `await`."""
    return any(
        cls.__name__ == "Client" and cls.__module__.partition(".")[0] in get_args(Library)
        for cls in type(client).__mro__
    )


@cache
def _classes(library: Library) -> dict[str, Any]:
    """The transports as subclasses of one library's bases, which both libraries name alike."""
    module = import_module(library)
    transports = (module.BaseTransport, module.AsyncBaseTransport)
    streams = (module.SyncByteStream, module.AsyncByteStream)
    stream = type("DialectStream", (_Stream, *streams), {})
    dialect = {"library": module, "stream": stream}
    return {
        "ClientTransport": type("ClientTransport", (_Through, *transports), {}),
        "DialectTransport": type("DialectTransport", (_Dialect, *transports), dialect),
        "PoolTransport": type("PoolTransport", (_Pool, *transports), {}),
    }


class _Pool:
    def __init__(
        self, make_client: Callable[[], Any], make_async_client: Callable[[], Any]
    ) -> None:
        self._make_client = make_client
        self._make_async_client = make_async_client
        self._client: Any = None
        self.clients: dict[asyncio.AbstractEventLoop, Held] = {}

    def handle_request(self, request: Any) -> Any:
        with _making:
            if self._client is None:
                self._client = self._make_client()
            client = self._client
        return client.send(request, stream=True, follow_redirects=False)

    async def handle_async_request(self, request: Any) -> Any:
        client = self._held(asyncio.get_running_loop()).client
        return await client.send(request, stream=True, follow_redirects=False)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
            self._client = None

    async def aclose(self) -> None:
        with _making:
            held = self.clients.pop(asyncio.get_running_loop(), None)
        if held is not None:
            await release(held)

    def _held(self, loop: asyncio.AbstractEventLoop) -> Held:
        with _making:
            held = self.clients.get(loop)
            if held is None or held.client.is_closed:
                for ended in [known for known in self.clients if known.is_closed()]:
                    del self.clients[ended]
                held = self.clients[loop] = hold(self._make_async_client())
            return held


class _Through:
    def __init__(self, client: Any) -> None:
        self._client = client

    def handle_request(self, request: Any) -> Any:
        return self._client.send(request, stream=True, follow_redirects=False)

    async def handle_async_request(self, request: Any) -> Any:
        return await self._client.send(request, stream=True, follow_redirects=False)

    def close(self) -> None:
        """The client is the caller's."""

    async def aclose(self) -> None:
        """The client is the caller's."""


class _Dialect:
    library: Any
    stream: Any

    def __init__(
        self,
        inner: Any,
        *,
        profile: ServerProfile,
        base_url: str | None,
        reader: Reader,
        variables: Variables | None,
        on_send: Observer | None,
        limits: Limits,
    ) -> None:
        self.inner = inner
        self._limits = limits
        self._on_send = on_send
        self._profile = profile
        self._reader = reader
        self._variables = variables
        self._origin = _origin(self.library.URL(base_url)) if base_url else None

    def handle_request(self, request: Any) -> Any:
        if (call := self._call(request)) is None:
            return self.inner.handle_request(request)
        self._take(call, request.read())
        response = self.inner.handle_request(self._translated(request, call))
        gauge = self._gauge(response, request)
        if call.passes_events(response.status_code, response.headers):
            return self._streamed(response, call, gauge)
        try:
            content = gauge.read()
        except ResponseTooLargeError as error:
            return self._refused(response, call, error)
        return self._answered(response, call, content)

    async def handle_async_request(self, request: Any) -> Any:
        if (call := self._call(request)) is None:
            return await self.inner.handle_async_request(request)
        self._take(call, await request.aread())
        response = await self.inner.handle_async_request(self._translated(request, call))
        gauge = self._gauge(response, request)
        if call.passes_events(response.status_code, response.headers):
            return self._streamed(response, call, gauge)
        try:
            content = await gauge.aread()
        except ResponseTooLargeError as error:
            return self._refused(response, call, error)
        return self._answered(response, call, content)

    def close(self) -> None:
        self.inner.close()

    async def aclose(self) -> None:
        await self.inner.aclose()

    def _call(self, request: Any) -> Call | None:
        variables = self._variables if self._origin == _origin(request.url) else None
        return Call.of(
            request.method,
            request.url.path,
            self._profile,
            self._reader,
            variables=variables() if callable(variables) else variables,
        )

    def _take(self, call: Call, content: bytes) -> None:
        body = call.read(content)
        if body is not None and self._on_send is not None:
            self._on_send(body)

    def _translated(self, request: Any, call: Call) -> Any:
        headers = request.headers.copy()
        # Compressed events arrive in blocks, not one by one.
        headers["accept-encoding"] = "identity"
        headers.pop("content-length", None)
        return self.library.Request(
            request.method,
            request.url,
            headers=headers,
            content=call.content,
            extensions=request.extensions,
        )

    def _gauge(self, response: Any, request: Any) -> Gauge:
        response.request = request
        return Gauge(response, self._limits)

    def _streamed(self, response: Any, call: Call, gauge: Gauge) -> Any:
        stream = self.stream(response, call.frames(), gauge)
        return self.library.Response(
            response.status_code,
            headers=_without_length(response.headers),
            stream=stream,
            extensions={**response.extensions, FRAMES: stream.frames},
        )

    def _refused(self, response: Any, call: Call, error: ResponseTooLargeError) -> Any:
        content = refusal("response_too_large", str(error))
        return self._answered(response, call, content, kind="application/json")

    def _answered(
        self, response: Any, call: Call, content: bytes, *, kind: str | None = None
    ) -> Any:
        given = response.headers if kind is None else {"content-type": kind}
        status, translated, content = call.answer(response.status_code, given, content)
        kind = translated or kind
        headers = _without_length(response.headers)
        if kind is not None:
            headers["content-type"] = kind
        return self.library.Response(status, headers=headers, content=content)


class _Stream:
    """A response body whose frames pass through a dialect, as they arrive."""

    def __init__(self, response: Any, frames: Frames, gauge: Gauge) -> None:
        self._response = response
        self._frames = frames
        self._gauge = gauge

    def __iter__(self) -> Iterator[bytes]:
        try:
            for chunk in self._gauge.chunks():
                yield _encoded(self._frames.feed(chunk))
                if self._frames.closed:
                    return
                self._gauge.count(self._frames.news())
            yield _encoded(self._frames.finish())
        except ResponseTooLargeError as error:
            yield self._frames.give_up("response_too_large", str(error)).encode()

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for frames in self.frames():
            yield _encoded(frames)

    async def frames(self) -> AsyncIterator[list[Frame]]:
        """The frames of each read of the network."""
        try:
            async for chunk in self._gauge.achunks():
                yield self._frames.feed(chunk)
                if self._frames.closed:
                    return
                self._gauge.count(self._frames.news())
            yield self._frames.finish()
        except ResponseTooLargeError as error:
            yield [self._frames.give_up("response_too_large", str(error))]

    def close(self) -> None:
        self._response.close()

    async def aclose(self) -> None:
        await self._response.aclose()


def _encoded(frames: list[Frame]) -> bytes:
    return b"".join([frame.encode() for frame in frames])


def _origin(url: Any) -> tuple[str, str, int | None]:
    return url.scheme, url.host, url.port


def _without_length(headers: Any) -> Any:
    kept = headers.copy()
    for name in ("content-length", "content-encoding", "transfer-encoding"):
        kept.pop(name, None)
    return kept
