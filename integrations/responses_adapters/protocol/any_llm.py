"""any-llm as a transport: every provider that it reaches in process, under any client of a Responses server."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator, Mapping
from functools import cache
from importlib import import_module
from typing import Any, Final

from ..errors import MissingExtraError
from .transport import SDK_LIBRARY, Library

__all__ = ["any_llm_transport"]

_JSON: Final = {"content-type": "application/json"}
_EVENTS: Final = {"content-type": "text/event-stream"}


def any_llm_transport(*, library: Library = SDK_LIBRARY, **options: Any) -> Any:
    """A transport for `Client(transport=…)` and `AsyncClient(transport=…)` that calls any-llm instead of a server.

        client = httpx2.AsyncClient(transport=any_llm_transport())
        ResponsesModel("mistral:mistral-small", base_url="https://any-llm.invalid/v1", http_client=client)

    Models are named `provider:model`. One provider client serves all requests to its provider.

    Args:
        library: The HTTP library of the client.
        **options: For `AnyLLM.create`: `api_key`, `api_base` …; by default the provider's environment variables.

    Raises:
        MissingExtraError: any-llm is not installed.
    """
    try:
        import any_llm  # noqa: F401
    except ImportError as missing:
        raise MissingExtraError("any-llm", "any-llm-sdk") from missing
    return _classes(library)["AnyLLMTransport"](options)


@cache
def _classes(library: Library) -> dict[str, Any]:
    module = import_module(library)
    stream = type("AnyLLMStream", (_Events, module.SyncByteStream, module.AsyncByteStream), {})
    bases = (_Transport, module.BaseTransport, module.AsyncBaseTransport)
    return {
        "AnyLLMTransport": type("AnyLLMTransport", bases, {"library": module, "stream": stream})
    }


class _Transport:
    library: Any
    stream: Any

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._providers: dict[tuple[object, object], Any] = {}

    def handle_request(self, request: Any) -> Any:
        body = _body(request, request.read())
        if body is None:
            return self._reply(404, _error("any-llm has no such endpoint", "not_found"))
        try:
            llm, arguments = self._call(body)
            return self._answer(request, llm.responses(**arguments))
        except Exception as error:  # noqa: BLE001 - each provider's SDK has errors of its own
            return self._failure(request, error)

    async def handle_async_request(self, request: Any) -> Any:
        body = _body(request, await request.aread())
        if body is None:
            return self._reply(404, _error("any-llm has no such endpoint", "not_found"))
        try:
            llm, arguments = self._call(body)
            return self._answer(request, await llm.aresponses(**arguments))
        except Exception as error:  # noqa: BLE001 - each provider's SDK has errors of its own
            return self._failure(request, error)

    def close(self) -> None:
        self._providers.clear()

    async def aclose(self) -> None:
        self._providers.clear()

    def _call(self, body: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
        from any_llm import AnyLLM

        provider, model = AnyLLM.split_model_provider(str(body.get("model", "")))
        # A provider's client belongs to the event loop it was first used on.
        key = provider, _loop()
        if key not in self._providers:
            self._forget_ended_loops()
            self._providers[key] = AnyLLM.create(
                provider, **{"unified_exceptions": True, **self._options}
            )
        arguments = {name: value for name, value in body.items() if name != "input"}
        return self._providers[key], {**arguments, "model": model, "input_data": body.get("input")}

    def _forget_ended_loops(self) -> None:
        for key in list(self._providers):
            loop = key[1]
            if isinstance(loop, asyncio.AbstractEventLoop) and loop.is_closed():
                del self._providers[key]

    def _answer(self, request: Any, answer: Any) -> Any:
        if hasattr(answer, "model_dump"):
            return self._reply(200, _plain(answer))
        return self.library.Response(
            200, headers=_EVENTS, stream=self.stream(answer), request=request
        )

    def _failure(self, request: Any, error: Exception) -> Any:
        cause = getattr(error, "original_exception", None) or error
        if type(cause).__name__ in {"APIConnectionError", "ConnectError"}:
            raise self.library.ConnectError(str(cause), request=request) from error
        status = getattr(error, "status_code", None) or getattr(cause, "status_code", None)
        if not isinstance(status, int) or status < 400:
            status = _STATUS.get(type(error).__name__, 500)
        code = getattr(error, "code", None) or getattr(cause, "code", None)
        return self._reply(status, _error(str(error), code))

    def _reply(self, status: int, body: Any) -> Any:
        return self.library.Response(status, headers=_JSON, content=json.dumps(body).encode())


_STATUS: Final = {
    "MissingApiKeyError": 401,
    "NotImplementedError": 400,
    "UnsupportedParameterError": 400,
    "UnsupportedProviderError": 400,
    "ValidationError": 400,
    "ValueError": 400,
}
"""Statuses of errors that any-llm raises before it asks the provider."""


class _Events:
    """A body of server-sent events, made from a provider's events as they come."""

    def __init__(self, events: Any) -> None:
        self._events = events

    def __iter__(self) -> Iterator[bytes]:
        try:
            for event in self._events:
                yield _frame(_plain(event))
        except Exception as error:  # noqa: BLE001 - the answer has begun: an event must say it
            yield _frame(_error(str(error), getattr(error, "code", None)))

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            async for event in self._events:
                yield _frame(_plain(event))
        except Exception as error:  # noqa: BLE001 - the answer has begun: an event must say it
            yield _frame(_error(str(error), getattr(error, "code", None)))

    def close(self) -> None:
        close = getattr(self._events, "close", None)
        if close is not None:
            close()

    async def aclose(self) -> None:
        close = getattr(self._events, "aclose", None) or getattr(self._events, "close", None)
        if close is not None:
            await close()


def _body(request: Any, content: bytes) -> dict[str, Any] | None:
    if request.method != "POST" or not request.url.path.endswith("/responses"):
        return None
    body = json.loads(content)
    return body if isinstance(body, dict) else None


def _loop() -> object:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


def _plain(value: Any) -> dict[str, Any]:
    plain = value.model_dump(mode="json", warnings=False) if hasattr(value, "model_dump") else value
    return dict(plain)


def _error(message: str, code: object) -> dict[str, Any]:
    return {
        "error": {
            "message": message,
            "type": "any_llm_error",
            "param": None,
            "code": None if code is None else str(code),
        }
    }


def _frame(event: dict[str, Any]) -> bytes:
    kind = str(event.get("type", "error"))
    return f"event: {kind}\ndata: {json.dumps(event)}\n\n".encode()
