"""Drive an exchange over an OpenAI SDK client: authentication, addresses and error classes stay the SDK's.

Bodies go out as plain dicts and JSON is read straight from the wire: the SDK's typed request transform and event
models are what costs its other users most of their time.
"""

from __future__ import annotations

import asyncio
import time
import uuid
from collections.abc import AsyncGenerator, Generator, Iterator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any, Final, Generic, Literal, TypeAlias, TypeVar

import openai

from ..endpoints import NO_KEY
from ..errors import ResponseTooLargeError
from .advice import advise, quotes_header
from .exchange import exchange
from .gauge import Gauge
from .http_clients import HTTP_LIBRARY, never_left
from .reading import Limits, read_json, without_surrogates
from .sse import EventReader
from .turn import Command, Emit, Event, Outcome, Receive, Reply, Send, Sleep, Turn

__all__ = ["AsyncResponsesClient", "ResponsesClient"]

_STREAM: Final = openai.Stream[Any]

_EAGER_READS: Final = 8
"""Reads of a stream after which the event loop has its turn at once, so that the first words are shown first."""

_PAUSE_EVERY: Final = 32
"""Events after which it has its turn later on: every read would add a third to what an event costs."""

ClientT = TypeVar("ClientT", openai.OpenAI, openai.AsyncOpenAI)
Step: TypeAlias = Generator[Command, Any, Outcome]


@dataclass(frozen=True, kw_only=True)
class _Driver(Generic[ClientT]):
    """What both drivers know: the SDK client, and per-request options.

    Args:
        sdk: An OpenAI SDK client (or a subclass, such as Azure's).
        extra_headers: Headers of every request.
        timeout: Seconds (or the SDK's own kind of timeout) of every request; `None` keeps the client's.
        api_key_env: Environment variable to name when the key is refused.
        limits: How much of one answer is read.
    """

    sdk: ClientT
    extra_headers: Mapping[str, str] | None = None
    timeout: Any = None
    api_key_env: str | None = None
    limits: Limits = field(default_factory=Limits)

    def _start(self, turn: Turn) -> Step:
        if turn.idempotency_key is None:
            turn.idempotency_key = str(uuid.uuid4())
        return exchange(turn)

    def _arguments(self, send: Send) -> dict[str, Any]:
        options: dict[str, Any] = {
            "max_retries": 0,
            "follow_redirects": False,
            # Compressed events arrive in blocks, and a small block may hold a large body.
            "headers": {
                "Accept-Encoding": "identity",
                **(self.extra_headers or {}),
                **send.headers,
            },
        }
        if (key := send.headers.get("Idempotency-Key")) is not None:
            options["idempotency_key"] = key  # else the SDK makes one up
        if self.timeout is not None:
            options["timeout"] = self.timeout
        arguments: dict[str, Any] = {
            "cast_to": HTTP_LIBRARY.Response,
            "options": options,
            "stream": True,
            "stream_cls": _STREAM,
        }
        if send.method == "POST":
            arguments["body"] = send.body
        return arguments

    def _failed(self, error: openai.APIError, send: Send) -> Reply:
        sent = len(error.request.content)
        model = (send.body or {}).get("model")
        advised = advise(
            error,
            base_url=str(self.sdk.base_url),
            model=model if isinstance(model, str) else None,
            api_key_env=self.api_key_env,
            has_key=self.sdk.api_key != NO_KEY,
        )
        if isinstance(error, openai.APIStatusError):
            body = error.body if error.body is not None else error.response.text
            return Reply(
                error.status_code, body, headers=error.response.headers, sent=sent, error=advised
            )
        if quotes_header(error.__cause__):
            return Reply(None, error=advised)
        delivery: Literal["refused", "unknown"] = "refused" if never_left(error) else "unknown"
        return Reply(None, sent=sent, error=advised, delivery=delivery)


def _answered(response: Any, content: bytes | None) -> Reply:
    """The reply of a response: parsed if its content is given, else to be read as events."""
    body: Any = None
    if content is not None:
        try:
            body = read_json(content)
        except ValueError:
            body = content.decode("utf-8", "replace")
    return Reply(
        status=response.status_code,
        body=body,
        events=content is None,
        headers=response.headers,
        sent=len(response.request.content),
    )


def _sendable(send: Send) -> Send:
    """The request with text that UTF-8 can hold: the caller's may have half a character in it."""
    return replace(send, body=without_surrogates(send.body))


def _is_events(response: Any) -> bool:
    kind = response.headers.get("content-type", "")
    return "json" not in kind and "html" not in kind


def _cut(error: Exception) -> Exception:
    """What cut a stream: trouble of the connection, or what cannot or must not be read; anything else is a bug."""
    if isinstance(error, ValueError | ResponseTooLargeError) or _is_http(error):
        return error
    raise error


def _lost(error: Exception, response: Any) -> openai.APIConnectionError:
    """The SDK's error for a body that broke off; anything else than trouble of the connection is a bug."""
    if not _is_http(error):
        raise error
    late = "Timeout" in type(error).__name__
    kind = openai.APITimeoutError if late else openai.APIConnectionError
    lost = kind(request=response.request)
    lost.__cause__ = error
    return lost


def _is_http(error: Exception) -> bool:
    return type(error).__module__.partition(".")[0] in {"httpx", "httpx2"}


class ResponsesClient(_Driver[openai.OpenAI]):
    """Run turns over a synchronous OpenAI SDK client."""

    def complete(self, turn: Turn) -> Outcome:
        """Run one turn to its end."""
        *_, outcome = self.run(turn)
        assert isinstance(outcome, Outcome)  # noqa: S101
        return outcome

    def run(self, turn: Turn) -> Iterator[Event | Outcome]:
        """Run one turn: its events as they arrive, and its outcome last.

        Raises:
            ResponsesAdapterError: See `exchange`.
            openai.APIError: What the server or the connection refused, with advice in its message.
        """
        steps = self._start(turn)
        stream: _Stream | None = None
        answer: Any = None
        try:
            while True:
                try:
                    command = steps.send(answer)
                except StopIteration as stop:
                    yield stop.value
                    return
                answer = None
                if isinstance(command, Emit):
                    yield from command.events
                elif isinstance(command, Receive):
                    answer = stream.receive() if stream is not None else None
                elif isinstance(command, Sleep):
                    self._sleep(command.seconds)
                else:
                    if stream is not None:
                        stream.close()
                    since = time.monotonic()
                    answer, stream = self._send(command)
                    answer.seconds = time.monotonic() - since
        finally:
            steps.close()
            if stream is not None:
                stream.close()

    def _sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def _send(self, send: Send) -> tuple[Reply, _Stream | None]:
        call = self.sdk.post if send.method == "POST" else self.sdk.get
        try:
            response: Any = call(send.path, **self._arguments(send))
        except openai.APIError as error:
            return self._failed(error, send), None
        except ResponseTooLargeError as error:
            return Reply(None, error=error), None
        except UnicodeEncodeError:
            return self._send(_sendable(send))
        gauge = Gauge(response, self.limits)
        if send.stream and _is_events(response):
            return _answered(response, None), _Stream(response, gauge)
        try:
            return _answered(response, gauge.read()), None
        except ResponseTooLargeError as error:
            return Reply(None, error=error), None
        except Exception as error:  # noqa: BLE001 - either HTTP library may be underneath
            return self._failed(_lost(error, response), send), None


class AsyncResponsesClient(_Driver[openai.AsyncOpenAI]):
    """Run turns over an asynchronous OpenAI SDK client."""

    async def complete(self, turn: Turn) -> Outcome:
        """Run one turn to its end."""
        async with aclosing(self.run(turn)) as steps:
            outcome = [step async for step in steps][-1]
        assert isinstance(outcome, Outcome)  # noqa: S101
        return outcome

    async def run(self, turn: Turn) -> AsyncGenerator[Event | Outcome]:
        """Run one turn: its events as they arrive, and its outcome last.

        Raises:
            ResponsesAdapterError: See `exchange`.
            openai.APIError: What the server or the connection refused, with advice in its message.
        """
        steps = self._start(turn)
        stream: _AsyncStream | None = None
        answer: Any = None
        try:
            while True:
                try:
                    command = steps.send(answer)
                except StopIteration as stop:
                    yield stop.value
                    return
                answer = None
                if isinstance(command, Emit):
                    for event in command.events:
                        yield event
                elif isinstance(command, Receive):
                    answer = await stream.receive() if stream is not None else None
                elif isinstance(command, Sleep):
                    await self._sleep(command.seconds)
                else:
                    if stream is not None:
                        await stream.close()
                    since = time.monotonic()
                    answer, stream = await self._send(command)
                    answer.seconds = time.monotonic() - since
        finally:
            steps.close()
            if stream is not None:
                await stream.close()

    async def _sleep(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    async def _send(self, send: Send) -> tuple[Reply, _AsyncStream | None]:
        call = self.sdk.post if send.method == "POST" else self.sdk.get
        try:
            response: Any = await call(send.path, **self._arguments(send))
        except openai.APIError as error:
            return self._failed(error, send), None
        except ResponseTooLargeError as error:
            return Reply(None, error=error), None
        except UnicodeEncodeError:
            return await self._send(_sendable(send))
        gauge = Gauge(response, self.limits)
        if send.stream and _is_events(response):
            return _answered(response, None), _AsyncStream(response, gauge)
        try:
            return _answered(response, await gauge.aread()), None
        except ResponseTooLargeError as error:
            return Reply(None, error=error), None
        except Exception as error:  # noqa: BLE001 - either HTTP library may be underneath
            return self._failed(_lost(error, response), send), None


class _Stream:
    """The events of a synchronous response, one network read at a time."""

    def __init__(self, response: Any, gauge: Gauge) -> None:
        self._response = response
        self._gauge = gauge
        self._chunks = gauge.chunks()
        self._reader = EventReader()

    def receive(self) -> list[Event] | Exception | None:
        """The events of the next read that completes any; `None` at the end, or what cut the stream."""
        self._gauge.restart()
        try:
            for chunk in self._chunks:
                if events := self._reader.feed(chunk):
                    self._gauge.count(len(events))
                    return events
            return self._reader.finish() or None
        except Exception as error:  # noqa: BLE001 - either HTTP library may be underneath
            return _cut(error)

    def close(self) -> None:
        """Give the connection back."""
        self._response.close()


class _AsyncStream:
    """The events of an asynchronous response, one network read at a time."""

    def __init__(self, response: Any, gauge: Gauge) -> None:
        self._response = response
        self._gauge = gauge
        self._chunks = gauge.achunks()
        self._reader = EventReader()
        self._reads = 0
        self._unseen = 0

    async def receive(self) -> list[Event] | Exception | None:
        """The events of the next read that completes any; `None` at the end, or what cut the stream."""
        self._gauge.restart()
        try:
            async for chunk in self._chunks:
                if events := self._reader.feed(chunk):
                    self._gauge.count(len(events))
                    self._reads += 1
                    self._unseen += len(events)
                    if self._reads <= _EAGER_READS or self._unseen >= _PAUSE_EVERY:
                        # Bytes may be waiting already: let whoever reads the events have their turn.
                        await asyncio.sleep(0)
                        self._unseen = 0
                    return events
            return self._reader.finish() or None
        except Exception as error:  # noqa: BLE001 - either HTTP library may be underneath
            return _cut(error)

    async def close(self) -> None:
        """Give the connection back."""
        await self._response.aclose()
