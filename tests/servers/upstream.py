"""The chat-completions server that stands behind a real Responses server, and notes what the model is shown.

The model in it follows three rules. A user who says "save" gets one call of the first tool for each quoted text; one
who asks a question gets back every number of four digits or more that can be seen, with the word it hangs on;
everybody else is told that it is noted.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from functools import cached_property
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from typing import Any, Final, Literal, NamedTuple

MODEL = "stub"
MEMORABLE = re.compile(r"[\w-]*\d{4,}[\w-]*")


class Said(NamedTuple):
    """One message of a conversation, whatever framework or server wrote it down.

    Attributes:
        role: `system`, `user`, `assistant` or `tool`.
        text: What it says.
        calls: Tool calls: id, name and arguments of each.
        answers: The call that it is the output of.
    """

    role: str
    text: str
    calls: tuple[tuple[str, str, str], ...] = ()
    answers: str = ""


def conversation(messages: Sequence[Said]) -> list[Said]:
    """The messages with each call before its output: servers show the calls of one answer together, or one by one."""
    outputs: dict[str, list[Said]] = {}
    for each in messages:
        if each.role == "tool":
            outputs.setdefault(each.answers, []).append(each)
    told: list[Said] = []
    for each in messages:
        if each.text and each.role != "tool":
            told.append(Said(each.role, each.text))
        for call in each.calls:
            told += [Said(each.role, "", (call,)), *outputs.pop(call[0], ())]
    return told + [each for orphans in outputs.values() for each in orphans]


@dataclass(frozen=True, slots=True)
class Play:
    """How the model behaves until told otherwise.

    Attributes:
        status: HTTP status; all but 200 are errors.
        reasoning: What it thinks aloud before each answer.
        finish: Why it stops, where that is not the end of the answer.
        cut: How a stream ends in its middle: the connection breaks, or closes as if all had been said.
    """

    status: int = 200
    reasoning: str = ""
    finish: str | None = None
    cut: Literal["broken", "closed"] | None = None


@dataclass(frozen=True, slots=True)
class Request:
    """One request to the model, and its answer."""

    body: Mapping[str, Any]
    text: str
    calls: Sequence[Mapping[str, Any]]

    @property
    def shown(self) -> list[Said]:
        """The conversation as the model saw it."""
        return conversation([said(each) for each in self.body["messages"]])

    @property
    def answer(self) -> Said:
        """What it answered."""
        return said({"role": "assistant", "content": self.text, "tool_calls": self.calls})


@dataclass
class Upstream:
    """The server, on a free loopback port, while it is entered.

    Attributes:
        requests: Every request that the model answered, oldest first.
    """

    requests: list[Request] = field(default_factory=list)
    _play: Play = field(default_factory=Play)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))

    @cached_property
    def _server(self) -> ThreadingHTTPServer:
        upstream = self

        class Bound(_Handler):
            model = upstream

        return ThreadingHTTPServer(("127.0.0.1", 0), Bound)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self._server.server_port}/v1"

    def __enter__(self) -> Upstream:
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()

    @contextmanager
    def playing(self, **changes: Any) -> Iterator[None]:
        """Behave like this meanwhile: fields of `Play`."""
        self._play = Play(**changes)
        try:
            yield
        finally:
            self._play = Play()

    def answered(self, answer: Said) -> Request:
        """The request that was answered so; answers are numbered, so there is one."""
        [found] = [each for each in self.requests if each.answer == answer]
        return found

    def ask(self, body: Mapping[str, Any]) -> tuple[Play, Request]:
        """Let the model answer."""
        number, play = next(self._numbers), self._play
        calls = list(_calls(body, number))
        request = Request(body, "" if calls else _text(body, number), calls)
        if play.status == 200:
            self.requests.append(request)
        return play, request


def said(message: Mapping[str, Any]) -> Said:
    """A chat-completions message."""
    calls = tuple(
        (each["id"], each["function"]["name"], _same_json(each["function"]["arguments"]))
        for each in message.get("tool_calls") or ()
    )
    role = {"developer": "system"}.get(message["role"], message["role"])
    return Said(role, _words(message), calls, message.get("tool_call_id") or "")


def _words(message: Mapping[str, Any]) -> str:
    content = message.get("content") or ""
    return content if isinstance(content, str) else "".join(part["text"] for part in content)


def _same_json(text: str) -> str:
    return json.dumps(json.loads(text), sort_keys=True)


def _newest(body: Mapping[str, Any]) -> str:
    asked = [_words(each) for each in body["messages"] if each["role"] == "user"]
    return asked[-1] if asked else ""


def _calls(body: Mapping[str, Any], number: int) -> Iterator[dict[str, Any]]:
    tools, choice = body.get("tools") or [], body.get("tool_choice")
    if isinstance(choice, Mapping) and choice.get("type") == "allowed_tools":
        tools = choice["allowed_tools"]["tools"]
        choice = choice["allowed_tools"]["mode"]
    asked = _newest(body)
    wanted = "save" in asked.lower() or choice == "required"
    if not tools or choice == "none" or not wanted or body["messages"][-1]["role"] == "tool":
        return
    for index, text in enumerate(re.findall(r'"([^"]+)"', asked) or [asked]):
        arguments = json.dumps({"text": text})
        function = {"name": tools[0]["function"]["name"], "arguments": arguments}
        yield {"id": f"call_{number}_{index}", "type": "function", "function": function}


def _text(body: Mapping[str, Any], number: int) -> str:
    form = body.get("response_format") or {}
    if form.get("type") == "json_schema":
        return json.dumps(dict.fromkeys(form["json_schema"]["schema"]["properties"], "Paris"))
    if form.get("type") == "json_object":
        return json.dumps({"city": "Paris"})
    said = "It is noted."
    if "?" in _newest(body):
        said = " ".join(MEMORABLE.findall(" ".join(map(_words, body["messages"])))) or "Nothing."
    return f"Answer {number}: {said}"


_NO_SUCH_ENDPOINT: Final = {"error": {"message": "There is no such endpoint."}}


_THOUGHTS: Final = ("reasoning", "reasoning_content")
"""What chat-completions servers call reasoning: vLLM today, and DeepSeek with all that followed it."""


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    model: Upstream

    def handle(self) -> None:
        with suppress(ConnectionError):  # the server hangs up when it has heard enough
            super().handle()

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._json(
            200, {"object": "list", "data": [{"id": MODEL, "object": "model", "created": 1}]}
        )

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        if "messages" not in body:
            self._json(404, _NO_SUCH_ENDPOINT)
            return
        play, request = self.model.ask(body)
        if play.status != 200:
            words = {429: "The model is busy."}.get(play.status, "The model broke.")
            self._json(play.status, {"error": {"message": words}})
        elif body.get("stream"):
            self._stream(play, request)
        else:
            self._json(200, _completion(play, request))

    def _json(self, status: int, body: Mapping[str, Any]) -> None:
        content = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def _stream(self, play: Play, request: Request) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/event-stream")
        self.send_header("transfer-encoding", "chunked")
        self.end_headers()
        chunks = list(_chunks(play, request))
        if play.cut:
            chunks = chunks[: len(chunks) // 2]
        for chunk in chunks:
            self._write(f"data: {json.dumps(chunk)}\n\n")
        if play.cut == "broken":
            self.close_connection = True  # without the last, empty chunk
            return
        if play.cut is None:
            self._write("data: [DONE]\n\n")
        self._write("")

    def _write(self, text: str) -> None:
        content = text.encode()
        self.wfile.write(b"%x\r\n%s\r\n" % (len(content), content))


def _completion(play: Play, request: Request) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": request.text or None}
    if request.calls:
        message["tool_calls"] = request.calls
    if play.reasoning:
        message |= dict.fromkeys(_THOUGHTS, play.reasoning)
    choice = {"index": 0, "message": message, "finish_reason": _finish(play, request)}
    return {
        **_head(request),
        "object": "chat.completion",
        "choices": [choice],
        "usage": _usage(play, request),
    }


def _chunks(play: Play, request: Request) -> Iterator[dict[str, Any]]:
    head = {**_head(request), "object": "chat.completion.chunk"}
    deltas: list[dict[str, Any]] = [{"role": "assistant", "content": ""}]
    deltas += [dict.fromkeys(_THOUGHTS, word) for word in re.findall(r"\S+\s*", play.reasoning)]
    deltas += [{"content": word} for word in re.findall(r"\S+\s*", request.text)]
    for index, call in enumerate(request.calls):
        name, arguments = call["function"]["name"], call["function"]["arguments"]
        opening = {**call, "index": index, "function": {"name": name, "arguments": ""}}
        deltas.append({"tool_calls": [opening]})
        for half in (arguments[:9], arguments[9:]):
            deltas.append({"tool_calls": [{"index": index, "function": {"arguments": half}}]})
    for delta in deltas:
        yield {**head, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
    end = {"index": 0, "delta": {}, "finish_reason": _finish(play, request)}
    yield {**head, "choices": [end]}
    yield {**head, "choices": [], "usage": _usage(play, request)}


def _head(request: Request) -> dict[str, Any]:
    return {"id": f"chatcmpl-{id(request):x}", "created": 1_700_000_000, "model": MODEL}


def _finish(play: Play, request: Request) -> str:
    return play.finish or ("tool_calls" if request.calls else "stop")


def _usage(play: Play, request: Request) -> dict[str, Any]:
    read = _tokens([request.body["messages"], request.body.get("tools")])
    written = _tokens([request.text, request.calls])
    thought = _tokens(play.reasoning) if play.reasoning else 0
    return {
        "prompt_tokens": read,
        "completion_tokens": written + thought,
        "total_tokens": read + written + thought,
        "completion_tokens_details": {"reasoning_tokens": thought},
    }


def _tokens(value: Any) -> int:
    return len(json.dumps(value)) // 4
