"""The event stream of a background response: begun once, taken up again by its id, and never silent to the graph."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable
from dataclasses import replace
from itertools import chain
from typing import Any, Protocol, TypeAlias

from ..protocol.turn import Event, Outcome, Reply

__all__ = ["AsyncWatchedStream", "WatchedStream", "Watcher", "abegin", "begin", "tells_answer"]

Received: TypeAlias = list[Event] | Exception | None
"""The events of one network read; `None` at the end, or what cut the stream."""


class Watcher(Protocol):
    """Who is to know that the stream is being read."""

    @property
    def pause(self) -> float:
        """Seconds of silence after which `before_poll` is called, and again."""
        ...

    def keep_alive(self) -> None:
        """Called before each read."""

    def before_poll(self) -> bool:
        """Called in silence."""
        ...


class WatchedStream:
    """A stream of a synchronous client; what was read of it already comes first."""

    def __init__(self, stream: Any, watcher: Watcher, read: Iterable[list[Event]] = ()) -> None:
        self._stream = stream
        self._watcher = watcher
        self._read = deque(read)

    def receive(self) -> Received:
        """The events of the next read."""
        if self._read:
            return self._read.popleft()
        self._watcher.keep_alive()
        received: Received = self._stream.receive()
        return received

    def close(self) -> None:
        """Give the connection back."""
        self._stream.close()


class AsyncWatchedStream:
    """A stream of an asynchronous client; what was read of it already comes first."""

    def __init__(self, stream: Any, watcher: Watcher, read: Iterable[list[Event]] = ()) -> None:
        self._stream = stream
        self._watcher = watcher
        self._read = deque(read)

    async def receive(self) -> Received:
        """The events of the next read."""
        if self._read:
            return self._read.popleft()
        self._watcher.keep_alive()
        reading = asyncio.ensure_future(self._stream.receive())
        try:
            while not (await asyncio.wait({reading}, timeout=self._watcher.pause))[0]:
                self._watcher.before_poll()
        finally:
            reading.cancel()
        received: Received = reading.result()
        return received

    async def close(self) -> None:
        """Give the connection back."""
        await self._stream.close()


def begin(reply: Reply, stream: Any, watcher: Watcher) -> tuple[Reply, WatchedStream | None]:
    """Read a stream up to the id of its response: the reply with that response as its body, and the stream."""
    if stream is None:
        return reply, None
    read: list[list[Event]] = []
    while (body := _body_of(read)) is None:
        batch = stream.receive()
        if not isinstance(batch, list):
            stream.close()
            return _unknown(reply, batch), None
        read.append(batch)
    return replace(reply, body=body), WatchedStream(stream, watcher, read)


async def abegin(
    reply: Reply, stream: Any, watcher: Watcher
) -> tuple[Reply, AsyncWatchedStream | None]:
    """`begin` for a stream of an asynchronous client."""
    if stream is None:
        return reply, None
    read: list[list[Event]] = []
    while (body := _body_of(read)) is None:
        batch = await stream.receive()
        if not isinstance(batch, list):
            await stream.close()
            return _unknown(reply, batch), None
        read.append(batch)
    return replace(reply, body=body), AsyncWatchedStream(stream, watcher, read)


def tells_answer(step: Event | Outcome) -> bool:
    """Whether this step of an exchange is an event that says something of the answer."""
    return isinstance(step, dict) and not step.keys().isdisjoint({"delta", "item"})


def _body_of(read: Iterable[list[Event]]) -> dict[str, Any] | None:
    """The response that these events speak of, or the error; `None` if they do not yet."""
    for event in chain.from_iterable(read):
        if isinstance(response := event.get("response"), dict):
            return response
        if event.get("type") == "error":
            return event
    return None


def _unknown(reply: Reply, cut: Exception | None) -> Reply:
    """A stream that was cut before it named its response: nobody knows whether that runs."""
    return Reply(None, sent=reply.sent, error=cut, delivery="unknown")
