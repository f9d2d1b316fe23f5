"""Server-sent events, read as they arrive: bytes in, parsed events out."""

from __future__ import annotations

from typing import Any

from .reading import Limits, read_json

__all__ = ["EventReader", "FrameTooLargeError", "MalformedFrameError", "read_frame"]


class FrameTooLargeError(ValueError):
    """One event never ends."""


class MalformedFrameError(ValueError):
    """The data of an event is not JSON."""


class EventReader:
    """Collects the bytes of a stream and gives back whole events.

    Accepts frames with or without `event:` lines, comments, any line end, data over several lines, the
    `[DONE]` sentinel present or absent, and frames cut anywhere by the network. An event whose JSON lacks a
    `type` takes the name of its `event:` line.
    """

    def __init__(self, *, max_frame: int = Limits().frame) -> None:
        self._buffer = b""
        self._max_frame = max_frame
        self._broken: MalformedFrameError | None = None

    def feed(self, data: bytes) -> list[dict[str, Any]]:
        """The events completed by these bytes.

        Raises:
            FrameTooLargeError: A frame exceeds the limit.
            MalformedFrameError: A frame's data is not JSON. The events before it are given first, however the network
                has cut the stream: the next call raises.
        """
        if self._broken is not None:
            raise self._broken
        buffer = self._buffer + data if self._buffer else data
        if b"\r" in buffer:
            held = buffer.endswith(b"\r")  # the other half of a line end may follow
            if held:
                buffer = buffer[:-1]
            buffer = buffer.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            if held:
                buffer += b"\r"
        *frames, rest = buffer.split(b"\n\n")
        if len(rest) > self._max_frame:
            raise FrameTooLargeError(f"one event is larger than {self._max_frame} bytes")
        self._buffer = rest
        events: list[dict[str, Any]] = []
        try:
            events.extend(event for frame in frames if (event := read_frame(frame)) is not None)
        except MalformedFrameError as error:
            if not events:
                raise
            self._broken = error
        return events

    def finish(self) -> list[dict[str, Any]]:
        """The event left over at the end of the stream, if its bytes are whole; half an event is dropped.

        Raises:
            MalformedFrameError: As `feed`.
        """
        if self._broken is not None:
            raise self._broken
        rest, self._buffer = self._buffer, b""
        try:
            event = read_frame(rest.strip(b"\r\n"))
        except MalformedFrameError:
            return []
        return [] if event is None else [event]


def read_frame(frame: bytes) -> dict[str, Any] | None:
    """The event of one whole frame with line feeds; `None` for comments and the `[DONE]` sentinel.

    Raises:
        MalformedFrameError: Its data is not JSON.
    """
    name, data = b"", frame
    if not frame.startswith(b"data: ") or b"\n" in frame:
        lines: list[bytes] = []
        for line in frame.split(b"\n"):
            field, _, value = line.partition(b":")
            value = value[1:] if value.startswith(b" ") else value
            if field == b"data":
                lines.append(value)
            elif field == b"event":
                name = value
        data = b"\n".join(lines)
    else:
        data = frame[6:]
    if not data or data == b"[DONE]":
        return None
    try:
        event = read_json(data)
    except ValueError as error:
        raise MalformedFrameError(f"an event is not JSON: {data[:80]!r}") from error
    if not isinstance(event, dict):
        raise MalformedFrameError(f"an event is not a JSON object: {data[:80]!r}")
    if "type" not in event:
        event["type"] = "error" if "error" in event else name.decode("utf-8", "replace")
    return event
