"""Bound the reading of one answer: its size, and the time in which nothing of use comes."""

from __future__ import annotations

import sys
import time
from collections.abc import AsyncIterator, Iterator
from typing import Any

from ..endpoints import without_user
from .reading import Limits, Meter

__all__ = ["Gauge"]


class Gauge:
    """The chunks of one answer, counted and timed.

    A read time-out bounds the silence between two reads; a server that sends comments, or one byte at a time,
    is never silent. Here the same time bounds the wait for the next event, and for a whole body.

    Args:
        response: The open response, of either HTTP library.
        limits: Where to stop.
    """

    def __init__(self, response: Any, limits: Limits) -> None:
        self._response = response
        self._meter = Meter(limits, lambda: without_user(str(response.request.url)))
        timeout = response.request.extensions.get("timeout") or {}
        self._patience: float | None = timeout.get("read")
        self.restart()

    def restart(self) -> None:
        """Something of use came; the time counts from here."""
        self._since = time.monotonic()

    def count(self, events: int) -> None:
        """Count further events.

        Raises:
            ResponseTooLargeError: There are too many.
        """
        if events:
            self._meter.read(b"", events=events)
            self.restart()

    def chunks(self) -> Iterator[bytes]:
        """The body as it comes, decompressed.

        Raises:
            ResponseTooLargeError: There is too much of it.
            ReadTimeout: The library's own: nothing of use came for as long as a read may take.
        """
        for chunk in self._response.iter_bytes():
            yield self._meter.read(chunk)
            self._check_time()

    async def achunks(self) -> AsyncIterator[bytes]:
        """The body as it comes; see `chunks`."""
        async for chunk in self._response.aiter_bytes():
            yield self._meter.read(chunk)
            self._check_time()

    def read(self) -> bytes:
        """The whole body; see `chunks`."""
        try:
            return b"".join(self.chunks())
        finally:
            self._response.close()

    async def aread(self) -> bytes:
        """The whole body; see `chunks`."""
        try:
            return b"".join([chunk async for chunk in self.achunks()])
        finally:
            await self._response.aclose()

    def _check_time(self) -> None:
        waited = time.monotonic() - self._since
        if self._patience is not None and waited > self._patience:
            library = sys.modules[type(self._response).__module__.partition(".")[0]]
            raise library.ReadTimeout(
                f"nothing of use came for {waited:.0f} s", request=self._response.request
            )
