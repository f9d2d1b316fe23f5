"""The only part of the doctor that touches the network: makes the calls of a visit."""

from __future__ import annotations

import json
import re
import secrets
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Final
from urllib.parse import urlsplit, urlunsplit

import openai

from ..endpoints import Endpoint
from ..protocol.advice import advise
from ..protocol.sse import EventReader
from .chart import TERMINAL, Answer, Call, Chart
from .visit import Diagnosis, Request, examine

__all__ = ["Line", "diagnose", "public_address"]

_HTTP: Final[Any] = sys.modules[openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]]
"""The HTTP library of the installed SDK: httpx2 since openai 3, httpx before."""

_BIRDS: Final = ("heron", "plover", "curlew", "avocet", "dunlin", "godwit", "lapwing", "whimbrel")
_USER: Final = re.compile(r"//[^/\s@]+@")
"""User name and password in an address."""

_LARGEST: Final = 16 * 1024 * 1024
"""Bytes of one answer; no answer to a question of the doctor's comes near."""

_SHORTEST_SECRET: Final = 6
"""Characters of a key from which on it is looked for in answers; shorter ones are no secrets."""


def diagnose(
    endpoint: Endpoint,
    *,
    model: str | None = None,
    requests: int = 25,
    timeout: float = 60.0,
    http_client: Any = None,
    progress: Callable[[Request], None] = lambda _: None,
) -> Diagnosis:
    """Find out what the server at an address can do.

    Args:
        endpoint: Where to, and with which key.
        model: The model to ask; by default the first that the server lists.
        requests: How many requests may be made.
        timeout: Seconds for one request, from its start to the last byte.
        http_client: HTTP client to use, of the library that the installed OpenAI SDK uses.
        progress: Told before each request.

    Raises:
        UnusableServerError: No Responses server answers there; the message says in one sentence what does.
    """
    word = f"{secrets.choice(_BIRDS)}-{secrets.randbelow(9000) + 1000}"
    keyed = endpoint.api_key is not None
    chart = Chart(profile=endpoint.profile, model=model, word=word, keyed=keyed)
    visit = examine(chart, budget=requests)
    with Line(endpoint, timeout=timeout, http_client=http_client) as line:
        try:
            request = next(visit)
            while True:
                progress(request)
                request = visit.send(line.ask(request.call))
        except StopIteration as stop:
            found: Diagnosis = stop.value
            return found


def public_address(url: str) -> str:
    """An address without the user name and password that may stand in it."""
    return _USER.sub("//", url, count=1)


class Line:
    """A connection to one server; whatever happens on it becomes an answer.

    Args:
        endpoint: Where to, and with which key, which never appears in an answer.
        timeout: Seconds for one request.
        http_client: HTTP client to use.
    """

    def __init__(self, endpoint: Endpoint, *, timeout: float, http_client: Any = None) -> None:
        self._endpoint = endpoint
        self._timeout = timeout
        self._own = http_client is None
        self._http: Any = http_client or openai.DefaultHttpxClient()

    def __enter__(self) -> Line:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._own:
            self._http.close()

    def ask(self, call: Call) -> Answer:
        """Make one call, once."""
        reading = _Reading(self._timeout)
        request = self._request(call)
        try:
            response = self._http.send(request, stream=True, follow_redirects=False)
            try:
                for chunk in response.iter_bytes():
                    reading.take(chunk)
            finally:
                response.close()
        except _HTTP.TimeoutException:
            return self._unfinished(request, f"{self._timeout:g} s")
        except _EndlessError as error:
            return self._unfinished(request, str(error))
        except _HTTP.HTTPError as error:
            lost = openai.APIConnectionError(request=request)
            lost.__cause__ = error
            return Answer(status=None, trouble=self._advice(lost))
        return self._answer(call, response, reading)

    def _request(self, call: Call) -> Any:
        base = self._endpoint.base_url
        if call.from_root:
            parts = urlsplit(base)
            base = urlunsplit((parts.scheme, parts.netloc, "", "", ""))
        headers = {"Accept": "application/json", "Accept-Encoding": "identity", **call.headers}
        if call.with_key and self._endpoint.api_key is not None:
            headers["Authorization"] = f"Bearer {self._endpoint.api_key}"
        if call.body is not None and call.body.get("stream"):
            headers["Accept"] = "text/event-stream"
        return self._http.build_request(
            call.method, base + call.path, headers=headers, timeout=self._timeout, json=call.body
        )

    def _answer(self, call: Call, response: Any, reading: _Reading) -> Answer:
        content = self._without_key(b"".join(reading.chunks).decode("utf-8", "replace"))
        kind = response.headers.get("content-type", "")
        status: int = response.status_code
        events: list[dict[str, Any]] | None = None
        body: Any = content
        if status < 300 and "event-stream" in kind:
            events, body = _events(content)
        else:
            try:
                body = json.loads(content)
            except ValueError:
                body = content
        trouble = None
        if not 200 <= status < 300:
            raised = openai.APIStatusError("", response=response, body=body)
            trouble = self._advice(raised, call)
        return Answer(
            status=status,
            body=body,
            events=events,
            head=content[:500] + content[-100:],
            longest_gap=reading.longest_gap,
            seconds=time.monotonic() - reading.started,
            trouble=trouble,
        )

    def _advice(self, error: openai.APIError, call: Call | None = None) -> str:
        model = None if call is None else (call.body or {}).get("model")
        base_url = public_address(self._endpoint.base_url)
        profile = self._endpoint.profile
        advised = advise(
            error,
            base_url=base_url,
            model=model,
            api_key_env=profile.api_key_env,
            has_key=self._endpoint.api_key is not None,
        )
        return self._without_key(_USER.sub("//", advised.message))

    def _unfinished(self, request: Any, limit: str) -> Answer:
        where = public_address(str(request.url))
        trouble = (
            f"{where} gave no whole answer within {limit}: is it up, or does it need --timeout?"
        )
        return Answer(status=None, trouble=trouble, late=True)

    def _without_key(self, text: str) -> str:
        key = self._endpoint.api_key
        return text.replace(key, "[key]") if key and len(key) >= _SHORTEST_SECRET else text


class _EndlessError(Exception):
    """The answer keeps coming; the message is the limit that it passed."""


@dataclass
class _Reading:
    """The bytes of one answer, and when they came."""

    seconds: float
    size: int = 0
    started: float = field(default_factory=time.monotonic)
    chunks: list[bytes] = field(default_factory=list)
    longest_gap: float = 0.0
    _last: float | None = None

    def take(self, chunk: bytes) -> None:
        """Note a chunk.

        Raises:
            _EndlessError: It takes too long, or is too much.
        """
        now = time.monotonic()
        self.size += len(chunk)
        if now - self.started > self.seconds:
            raise _EndlessError(f"{self.seconds:g} s")
        if self.size > _LARGEST:
            raise _EndlessError(f"{_LARGEST} bytes")
        if self._last is not None:
            self.longest_gap = max(self.longest_gap, now - self._last)
        self._last = now
        self.chunks.append(chunk)


def _events(content: str) -> tuple[list[dict[str, Any]], Any]:
    """The events of a stream, and the response (or the error) that it ends with."""
    reader = EventReader()
    try:
        events = [*reader.feed(content.encode()), *reader.finish()]
    except ValueError as error:
        return [], str(error)
    last = events[-1] if events else {}
    if last.get("type") in TERMINAL and isinstance(last.get("response"), dict):
        return events, last["response"]
    return events, last
