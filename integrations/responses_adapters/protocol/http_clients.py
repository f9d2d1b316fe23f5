"""HTTP clients of the library that the installed SDK stands on: certificates are loaded once, connections shared."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import ssl
import sys
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
]

Http: TypeAlias = Literal["httpx", "aiohttp"]
"""What sends asynchronous requests: the SDK's default, or its aiohttp client, at a fraction of the CPU time."""

HTTP_LIBRARY: Final[Any] = sys.modules[
    openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]
]
"""The HTTP library of the installed SDK: httpx2 since openai 3, httpx before."""


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
    kind: Any = openai.DefaultAioHttpClient if http == "aiohttp" else openai.DefaultAsyncHttpxClient
    hooks = {"response": [_bound_error_async]}
    return kind(**{"verify": _ssl_context(), "event_hooks": hooks, **options})


class Held:
    """A client that stays open as long as somebody holds this, and its event loop runs.

    Attributes:
        client: The HTTP client.
    """

    def __init__(self, client: Any) -> None:
        self.client = client


_held: weakref.WeakValueDictionary[Hashable, Held] = weakref.WeakValueDictionary()
_guards: dict[Hashable, AsyncGenerator[None]] = {}
"""They keep clients from being collected open: the sockets would complain before anybody could close them."""


def held_client(account: Hashable) -> Held:
    """The synchronous client of everybody who talks to this account: connections are shared, and cookies."""
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
    loop = asyncio.get_running_loop()
    key = (loop, account, http)
    held = _held.get(key)
    if held is None:
        client = async_client(http)
        held = _held[key] = Held(client)
        guard = _guards[key] = _close_with_loop(key, client)
        with contextlib.suppress(StopIteration):
            guard.asend(None).send(None)  # up to the yield: from here on the loop knows it
        weakref.finalize(held, _close_soon, loop, guard)
    return held


async def _close_with_loop(key: Hashable, client: Any) -> AsyncGenerator[None]:
    """Hold the client open until the loop finishes its asynchronous generators; nothing else tells of its end."""
    try:
        yield
    finally:
        _guards.pop(key, None)
        await client.aclose()


def _close_soon(loop: asyncio.AbstractEventLoop, guard: AsyncGenerator[None]) -> None:
    """Close what nobody holds any more; whoever collects garbage may be another thread."""
    with contextlib.suppress(RuntimeError):  # the loop has ended, and closed it
        loop.call_soon_threadsafe(lambda: loop.create_task(_finish(guard)))


async def _finish(guard: AsyncGenerator[None]) -> None:
    await guard.aclose()


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
