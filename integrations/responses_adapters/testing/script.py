"""What the model says next: queued turns, rules, and what goes wrong on the way."""

from __future__ import annotations

import copy
import json
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Self, TypeAlias

from .context import Item
from .damage import Damage, WireVerbs
from .problems import ApiError

__all__ = ["Failure", "Line", "Turn", "Verbs", "describe", "function_call", "message"]

Arguments: TypeAlias = Mapping[str, Any] | str


@dataclass(slots=True)
class Failure:
    """An HTTP error instead of an answer, `times` over."""

    status: int
    message: str
    code: str | None = None
    type: str | None = None
    param: str | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str | None = None
    times: int = 1

    def as_error(self) -> ApiError:
        """The error to raise."""
        return ApiError(
            self.status,
            self.message,
            code=self.code,
            type=self.type,
            param=self.param,
            headers=self.headers,
            body=self.body,
        )


class Verbs:
    """What a model can say. Each verb adds to a turn and returns it, so that verbs can be chained."""

    def _open(self) -> Turn:
        raise NotImplementedError

    def reply(self, text: str, *, phase: str | None = None) -> Turn:
        """An assistant message.

        Args:
            text: What it says; streamed word by word.
            phase: `"commentary"` or `"final_answer"`, where the test is about that field.
        """
        extra = {} if phase is None else {"phase": phase}
        return self._open().add(message(text, **extra))

    def reply_json(self, value: Any) -> Turn:
        """An assistant message whose text is `value` as JSON, as structured output arrives."""
        return self.reply(json.dumps(value, ensure_ascii=False))

    def refuse(self, text: str) -> Turn:
        """An assistant message whose content is a refusal."""
        part = {"type": "refusal", "refusal": text}
        return self._open().add({"type": "message", "role": "assistant", "content": [part]})

    def call_tool(
        self,
        name: str,
        arguments: Arguments | None = None,
        /,
        *,
        call_id: str | None = None,
        **named: Any,
    ) -> Turn:
        """A function call.

        Args:
            name: The function.
            arguments: Arguments as a mapping, or as raw text, which may be broken on purpose.
            call_id: Fixed call id; made up where absent.
            **named: Arguments by name.
        """
        return self._open().add(function_call(name, arguments, call_id=call_id, **named))

    def call_tools(self, *calls: str | tuple[str, Arguments]) -> Turn:
        """Several function calls in one turn, each a name or a pair of name and arguments."""
        turn = self._open()
        for call in calls:
            name, arguments = (call, {}) if isinstance(call, str) else call
            turn.add(function_call(name, arguments))
        return turn

    def call_custom_tool(self, name: str, text: str, *, call_id: str | None = None) -> Turn:
        """A call of a custom tool, whose input is plain text."""
        return self._open().add(
            {"type": "custom_tool_call", "call_id": call_id, "name": name, "input": text}
        )

    def reason(
        self, text: str = "", *, summary: str | None = None, encrypted: bool = False
    ) -> Turn:
        """A reasoning item, before whatever the turn says next.

        Args:
            text: Raw reasoning; servers that hide it leave it empty.
            summary: Summary text.
            encrypted: Attach `encrypted_content`; given also where the request asks for it.
        """
        content = {"content": [{"type": "reasoning_text", "text": text}]} if text else {}
        parts = [] if summary is None else [{"type": "summary_text", "text": summary}]
        sealed = {"encrypted_content": True} if encrypted else {}
        return self._open().add({"type": "reasoning", "summary": parts, **content, **sealed})

    def search_web(self, query: str) -> Turn:
        """A web search that the server ran itself."""
        action = {"type": "search", "query": query, "queries": [query], "sources": None}
        return self._open().add({"type": "web_search_call", "action": action})

    def call_mcp(
        self,
        server_label: str,
        name: str,
        arguments: Arguments | None = None,
        *,
        output: str | None = None,
        error: str | None = None,
    ) -> Turn:
        """A call of a tool on an MCP server, which the server ran itself."""
        return self._open().add(
            {
                "type": "mcp_call",
                "server_label": server_label,
                "name": name,
                "arguments": arguments if isinstance(arguments, str) else _dump(arguments or {}),
                "output": output,
                "error": error,
                "status": "failed" if error else "completed",
                "approval_request_id": None,
            }
        )

    def list_mcp_tools(self, server_label: str, *tools: Item) -> Turn:
        """The tools that the server found on an MCP server."""
        return self._open().add(
            {"type": "mcp_list_tools", "server_label": server_label, "tools": list(tools)}
        )

    def ask_approval(
        self, server_label: str, name: str, arguments: Arguments | None = None
    ) -> Turn:
        """A request to approve a call on an MCP server, which the caller answers with its id."""
        text = arguments if isinstance(arguments, str) else _dump(arguments or {})
        return self._open().add(
            {
                "type": "mcp_approval_request",
                "server_label": server_label,
                "name": name,
                "arguments": text,
            }
        )

    def run_hosted(self, kind: str, **fields: Any) -> Turn:
        """An item of a tool that the server ran itself, such as `orq:current_date`."""
        return self._open().add({"type": kind, **fields})

    def respond(self, items: Iterable[Item]) -> Turn:
        """Output items in wire form, as they are; missing ids and statuses are filled in."""
        return self._open().say(items)

    def incomplete(self, reason: str = "max_output_tokens") -> Turn:
        """The turn ends `incomplete`, its last item cut."""
        return self._open().end("incomplete", reason)

    def fail_turn(self, code: str = "server_error", message: str = "The model failed.") -> Turn:
        """The turn ends `failed`, inside HTTP 200, after whatever it said before."""
        return self._open().end("failed", code, message)


class Turn(Verbs, WireVerbs):
    """One turn of the model: its output items, how it ends, and what happens to it on the wire.

    Attributes:
        parts: Output items in wire form; ids and statuses are filled in when the turn is taken.
        status: `"completed"`, `"incomplete"` or `"failed"`.
        cause: Reason of an incomplete turn, code of a failed one.
        message: Error message of a failed turn.
        polls: Polls a background response takes; `None`: as the backend is set.
        timed_out: The answer is a 504, though the turn was made.
        pace: Seconds before the first delta and between deltas; `None`: as the backend is set.
    """

    def __init__(self, line: Line | None = None) -> None:
        self.parts: list[Item] = []
        self.status: str = "completed"
        self.cause: str | None = None
        self.message: str | None = None
        self.damages: list[Damage] = []
        self.polls: int | None = None
        self.pace: tuple[float, float] | None = None
        self.repeats = 1
        self.timed_out: bool = False
        self._line = line

    def _open(self) -> Turn:
        return self

    @property
    def then(self) -> Line:
        """Where the turn after this one is scripted."""
        if self._line is None:
            raise ValueError("this turn belongs to no script: nothing can follow it")
        return self._line

    def add(self, item: Item) -> Turn:
        """Append an output item."""
        self.parts.append(item)
        return self

    def say(self, items: Iterable[Item]) -> Turn:
        """Append output items in wire form, copied."""
        self.parts += [dict(item) for item in items]
        return self

    def saying(self, parts: Iterable[Item]) -> Turn:
        """The same turn with other output items."""
        other = copy.copy(self)
        other.parts = list(parts)
        return other

    def time_out(self) -> Turn:
        """Answer 504 though the turn is made and kept, as a gateway in front of the server does."""
        self.timed_out = True
        return self

    def end(self, status: str, cause: str | None = None, message: str | None = None) -> Turn:
        """Set how the turn ends."""
        self.status, self.cause, self.message = status, cause, message
        return self

    def times(self, n: int) -> Turn:
        """Repeat: a queued turn `n` times, a rule's whole sequence `n` times."""
        self.then.repeat(self, n)
        return self

    def always(self) -> Turn:
        """Repeat the rule's sequence for ever."""
        self.then.repeat(self, None)
        return self

    def damage(self, *damages: Damage) -> Self:
        """Disturb this turn's reply on the wire; `after=None` loses it whole, though the turn was made."""
        self.damages += damages
        return self

    def in_background(self, polls: int) -> Turn:
        """Let a background response answer `polls` polls before it has ended."""
        self.polls = polls
        return self


class Line(Verbs):
    """A sequence of turns still to be said, first in first out."""

    def __init__(self) -> None:
        self.steps: deque[Turn | Failure | Damage] = deque()

    def _open(self) -> Turn:
        turn = Turn(self)
        self.steps.append(turn)
        return turn

    def repeat(self, turn: Turn, n: int | None) -> None:
        """Say `turn` `n` times before the next one."""
        if n is None:
            raise ValueError(".always() needs a rule: be.on(...).reply(...).always()")
        turn.repeats = n

    def take_failure(self) -> Failure | Damage | None:
        """The failure standing first in line, one of its times spent: an HTTP error, or no reply at all."""
        step = self.steps[0] if self.steps else None
        if isinstance(step, Damage) and step.after is None:
            self.steps.popleft()
            return step
        if not isinstance(step, Failure):
            return None
        step.times -= 1
        if step.times <= 0:
            self.steps.popleft()
        return step

    def take_damages(self) -> list[Damage]:
        """The damages standing first in line, meant for the next turn."""
        taken: list[Damage] = []
        while self.steps and isinstance(damage := self.steps[0], Damage):
            taken.append(damage)
            self.steps.popleft()
        return taken

    def take_turn(self) -> Turn | None:
        """The turn standing first in line, one of its repeats spent."""
        step = self.steps[0] if self.steps else None
        if not isinstance(step, Turn):
            return None
        step.repeats -= 1
        if step.repeats <= 0:
            self.steps.popleft()
        return step


def message(text: str, **extra: Any) -> Item:
    """An assistant message without an id."""
    part = {"type": "output_text", "text": text, "annotations": [], "logprobs": []}
    return {"type": "message", "role": "assistant", "content": [part], **extra}


def function_call(
    name: str, arguments: Arguments | None = None, /, *, call_id: str | None = None, **named: Any
) -> Item:
    """A function call without an id; the call id too is filled in where absent."""
    text = arguments if isinstance(arguments, str) else _dump({**(arguments or {}), **named})
    return {"type": "function_call", "call_id": call_id, "name": name, "arguments": text}


_dump = json.JSONEncoder(ensure_ascii=False, separators=(",", ":")).encode


def describe(step: Turn | Failure | Damage) -> str:
    """One readable line about a scripted step, for reports of what was left over."""
    if isinstance(step, Failure):
        return f"fail({step.status}, times={step.times})"
    if isinstance(step, Damage):
        return f"{step.kind}(after={step.after})"
    said = [_describe_part(part) for part in step.parts] or ["an empty turn"]
    ending = "" if step.status == "completed" else f" ending {step.status}"
    return " + ".join(said) + ending


def _describe_part(part: Item) -> str:
    if part["type"] == "message":
        content = part.get("content") or []
        text = (
            content
            if isinstance(content, str)
            else "".join(str(each.get("text", each.get("refusal", ""))) for each in content)
        )
        return f"reply({text[:60]!r})"
    if part["type"] == "function_call":
        return f"call_tool({part['name']!r}, {part['arguments']})"
    return str(part["type"])
