"""The words of one call: the turn to send, what the core asks of its driver, and what comes out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, Literal, NotRequired, TypeAlias, TypedDict

from ..errors import ContextLengthError
from ..profiles import ServerProfile
from .chain import Ledger
from .items import Item
from .verdict import Memory, is_comparable, usage_tokens

__all__ = [
    "CONTINUABLE",
    "Command",
    "Earlier",
    "Emit",
    "Event",
    "Outcome",
    "Receive",
    "Reply",
    "Send",
    "Sleep",
    "Turn",
    "id_of",
]

CONTINUABLE: Final = frozenset({"completed", "requires_action"})
"""How a response must have ended for a later turn to continue it."""

Event: TypeAlias = dict[str, Any]
"""One event of a stream, as JSON; notices of ours have types that begin with `responses_adapters.`."""


@dataclass(frozen=True, slots=True)
class Send:
    """Send one request; answered with a `Reply`. The body of a streamed one is then read with `Receive`."""

    method: Literal["POST", "GET"]
    path: str
    body: Mapping[str, Any] | None = None
    stream: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Receive:
    """Read on; answered with the events of one network read, `None` at the end, or the exception that cut it."""


@dataclass(frozen=True, slots=True)
class Sleep:
    """Wait, in seconds."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Emit:
    """Let the caller see events."""

    events: Sequence[Event]


Command: TypeAlias = Send | Receive | Sleep | Emit


class Earlier(TypedDict):
    """What is kept of a request that was sent before: what it continued, and a digest of what else it said."""

    previous_response_id: str | None
    asked: NotRequired[str]


@dataclass(slots=True)
class Reply:
    """What came back for a `Send`.

    Attributes:
        status: HTTP status, `None` when there was no answer.
        body: Parsed JSON, or the text of a body that is not JSON; `None` where events follow.
        events: Whether the body is an event stream, to be read with `Receive`.
        headers: Response headers, to be looked up by names in lower case.
        sent: Bytes of the request body.
        error: The exception to raise if nothing else can be done about it.
        delivery: Without an answer, whether the server may have the request: `"refused"` no, `"unknown"` maybe.
        seconds: How long it took.
        earlier: The request that it really answers, where an earlier attempt at this turn has sent it; that attempt may
            have known more or less of the server, and had other instructions.
    """

    status: int | None
    body: Any = None
    events: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    sent: int = 0
    error: Exception | None = None
    delivery: Literal["answered", "refused", "unknown"] = "answered"
    seconds: float = 0.0
    earlier: Earlier | None = None


@dataclass(kw_only=True, slots=True)
class Turn:
    """One turn of a conversation, before it is decided how to send it.

    Attributes:
        body: The create request without `input`, `previous_response_id`, `instructions` and `stream`.
        ledger: The local view of the conversation.
        groups: Wire items of the local messages from an index on: one list a message.
        profile: Facts about the server.
        memory: What this client has learnt about it.
        instructions: Instructions of this turn.
        chaining: `"auto"` chains on reasons, `"always"` without proof, `"never"` sends everything.
        stream: Whether the caller wants events.
        on_dangling: What to do about calls that have no output.
        idempotency_key: One key for every attempt at this call.
        max_retries: Attempts after the first for refused connections, 429 and 5xx.
        poll_interval: Seconds between polls of a background response, unless the server hints otherwise.
        poll_timeout: Seconds until polling gives up; `None` waits for ever.
        overflow_error: Class of the error for a conversation that is too long; a framework may know one by its own.
    """

    body: Mapping[str, Any]
    ledger: Ledger
    groups: Callable[[int], Sequence[list[Item]]]
    profile: ServerProfile
    memory: Memory = field(default_factory=Memory)
    instructions: str | None = None
    chaining: Literal["auto", "always", "never"] = "auto"
    stream: bool = False
    on_dangling: Literal["output", "raise"] = "output"
    idempotency_key: str | None = None
    max_retries: int = 2
    poll_interval: float = 2.0
    poll_timeout: float | None = 600.0
    overflow_error: type[ContextLengthError] = ContextLengthError

    def may_continue(self, response: Mapping[str, Any]) -> bool:
        """Whether a later turn may: only a finished, stored response of a server that is not known to forget."""
        return (
            response.get("status", "completed") in CONTINUABLE
            and id_of(response) is not None
            and self.is_stored(response)
            and (self.profile.state != "replay" or self.chaining == "always")
            and self.memory.kind != "lost"
        )

    def is_stored(self, response: Mapping[str, Any]) -> bool:
        """Whether the server keeps this response, as far as anyone said; some do not echo `store`."""
        asked, echoed = self.body.get("store"), response.get("store")
        return self.profile.store != "never" and asked is not False and echoed is not False


def id_of(response: Mapping[str, Any]) -> str | None:
    """The id of a response, if it has one."""
    value = response.get("id")
    return value if isinstance(value, str) and value else None


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """The finished response, and how it was come by.

    Attributes:
        response: The final body.
        how: `"delta"`, `"replay"`, or `"recovered"` when a first attempt had to be replaced by a replay.
        why: The reason, for people.
        sent: Items in the input of the last create request.
        bytes_sent: Bytes of all request bodies of this call.
        requests: Create requests of this call.
        previous_response_id: What the last create request continued.
        anchor: Whether a later turn may continue this response.
        stored: Whether the server keeps it.
        setup: Digest of instructions, tools, format and model; `None` where they were not those of this turn.
        ledger: The local view that was sent.
    """

    response: dict[str, Any]
    how: Literal["delta", "replay", "recovered"]
    why: str
    sent: int
    bytes_sent: int
    requests: int
    previous_response_id: str | None
    anchor: bool
    stored: bool
    setup: str | None
    ledger: Ledger

    def seal(self, answer: bytes) -> dict[str, Any]:
        """The stamp to keep with the answer that has this fingerprint: plain JSON."""
        tokens = usage_tokens(self.response)
        return self.ledger.seal(
            answer,
            response_id=str(self.response.get("id", "")),
            anchor=self.anchor,
            facts={
                "how": self.how,
                "why": self.why,
                "sent": self.sent,
                "bytes": self.bytes_sent,
                "stored": self.stored,
                "setup": self.setup,
                "input_tokens": tokens[0] if tokens else None,
                "output_tokens": tokens[1] if tokens else None,
                **({} if self.setup else {"instructions": "unknown"}),
                **({} if is_comparable(self.response) else {"comparable": False}),
            },
        )
