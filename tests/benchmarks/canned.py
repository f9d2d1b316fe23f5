"""A Responses server that costs nothing to wait for: pre-rendered bytes, one process, no framework.

    python tests/benchmarks/canned.py        # prints its port

The scenario is the first part of the path, so that any client with a base URL can be pointed at it:
`http://127.0.0.1:PORT/DELTAS-CALLS/v1` answers with a text of so many deltas, after so many sequential function
calls. A stream is one write, each event an HTTP chunk of its own, as real servers send them. The id of a response
holds the tokens of its context and its place in the tool loop, so the server keeps nothing, echoes
`previous_response_id` and still counts like one that remembers.

`GET /sizes` gives the body size of every create request, and forgets them.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from functools import cache
from itertools import count
from typing import Any

WORDS = (
    "the",
    "quick",
    "brown",
    "fox",
    "jumps",
    "over",
    "a",
    "lazy",
    "dog",
    "with",
    "nine",
    "socks",
)
MESSAGE = "msg_0123456789abcdef01234567"
ARGUMENTS = '{"city":"Paris","unit":"C"}'
SLOTS = re.compile(rb'"(@[a-z]+@)"')
"""Where a template waits for a JSON value of this response."""
PREVIOUS = re.compile(rb'"previous_response_id"\s*:\s*"(resp_[0-9a-f]{24}_(\d+)_(\d+))"')
STREAM = re.compile(rb'"stream"\s*:\s*true')
USER = re.compile(rb'"role"\s*:\s*"user"')

_numbers = count(1)
_sizes: list[int] = []


def text_of(deltas: int) -> str:
    """The text of an answer."""
    return "".join(WORDS[i % len(WORDS)] + " " for i in range(deltas))


def _response(output: list[Any], *, done: bool) -> dict[str, Any]:
    usage = {
        "input_tokens": "@read@",
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": "@written@",
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": "@total@",
    }
    return {
        "id": "@id@", "object": "response", "created_at": 1789000000,
        "status": "completed" if done else "in_progress",
        "background": False, "error": None, "incomplete_details": None, "instructions": None,
        "max_output_tokens": None, "max_tool_calls": None, "model": "canned-1", "output": output,
        "parallel_tool_calls": True, "previous_response_id": "@previous@", "prompt_cache_key": None,
        "reasoning": {"effort": None, "summary": None}, "safety_identifier": None,
        "service_tier": "default", "store": True, "temperature": 1.0,
        "text": {"format": {"type": "text"}, "verbosity": "medium"}, "tool_choice": "auto",
        "tools": [], "top_logprobs": 0, "top_p": 1.0, "truncation": "disabled",
        "usage": usage if done else None, "user": None, "metadata": {},
    }  # fmt: skip


def _text_events(deltas: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": text_of(deltas)}
    item = {"id": MESSAGE, "type": "message", "status": "completed", "role": "assistant"}
    place = {"item_id": MESSAGE, "output_index": 0, "content_index": 0}
    events: list[dict[str, Any]] = [
        {"type": "response.content_part.added", **place, "part": {**part, "text": ""}}
    ]
    for i in range(deltas):
        delta = WORDS[i % len(WORDS)] + " "
        events.append(
            {"type": "response.output_text.delta", **place, "delta": delta, "logprobs": []}
        )
    events += [
        {"type": "response.output_text.done", **place, "text": part["text"], "logprobs": []},
        {"type": "response.content_part.done", **place, "part": part},
    ]
    return {**item, "content": [part]}, events


def _call_events() -> tuple[dict[str, Any], list[dict[str, Any]]]:
    item = {
        "id": "@item@", "type": "function_call", "status": "completed", "arguments": ARGUMENTS,
        "call_id": "@call@", "name": "get_weather",
    }  # fmt: skip
    place = {"item_id": "@item@", "output_index": 0}
    kind = "response.function_call_arguments"
    events: list[dict[str, Any]] = [
        {"type": f"{kind}.delta", **place, "delta": ARGUMENTS[i : i + 6]}
        for i in range(0, len(ARGUMENTS), 6)
    ]
    return item, [*events, {"type": f"{kind}.done", **place, "arguments": ARGUMENTS}]


def _begun(item: dict[str, Any]) -> dict[str, Any]:
    empty = {key: type(item[key])() for key in ("content", "arguments") if key in item}
    return {**item, "status": "in_progress", **empty}


def _template(value: Any) -> list[bytes]:
    return SLOTS.split(json.dumps(value, separators=(",", ":")).encode())


@cache
def _answer(deltas: int, *, stream: bool, call: bool) -> list[list[bytes]]:
    """The templates of an answer: its body, or its events."""
    item, events = _call_events() if call else _text_events(deltas)
    final = _response([item], done=True)
    if not stream:
        return [_template(final)]
    start, place = _response([], done=False), {"output_index": 0}
    events = [
        {"type": "response.created", "response": start},
        {"type": "response.in_progress", "response": start},
        {"type": "response.output_item.added", **place, "item": _begun(item)},
        *events,
        {"type": "response.output_item.done", **place, "item": item},
        {"type": "response.completed", "response": final},
    ]
    templates = []
    for number, event in enumerate(events):
        parts = _template({**event, "sequence_number": number})
        head, tail = f"event: {event['type']}\ndata: ".encode(), b"\n\n"
        templates.append([head + parts[0], *parts[1:-1], parts[-1] + tail]
                         if len(parts) > 1 else [head + parts[0] + tail])  # fmt: skip
    return templates


def _calls_so_far(body: bytes, place: int) -> int:
    """How far the tool loop has come: by the id that is continued, else by the outputs since the last question."""
    questions = [match.end() for match in USER.finditer(body)]
    outputs = body.count(b'"function_call_output"', questions[-1] if questions else 0)
    return (place or outputs) if outputs else 0


def respond(scenario: bytes, body: bytes) -> Iterator[bytes]:
    """The bytes of the HTTP response to a create request."""
    deltas, calls = map(int, scenario.split(b"-"))
    found = PREVIOUS.search(body)
    known, place = (int(found[2]), int(found[3])) if found else (0, 0)
    made = _calls_so_far(body, place)
    call = made < calls
    read, written, number = known + len(body) // 4, 20 if call else deltas, next(_numbers)
    response_id = f"resp_{number:024x}_{read + written}_{made + 1 if call else 0}"
    values = {
        b"@id@": b'"%b"' % response_id.encode(),
        b"@item@": b'"fc_%024x"' % number,
        b"@call@": b'"call_%024x"' % number,
        b"@previous@": b'"%b"' % found[1] if found else b"null",
        b"@read@": b"%d" % read,
        b"@written@": b"%d" % written,
        b"@total@": b"%d" % (read + written),
    }
    stream = STREAM.search(body) is not None
    chunks = _answer(deltas, stream=stream, call=call)
    frames = [b"".join([values.get(part, part) for part in parts]) for parts in chunks]
    if not stream:
        head = b"content-type: application/json\r\ncontent-length: %d" % len(frames[0])
        yield b"HTTP/1.1 200 OK\r\n%b\r\n\r\n%b" % (head, frames[0])
        return
    head = b"content-type: text/event-stream; charset=utf-8\r\ntransfer-encoding: chunked"
    yield b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % head
    yield from (b"%x\r\n%b\r\n" % (len(frame), frame) for frame in frames)
    yield b"0\r\n\r\n"


class Connection(asyncio.Protocol):
    """One keep-alive connection."""

    def connection_made(self, transport: Any) -> None:
        self._transport = transport
        self._buffer = b""

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        while (end := self._buffer.find(b"\r\n\r\n")) >= 0:
            head = self._buffer[:end].lower()
            length = re.search(rb"content-length: *(\d+)", head)
            total = end + 4 + (int(length[1]) if length else 0)
            if len(self._buffer) < total:
                return
            path = head.split(b" ", 2)[1]
            self._answer(path, self._buffer[end + 4 : total])
            self._buffer = self._buffer[total:]

    def _answer(self, path: bytes, body: bytes) -> None:
        if path == b"/sizes":
            content = json.dumps(_sizes).encode()
            _sizes.clear()
            head = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n" % len(content)
            self._transport.write(head + content)
            return
        _sizes.append(len(body))
        self._transport.write(b"".join(respond(path.split(b"/")[1], body)))


async def main() -> None:
    """Serve until killed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Connection, "127.0.0.1", 0, backlog=4096)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
