"""What a probe is made of: calls it wants made, the answers to them, and the verdicts it comes to."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any, Final, Literal, TypeAlias

from ..errors import ResponsesAdapterError
from ..profiles import ServerProfile
from ..protocol.dialect import normalize_response
from ..protocol.failure import Failure, read_failure
from ..protocol.verdict import usage_tokens

__all__ = [
    "DEMANDED",
    "TERMINAL",
    "Answer",
    "Call",
    "Chart",
    "Probe",
    "Steps",
    "UnusableServerError",
    "Verdict",
    "blames",
    "create",
    "parsed",
    "quote",
    "say",
    "tolerated",
]

TERMINAL: Final = frozenset(
    f"response.{end}" for end in ("completed", "incomplete", "failed", "requires_action", "done")
)
"""Events that end a stream."""


class UnusableServerError(ResponsesAdapterError):
    """No Responses server answers at this address; the message is the verdict."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request that a probe wants made.

    Attributes:
        path: Relative to the address of the API.
        from_root: The path is relative to the root of the host instead.
        with_key: Whether the key goes along.
    """

    method: Literal["DELETE", "GET", "POST"]
    path: str
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    from_root: bool = False
    with_key: bool = True


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What came back.

    Attributes:
        status: HTTP status, `None` where there was no answer.
        body: The JSON of the body, or its text where it is none; of a stream its final response.
        events: The events of a stream, `None` where the answer was not one.
        head: How the stream began and ended, as text.
        longest_gap: Seconds without a byte, the wait for the first one not counted.
        seconds: Seconds from the request to the last byte.
        trouble: What went wrong, in one sentence for people; `None` for an answer of status 2xx.
        late: There was no answer within the time limit.
    """

    status: int | None
    body: Any = None
    events: Sequence[Mapping[str, Any]] | None = None
    head: str = ""
    longest_gap: float = 0.0
    seconds: float = 0.0
    trouble: str | None = None
    late: bool = False

    @cached_property
    def response(self) -> dict[str, Any]:
        """The response object in canonical form; empty where the answer is none."""
        if not isinstance(self.body, dict) or self.status is None or self.status >= 300:
            return {}
        if not self.body.keys() & {"output", "status"}:
            return {}
        if not isinstance(self.body.get("status"), str | None):
            return {}  # it has the name of a response and not the form of one
        return normalize_response(self.body)

    @property
    def usable(self) -> bool:
        """Whether it is a response that did not fail; one still running is."""
        return bool(self.response) and not self.body.get("error") and self.failed is None

    @property
    def failed(self) -> str | None:
        """The status of a response that ended badly."""
        status = self.response.get("status")
        return status if status in {"failed", "cancelled"} else None

    @property
    def failure(self) -> Failure:
        """What the server says was wrong."""
        return read_failure(self.status, self.body)

    @property
    def refused(self) -> bool:
        """Whether the server will not do this, now or later; 501 is a refusal, other 5xx are accidents."""
        if self.usable or self.status is None:
            return False
        body = self.body if isinstance(self.body, dict) else {}
        error = self.status >= 400 or body.get("error") or body.get("type") == "error"
        return bool(error) and (self.status == 501 or not self.failure.transient)

    @property
    def accident(self) -> bool:
        """Whether the same request may well get another answer: the connection or the server broke."""
        if self.status is None:
            return not self.late
        return self.status >= 500 and self.status != 501

    @property
    def id(self) -> str:
        """The id of the response."""
        return str(self.response.get("id") or "")

    @property
    def text(self) -> str:
        """What the model said."""
        parts = [
            part
            for item in self.response.get("output", ())
            if item.get("type") == "message"
            for part in item.get("content") or ()
        ]
        return "".join(str(part.get("text") or "") for part in parts if isinstance(part, Mapping))

    @property
    def calls(self) -> list[dict[str, Any]]:
        """The function calls of the model."""
        output = self.response.get("output", ())
        return [item for item in output if item.get("type") == "function_call"]

    @property
    def tokens(self) -> tuple[int, int] | None:
        """Input tokens and visible output tokens, where they are counted."""
        return usage_tokens(self.response)


@dataclass(frozen=True, slots=True)
class Verdict:
    """One thing found out.

    Attributes:
        subject: What it is about.
        finding: What was found, in a few words.
        good: Whether that helps users; `None` where it was not found out, or is neither.
        evidence: What was sent and what came back, in one sentence.
    """

    subject: str
    finding: str
    good: bool | None = field(kw_only=True)
    evidence: str = field(kw_only=True)


@dataclass(kw_only=True)
class Chart:
    """What is known about the server so far; probes read it and add to it.

    Attributes:
        profile: What the address tells; measured facts replace its own in the end.
        model: The model to ask, `None` for the first that the server lists.
        word: A word nobody could guess, to be remembered.
        keyed: Whether there is a key to send.
        first: The answer to the first request, which planted the word.
        opening: The first request.
        facts: Fields of `ServerProfile` as measured.
        tried: Parameters sent to see whether they are refused, and whether they were.
        shapes: Error shapes seen, with the status they came with.
        careless: It continues responses that never were, so it has to prove each time that it keeps conversations.
        left: Paths of what the visit has made on the server, and whether it was to be stored.
    """

    profile: ServerProfile
    word: str
    model: str | None = None
    keyed: bool = True
    first: Answer = field(default_factory=lambda: Answer(status=None))
    opening: Call = field(default_factory=lambda: Call(method="POST", path="/responses"))
    facts: dict[str, Any] = field(default_factory=dict)
    tried: dict[str, bool] = field(default_factory=dict)
    shapes: dict[str, int] = field(default_factory=dict)
    careless: bool = False
    left: dict[str, bool] = field(default_factory=dict)

    @property
    def stateful(self) -> bool:
        """Whether conversations can be continued by id."""
        return self.facts.get("state") == "server"

    def diagnosed(self) -> ServerProfile:
        """The profile with what was measured in place of what was believed."""
        facts = {**self.facts, "state": "unknown"} if self.careless else self.facts
        believed = dict.fromkeys(self.profile.refuses, True)
        refuses = frozenset(name for name, no in {**believed, **self.tried}.items() if no)
        needs_key = facts.get("needs_key", self.keyed or self.profile.needs_key)
        return replace(self.profile, **{**facts, "needs_key": needs_key, "refuses": refuses})


Steps: TypeAlias = Generator[Call, Answer, list[Verdict]]


@dataclass(frozen=True, slots=True)
class Probe:
    """One examination: a generator that yields calls, is resumed with their answers, and returns verdicts.

    Attributes:
        subject: What it is about, for progress and for verdicts that were not reached.
        run: Makes the generator.
    """

    subject: str
    run: Callable[[Chart], Steps]


DEMANDED: Final[Mapping[str, Any]] = {
    "stream": True,
    "store": False,
    "instructions": "Answer briefly.",
}
"""Parameters that some servers demand, with the value."""


def create(chart: Chart, given: Any, **fields: Any) -> Call:
    """A create request with what the server demands; `stream` is said aloud because some stream when it is left out."""
    demanded = {name: DEMANDED[name] for name in chart.facts.get("demands", ())}
    body = {"model": chart.model, "input": given, "stream": False, **demanded, **fields}
    return Call(method="POST", path="/responses", body=body)


def say(role: str, text: str) -> dict[str, Any]:
    """A message in the form that every server takes."""
    kind = "output_text" if role == "assistant" else "input_text"
    return {"type": "message", "role": role, "content": [{"type": kind, "text": text}]}


def quote(answer: Answer, limit: int = 100) -> str:
    """What came back, short enough for a table."""
    if answer.status is None:
        return answer.trouble or "no answer"
    if answer.usable:
        said = " ".join(answer.text.split())
        status = answer.response.get("status") or "no status"
        return f"{answer.status} {status}" + (f' "{_short(said, limit)}"' if said else "")
    failure = answer.failure
    code = f" {failure.code}" if failure.code and failure.code != str(answer.status) else ""
    said = " ".join(failure.message.split()) or str(answer.failed or "")
    return f"{answer.status}{code}" + (f": {_short(said, limit)}" if said else "")


def _short(text: str, limit: int) -> str:
    return text if len(text) <= limit else f"{text[: limit - 1]}…"


def tolerated(
    call: Call, optional: Mapping[str, Mapping[str, Any]]
) -> Generator[Call, Answer, tuple[Answer, dict[str, Answer]]]:
    """Send a request with optional fields, without those that are blamed, until the server takes it.

    Args:
        call: The request without them.
        optional: Fields to add, by the name that an error would blame.

    Returns:
        The last answer, and the refusal of each part that was refused.
    """
    refusals: dict[str, Answer] = {}
    left = dict(optional)
    while True:
        answer = yield _with(call, left)
        if not answer.refused or not left:
            return answer, refusals
        guilty = [name for name in left if blames(answer.failure, name)]
        if not guilty:
            break
        refusals |= dict.fromkeys(guilty, answer)
        left = {name: part for name, part in left.items() if name not in guilty}
    for name, part in list(left.items()):
        answer = yield _with(call, {name: part})
        if answer.refused:
            refusals[name] = answer
            del left[name]
    answer = yield _with(call, left)
    return answer, refusals


def _with(call: Call, parts: Mapping[str, Mapping[str, Any]]) -> Call:
    body = dict(call.body or {})
    for part in parts.values():
        body |= part
    return Call(method=call.method, path=call.path, body=body, headers=call.headers)


def blames(failure: Failure, name: str) -> bool:
    """Whether an error is about a parameter: by its `param`, else by its words."""
    wanted = set(name.split("."))
    if failure.param is not None:
        return bool(wanted & set(re.split(r"[.\[\]]+", failure.param)))
    return any(re.search(rf"\b{re.escape(each)}\b", failure.message, re.I) for each in wanted)


def parsed(text: object) -> dict[str, Any] | None:
    """The JSON object that a text is, `None` where it is none."""
    try:
        value = json.loads(str(text))
    except ValueError:
        return None
    return value if isinstance(value, dict) else None
