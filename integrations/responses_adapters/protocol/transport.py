"""HTTP transports that any client can use: one connection pool per event loop, closed with that loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable

import httpx2

__all__ = ["LoopTransport"]


class LoopTransport(httpx2.AsyncBaseTransport):
    """Send each request through a client that belongs to the running event loop.

    A connection cannot be used from another loop than the one that opened it, nor closed after that loop has
    ended. So every loop gets a client of its own, which is closed when the loop shuts down its async generators
    (`asyncio.run` does), or by `aclose()`; the next request opens a new one.

    Args:
        make_client: Builds the client of one loop; its proxies, limits and TLS settings apply.
    """

    def __init__(self, make_client: Callable[[], httpx2.AsyncClient]) -> None:
        self._make_client = make_client
        self._guards: dict[asyncio.AbstractEventLoop, AsyncGenerator[httpx2.AsyncClient]] = {}
        self._clients: dict[asyncio.AbstractEventLoop, httpx2.AsyncClient] = {}

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """Send one request; redirects are answers, never followed with the caller's key."""
        client = await self._client()
        return await client.send(request, stream=True, follow_redirects=False)

    async def aclose(self) -> None:
        """Close what the running loop has opened."""
        guard = self._guards.get(asyncio.get_running_loop())
        if guard is not None:
            await guard.aclose()

    async def _client(self) -> httpx2.AsyncClient:
        loop = asyncio.get_running_loop()
        if (client := self._clients.get(loop)) is not None:
            return client
        for ended in [known for known in self._clients if known.is_closed()]:
            del self._clients[ended], self._guards[ended]
        # Set before the first await: another task of this loop must not open a second pool.
        client = self._clients[loop] = self._make_client()
        guard = self._guards[loop] = self._close_with(loop, client)
        return await anext(guard)

    async def _close_with(
        self, loop: asyncio.AbstractEventLoop, client: httpx2.AsyncClient
    ) -> AsyncGenerator[httpx2.AsyncClient]:
        """Hold the client open until the loop shuts down its async generators."""
        try:
            yield client
        finally:
            del self._clients[loop], self._guards[loop]
            await client.aclose()
