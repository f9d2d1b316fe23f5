"""A client of the SDK that sends what it is given as it is, and reads answers into the SDK's classes by their type.

The SDK holds every input item against a union of all items before it sends them, and every event against a union of
all events: most of what a turn and a streamed token cost. Requests and answers are the same without.
"""

from __future__ import annotations

import copy
from collections import deque
from collections.abc import AsyncIterable, AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Final, Self, TypeAlias

import httpx2
from openai import (
    APIConnectionError,
    APIError,
    APITimeoutError,
    AsyncOpenAI,
    AsyncStream,
    NotGiven,
    Omit,
    not_given,
)
from openai.resources.responses import AsyncResponses
from openai.types import responses

from ..protocol.failure import read_failure
from ..protocol.sse import EventReader, FrameTooLargeError, MalformedFrameError
from ..protocol.translation import Frame
from ..protocol.transport import FRAMES
from .construct import read_event, read_response

__all__ = ["lean"]

Event: TypeAlias = dict[str, Any]

_ABSENT: Final = (NotGiven, Omit)
_FIRST: Final = ("model", "stream", "service_tier")
"""Parameters that the SDK puts at the head of a body; the others follow in the order of the alphabet."""

_OPENING: Final = frozenset({"response.created", "response.in_progress", "response.queued"})
"""Events that only say that an answer is coming."""


def lean(
    client: AsyncOpenAI,
    *,
    max_retries: int | None = None,
    on_send: Callable[[Event], None] | None = None,
) -> AsyncOpenAI:
    """The client with a lighter `responses.create`, unless somebody has replaced or wrapped that.

    Args:
        client: Everything is sent through it.
        max_retries: How often the SDK itself sends a create request again; by default as often as the client says.
        on_send: Sees the body of each create request.
    """
    own = client.responses
    if "create" in vars(own) or hasattr(own.create, "__wrapped__"):
        return client if max_retries is None else client.with_options(max_retries=max_retries)
    twin = copy.copy(client)
    # A cached property of the SDK's.
    vars(twin)["responses"] = _Responses(own, max_retries, on_send or _ignore)
    return twin


def _ignore(_: Event) -> None: ...


class _Responses(AsyncResponses):
    def __init__(
        self, own: AsyncResponses, max_retries: int | None, on_send: Callable[[Event], None]
    ) -> None:
        vars(self).update(vars(own))  # with what has been replaced on it
        self._max_retries = max_retries
        self._on_send = on_send

    async def create(
        self,
        *,
        stream: bool | Omit | None = False,
        extra_headers: Mapping[str, str | Omit] | None = None,
        extra_query: Mapping[str, object] | None = None,
        extra_body: Any = None,
        timeout: Any = not_given,  # noqa: ASYNC109 - the SDK's
        **parameters: Any,
    ) -> Any:
        """Ask for a response; the arguments are those of `AsyncResponses.create`."""
        given = {"stream": stream, **parameters}
        body = {name: given[name] for name in sorted(given, key=_place)} | dict(extra_body or {})
        body = {name: value for name, value in body.items() if not isinstance(value, _ABSENT)}
        self._on_send(body)
        options: dict[str, Any] = {"headers": extra_headers or {}, "params": extra_query or {}}
        if self._max_retries is not None:
            options["max_retries"] = self._max_retries
        if not isinstance(timeout, NotGiven):
            options["timeout"] = timeout
        arguments: dict[str, Any] = {
            "cast_to": httpx2.Response,
            "body": body,
            "options": options,
            "stream": bool(stream),
            "stream_cls": AsyncStream[Any],
        }
        response = await self._client.post("/responses", **arguments)
        if not stream:
            return _answer(response)
        # A background response is to be known by its id as soon as it has one.
        held = bool(body.get("previous_response_id")) and not body.get("background")
        return _Events(response, held=held)


def _place(name: str) -> tuple[int, str]:
    return (_FIRST.index(name) if name in _FIRST else len(_FIRST)), name


def _answer(response: httpx2.Response) -> responses.Response | str:
    try:
        body = response.json()
    except ValueError:
        if "json" in response.headers.get("content-type", ""):
            raise
        body = None
    if not isinstance(body, Mapping):
        return response.text  # upstream makes an error of it that says what came
    answer = read_response(body)
    answer._request_id = response.headers.get("x-request-id")
    return answer


class _Events:
    """The events of a streamed answer, all of a network read at once; what upstream uses of an `AsyncStream`.

    Those that only say that an answer is coming may be held back until it is sure that the server has what it is to
    continue: upstream can start again as long as it has seen no event.
    """

    def __init__(self, response: httpx2.Response, *, held: bool) -> None:
        self.response = response
        self._held = held
        translated = response.extensions.get(FRAMES)
        self._reads = _read(response) if translated is None else _parsed(translated())
        self._waiting: deque[Event] = deque()

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> responses.ResponseStreamEvent:
        while not self._waiting or (self._held and self._may_be_lost()):
            try:
                await self._receive()
            except StopAsyncIteration:
                if not self._waiting:
                    raise
                break
        if self._held:
            self._held = False
            self._check_lost()
        return read_event(self._waiting.popleft(), self.response.request)

    def _may_be_lost(self) -> bool:
        # A server that goes on saying that it is at work has what it is to continue.
        return len(self._waiting) <= len(_OPENING) and all(map(_opens, self._waiting))

    async def _receive(self) -> None:
        try:
            self._waiting.extend(await anext(self._reads))
        except StopAsyncIteration:
            await self.close()
            raise
        except httpx2.TimeoutException as error:
            raise APITimeoutError(request=self.response.request) from error
        except httpx2.RequestError as error:
            raise APIConnectionError(request=self.response.request) from error
        except (FrameTooLargeError, MalformedFrameError) as error:
            raise APIError(str(error), request=self.response.request, body=None) from error

    def _check_lost(self) -> None:
        event = next((event for event in self._waiting if not _opens(event)), {})
        lost = read_failure(200, event)
        if event.get("type") in {"error", "response.failed"} and lost.lost_response:
            body = {"code": lost.code, "message": lost.message, "param": lost.param}
            raise APIError(lost.message, request=self.response.request, body=body)

    async def close(self) -> None:
        """Give the connection back."""
        await self.response.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()


def _opens(event: Event) -> bool:
    return event.get("type") in _OPENING


async def _read(response: httpx2.Response) -> AsyncIterator[list[Event]]:
    reader = EventReader()
    async for chunk in response.aiter_bytes():
        yield reader.feed(chunk)
    yield reader.finish()


async def _parsed(reads: AsyncIterable[list[Frame]]) -> AsyncIterator[list[Event]]:
    async for frames in reads:
        yield [frame.event for frame in frames if frame.event is not None]
