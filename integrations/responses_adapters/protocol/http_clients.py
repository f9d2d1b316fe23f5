"""HTTP clients of the library that the installed SDK stands on: certificates are loaded once, connections shared."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
import sys
import threading
import weakref
from collections.abc import AsyncGenerator, AsyncIterator, Hashable, Iterator
from typing import Any, Final, Literal, TypeAlias, get_args

import openai

from ..errors import ConfigurationError, MissingExtraError, ResponseTooLargeError

__all__ = [
    "HTTP_LIBRARY",
    "Held",
    "Http",
    "async_client",
    "check_http",
    "held_async_client",
    "held_client",
    "never_left",
]

Http: TypeAlias = Literal["httpx", "aiohttp"]
"""What sends asynchronous requests: the SDK's default, or its aiohttp client, at a fraction of the CPU time."""

HTTP_LIBRARY: Final[Any] = sys.modules[
    openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]
]
"""The HTTP library of the installed SDK: httpx2 since openai 3, httpx before."""


_REFUSED: Final = frozenset(
    {
        "ConnectError",
        "ConnectTimeout",
        "PoolTimeout",
        "ProxyError",  # the proxy let nothing through
        "UnsupportedProtocol",
        # of aiohttp
        "ClientConnectorError",
        "ClientHttpProxyError",
        "ConnectionTimeoutError",
        "InvalidURL",
    }
)
"""Exceptions, and what they are derived from, that are raised before a byte has left."""

_LONGEST_ERROR: Final = 2**20
"""Bytes of the body of an error, which the SDK reads whole."""


def check_http(http: str) -> None:
    """Refuse what cannot be had, before the first request.

    Raises:
        MissingExtraError: aiohttp is not installed.
        ConfigurationError: `http` is neither of the two.
    """
    if http not in get_args(Http):
        raise ConfigurationError(f'http={http!r}: it is "httpx" (the default) or "aiohttp"')
    if http == "aiohttp" and "Missing" in openai.DefaultAioHttpClient.__name__:
        raise MissingExtraError("aiohttp", "aiohttp")


def async_client(http: Http = "httpx", **options: Any) -> Any:
    """An asynchronous client with the SDK's time-outs and limits, for one event loop.

    Args:
        http: What sends the requests; either way it is a client of the SDK's HTTP library.
        **options: Of that library's `AsyncClient`.
    """
    kind: Any = _aiohttp_client() if http == "aiohttp" else openai.DefaultAsyncHttpxClient
    hooks = {"response": [_bound_error_async]}
    return kind(**{"verify": _ssl_context(), "event_hooks": hooks, **options})


@functools.cache
def _aiohttp_client() -> Any:
    """The SDK's client over aiohttp, with the exceptions that httpx would have raised."""
    base: Any = openai.DefaultAioHttpClient

    class AiohttpClient(base):  # type: ignore[misc]
        async def send(self, request: Any, **options: Any) -> Any:
            try:
                return await super().send(request, **options)
            except HTTP_LIBRARY.TimeoutException as error:
                cause = error.__cause__
                if isinstance(error, HTTP_LIBRARY.ReadTimeout) or not _is_aiohttp(cause):
                    raise
                refused = not _REFUSED.isdisjoint(_names(cause))
                kind = HTTP_LIBRARY.ConnectTimeout if refused else HTTP_LIBRARY.ReadError
                raise kind(str(error), request=request) from cause

    return AiohttpClient


def _is_aiohttp(error: BaseException | None) -> bool:
    return type(error).__module__.partition(".")[0] == "aiohttp"


def _names(error: BaseException | None) -> set[str]:
    return {kind.__name__ for kind in type(error).__mro__}


def never_left(error: openai.APIError) -> bool:
    """Whether the request of this error certainly did not reach the server, so that it may be sent again.

    The SDK's aiohttp transport calls any lost connection a `ConnectTimeout`: what aiohttp said is its cause.
    """
    cause = error.__cause__
    if _is_aiohttp(below := getattr(cause, "__cause__", None)):
        cause = below
    return not _REFUSED.isdisjoint(_names(cause))


class Held:
    """A client that stays open as long as somebody holds this, and its event loop runs.

    Attributes:
        client: The HTTP client.
    """

    def __init__(self, client: Any) -> None:
        self.client = client


_held: weakref.WeakValueDictionary[Hashable, Held] = weakref.WeakValueDictionary()
_making: Final = threading.Lock()
"""Two threads must not make two clients: the one that nobody keeps would be closed under its request."""
_guards: dict[int, tuple[Any, AsyncGenerator[None]]] = {}
"""Open clients by their id, and what closes them with their loop. They keep clients from being collected open: the sockets would complain before anybody could close them."""


def held_client(account: Hashable) -> Held:
    """The synchronous client of everybody who talks to this account: connections are shared, and cookies."""
    with _making:
        held = _held.get(account)
        if held is None:
            hooks = {"response": [_bound_error]}
            client = openai.DefaultHttpxClient(verify=_ssl_context(), event_hooks=hooks)
            held = _held[account] = Held(client)
            weakref.finalize(held, client.close)
        return held


def held_async_client(account: Hashable, http: Http = "httpx") -> Held:
    """The client of everybody who talks to this account from the running event loop.

    A pooled connection must not outlive the loop that opened it: the client is closed when the loop ends.
    """
    key = (asyncio.get_running_loop(), account, http)
    held = _held.get(key)
    if held is None:
        held = _held[key] = hold(async_client(http))
    return held


def hold(client: Any) -> Held:
    """Keep an asynchronous client open until nobody holds it any more, or the running event loop ends."""
    loop, key = asyncio.get_running_loop(), id(client)
    held = Held(client)
    guard = _close_with_loop(client)
    _guards[key] = client, guard
    with contextlib.suppress(StopIteration):
        guard.asend(None).send(None)  # up to the yield: from here on the loop knows it
    weakref.finalize(held, _close_soon, loop, key)
    return held


async def release(held: Held) -> None:
    """Close what is held, on its own event loop."""
    await _finish(id(held.client))


async def _close_with_loop(client: Any) -> AsyncGenerator[None]:
    """Hold the client open until the loop finishes its asynchronous generators; nothing else tells of its end."""
    try:
        yield
    finally:
        _guards.pop(id(client), None)
        await client.aclose()


def _close_soon(loop: asyncio.AbstractEventLoop, key: int) -> None:
    """Close what nobody holds any more; whoever collects garbage may be another thread."""
    try:
        loop.call_soon_threadsafe(lambda: loop.create_task(_finish(key)))
    except RuntimeError:  # the loop has ended, and closed it if it ended well
        _guards.pop(key, None)


async def _finish(key: int) -> None:
    # Not the generator: its loop may be about to finish it, too, and closing a client twice does no harm.
    client, _ = _guards.pop(key, (None, None))
    if client is not None:
        await client.aclose()


def _bound_error(response: Any) -> None:
    if response.status_code >= 300:
        response.stream = _bounded_stream()(response.stream)


async def _bound_error_async(response: Any) -> None:
    _bound_error(response)


class _Bounded:
    """The body of an error, up to a limit."""

    def __init__(self, stream: Any) -> None:
        self._stream = stream
        self._left = _LONGEST_ERROR

    def __iter__(self) -> Iterator[bytes]:
        for chunk in self._stream:
            yield self._counted(chunk)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._stream:
            yield self._counted(chunk)

    def close(self) -> None:
        self._stream.close()

    async def aclose(self) -> None:
        await self._stream.aclose()

    def _counted(self, chunk: bytes) -> bytes:
        self._left -= len(chunk)
        if self._left < 0:
            raise ResponseTooLargeError(
                f"the server sent an error of more than {_LONGEST_ERROR:,} bytes"
            )
        return chunk


@functools.cache
def _bounded_stream() -> Any:
    bases = (_Bounded, HTTP_LIBRARY.SyncByteStream, HTTP_LIBRARY.AsyncByteStream)
    return type("BoundedStream", bases, {})


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """One for the process: loading the certificates takes longer than a whole turn."""
    context: ssl.SSLContext = HTTP_LIBRARY.create_ssl_context()
    return context
