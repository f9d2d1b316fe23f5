"""One HTTP exchange with a Responses server, translated: bytes in, bytes out, no I/O."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from ..profiles import ServerProfile
from .dialect import (
    FORGOTTEN,
    RUNNING,
    EventNormalizer,
    Reader,
    forgotten,
    normalize_error,
    normalize_request,
    normalize_response,
)
from .reading import Limits, has_surrogates, read_json
from .sse import EventReader, MalformedFrameError, read_frame

__all__ = ["Call", "Frame", "Frames", "refusal"]

_PATH: Final = re.compile(r"/responses(/[^/]+)?$")
_END: Final = re.compile(rb"(?>\r\n|\r|\n){2}")
_JSON: Final = "application/json"
_EVENTS: Final = "text/event-stream"


class Call:
    """One create or retrieve call: what to send instead of what the client sent, and what to give back.

    Attributes:
        content: The request body to send.
    """

    def __init__(
        self,
        profile: ServerProfile,
        *,
        creates: bool,
        reader: Reader,
        variables: Mapping[str, Any] | None,
    ) -> None:
        self._profile = profile
        self._creates = creates
        self._reader = reader
        self._variables = variables
        self._request: dict[str, Any] | None = None
        self.content: bytes = b""

    @classmethod
    def of(
        cls,
        method: str,
        path: str,
        profile: ServerProfile,
        reader: Reader,
        *,
        variables: Mapping[str, Any] | None = None,
    ) -> Call | None:
        """The call of a request, or `None` if it neither creates nor retrieves a response."""
        found = _PATH.search(path)
        creates = found is not None and found[1] is None
        if found is None or method != ("POST" if creates else "GET"):
            return None
        return cls(profile, creates=creates, reader=reader, variables=variables)

    def read(self, content: bytes) -> dict[str, Any] | None:
        """Take the client's request body; gives back that of a create request as it is sent, without secrets."""
        self.content = content
        body = _parse(content)
        if not self._creates or not isinstance(body, dict):
            return None
        self._request = body
        public = sent = normalize_request(body, self._profile)
        if self._variables:
            sent = {**sent, "variables": {**body.get("variables", {}), **self._variables}}
        if sent is not body:
            self.content = _dump(sent)
        return public

    def passes_events(self, status: int, headers: Mapping[str, str]) -> bool:
        """Whether the answer is an event stream that the client asked for."""
        asked = not self._creates or self._wants_events()
        return status < 400 and asked and _EVENTS in headers.get("content-type", "")

    def frames(self) -> Frames:
        """Translates the answer's event stream."""
        return Frames(self._normalizer())

    def answer(
        self, status: int, headers: Mapping[str, str], content: bytes
    ) -> tuple[int, str | None, bytes]:
        """Status, content type (`None`: as it came) and body for an answer that came whole."""
        if status < 400 and _EVENTS in headers.get("content-type", ""):
            return self._as_response(status, content)
        body = _parse(content)
        if status >= 400:
            said = content.decode("utf-8", "replace") if body is None else body
            error = normalize_error(status, said)
            return (status, None, content) if error is body else (status, _JSON, _dump(error))
        if body is None and "json" in headers.get("content-type", ""):
            body = _error("malformed_body", f"the answer is no JSON: {content[:80]!r}")
        if not isinstance(body, dict) or not body.keys() & {"error", "output", "status"}:
            if not self._wants_events():
                return status, None, content
            body = _error("no_response", f"the answer is no response: {content[:80]!r}")
        if forgotten(body, self._request, self._profile):
            return 400, _JSON, _dump(FORGOTTEN)
        if self._wants_events():
            whole = body.keys() & {"output", "status"}
            events = self._as_events(body) if whole else _frame(normalize_error(status, body))
            return status, _EVENTS, events
        normal = normalize_response(body, self._request, self._reader)
        same = normal is body and not has_surrogates(content)
        return (status, None, content) if same else (status, _JSON, _dump(normal))

    def _wants_events(self) -> bool:
        return bool((self._request or {}).get("stream"))

    def _normalizer(self) -> EventNormalizer:
        return EventNormalizer(self._request, self._reader, profile=self._profile)

    def _as_events(self, body: dict[str, Any]) -> bytes:
        """The stream that the client asked for and the server does not do: the answer in one piece."""
        kind = "created" if body.get("status") in RUNNING else "completed"
        events = self._normalizer().feed({"type": f"response.{kind}", "response": body})
        return b"".join(_frame(event) for event in events)

    def _as_response(self, status: int, content: bytes) -> tuple[int, str, bytes]:
        """The answer that the client asked for and the server only streams: what its last event says."""
        normalizer = self._normalizer()
        last: dict[str, Any] = {}
        reader = EventReader()
        for event in [*reader.feed(content), *reader.finish()]:
            last = (normalizer.feed(event) or [last])[-1]
        last = (normalizer.finish() or [last])[-1]
        if "response" in last:
            return status, _JSON, _dump(last["response"])
        return 502, _JSON, _dump(normalize_error(502, last))


class Frames:
    """Translates an event stream as its bytes arrive; frames that are canonical go on byte for byte.

    Attributes:
        closed: Nothing more is to be read.
    """

    def __init__(self, normalizer: EventNormalizer) -> None:
        self._normalizer = normalizer
        self._buffer = bytearray()
        self._news = 0
        self.closed: bool = False

    def feed(self, data: bytes) -> list[Frame]:
        """The frames that these bytes complete, translated."""
        buffer = self._buffer
        searched = max(0, len(buffer) - 3)  # a blank line may have begun before these bytes
        buffer += data
        out: list[Frame] = []
        start = 0
        ends = b"\n" in data or b"\r" in data
        while ends and not self.closed and (end := _END.search(buffer, max(start, searched))):
            out += self._translate(bytes(buffer[start : end.end()]))
            start = end.end()
        del buffer[:start]
        if len(buffer) > _MAX_FRAME:
            out.append(self.give_up("frame_too_large", _TOO_LARGE))
        return out

    def finish(self) -> list[Frame]:
        """What must follow the last byte: a frame without its blank line, and an error if the stream was cut."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        try:
            whole = self._translate(rest + b"\n\n") if _event(rest) else []
        except MalformedFrameError:
            whole = []  # half a frame
        return whole + self._ending()

    def _translate(self, raw: bytes) -> list[Frame]:
        try:
            event = _event(raw)
        except MalformedFrameError as error:
            return [self.give_up("malformed_event", str(error))]
        if event is None:
            return [*(self._ending() if b"[DONE]" in raw else ()), Frame(None, raw)]
        self._news += 1
        events = self._normalizer.feed(event)
        self.closed = self._normalizer.forgotten
        repaired = has_surrogates(raw)
        return [Frame(each, raw if each is event and not repaired else None) for each in events]

    def give_up(self, code: str, message: str) -> Frame:
        """End the stream with an error."""
        self.closed = True
        return Frame(_error(code, message))

    def news(self) -> int:
        """How many events came since this was asked last."""
        news, self._news = self._news, 0
        return news

    def _ending(self) -> list[Frame]:
        return [Frame(event) for event in self._normalizer.finish()]


class Frame(NamedTuple):
    """One frame of an event stream.

    Attributes:
        event: What it says; `None` for a comment or the `[DONE]` sentinel.
        raw: Its bytes, if it goes on as it came.
    """

    event: dict[str, Any] | None
    raw: bytes | None = None

    def encode(self) -> bytes:
        """Its bytes."""
        return _frame(self.event or {}) if self.raw is None else self.raw


_MAX_FRAME: Final = Limits().frame
_TOO_LARGE: Final = f"one event is larger than {_MAX_FRAME:,} bytes"


def _event(raw: bytes) -> dict[str, Any] | None:
    """The event of one frame; `None` for comments and the `[DONE]` sentinel."""
    if b"\r" in raw:
        raw = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    return read_frame(raw.strip(b"\n"))


def refusal(code: str, message: str) -> bytes:
    """The body of an answer that is an error."""
    return _dump(_error(code, message))


def _error(code: str, message: str) -> dict[str, Any]:
    return {"error": {"code": code, "type": "server_error", "message": message}}


def _frame(event: dict[str, Any]) -> bytes:
    kind = str(event.get("type", "error")).encode()
    return b"event: " + kind + b"\ndata: " + _dump(event) + b"\n\n"


def _dump(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def _parse(content: bytes) -> Any:
    try:
        return read_json(content)
    except ValueError:
        return None
