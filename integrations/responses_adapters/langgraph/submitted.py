"""What was submitted to run in the background, as this process and the checkpoints of a graph remember it."""

from __future__ import annotations

import hashlib
import json
from collections import OrderedDict
from typing import Any, Final, TypeAlias

from ..protocol.chain import Ledger
from ..protocol.request import asked_digest
from ..protocol.turn import Reply, Send
from ..protocol.waiting import RUNNING

__all__ = [
    "Attempt",
    "InFlight",
    "NotSubmittedError",
    "as_saved",
    "in_flight",
    "is_accepted",
    "request_digest",
    "thread_digest",
]

Attempt: TypeAlias = tuple[float | None, int]
"""When an execution of a graph task began, in seconds of the epoch, and the number of the attempt in it."""

_MAX_IN_FLIGHT: Final = 2_000
_AWAITED: Final = ("id", "status", "previous_response_id", "conversation")


def is_accepted(reply: Reply) -> bool:
    """Whether the reply speaks of a response; any other would be read again by every resumed run if it were kept."""
    body = reply.body
    return reply.error is None and isinstance(body, dict) and bool(body.keys() & {"id", "output"})


def request_digest(send: Send) -> str:
    """Digest of what is asked for; whether its events are wanted as well is another matter."""
    body = {key: value for key, value in (send.body or {}).items() if key != "stream"}
    return hashlib.sha256(json.dumps(body, sort_keys=True, default=str).encode()).hexdigest()


def thread_digest(ledger: Ledger) -> str:
    """Digest of the messages that a request answers, and of who holds them, whatever else it says."""
    found = hashlib.sha256(ledger.scope.encode())
    for entry in ledger.entries:
        if not entry.ephemeral:
            found.update(hashlib.sha256(entry.fingerprint).digest())
    return found.hexdigest()


class InFlight:
    """What this process has submitted: a retried graph task runs its tasks again, and must not submit again."""

    def __init__(self) -> None:
        self._replies: OrderedDict[str, dict[str, Any]] = OrderedDict()
        self._counts: OrderedDict[tuple[str, Attempt, str], int] = OrderedDict()

    def count(self, task_id: str, attempt: Attempt, digest: str) -> int:
        """How often this attempt has asked for this very request: asking twice means two answers."""
        key = (task_id, attempt, digest)
        self._counts[key] = self._counts.get(key, 0) + 1
        _limit(self._counts)
        return self._counts[key]

    def find(self, name: str) -> dict[str, Any] | None:
        """The saved reply to a request, if it was accepted."""
        return self._replies.get(name)

    def keep(self, name: str, send: Send, reply: Reply) -> dict[str, Any]:
        """The reply as plain JSON, kept for further attempts.

        Raises:
            NotSubmittedError: It speaks of no response: a refusal, or a body that arrived broken.
        """
        if not is_accepted(reply):
            raise NotSubmittedError(reply)
        saved = self._replies[name] = as_saved(send, reply)
        _limit(self._replies)
        return saved


def as_saved(send: Send, reply: Reply) -> dict[str, Any]:
    """The reply to an accepted request, as the arguments of `Reply`: plain JSON."""
    sent = send.body or {}
    earlier = {
        "previous_response_id": sent.get("previous_response_id"),
        "asked": asked_digest(sent),
    }
    body = _without_echo(reply.body)
    return {"status": reply.status, "body": body, "sent": reply.sent, "earlier": earlier}


def _without_echo(body: dict[str, Any]) -> dict[str, Any]:
    """What waiting needs of a running response: tools, instructions and input come again with its end."""
    if body.get("status") not in RUNNING:
        return body
    return {name: body[name] for name in _AWAITED if name in body}


def _limit(entries: OrderedDict[Any, Any]) -> None:
    while len(entries) > _MAX_IN_FLIGHT:
        entries.popitem(last=False)


in_flight: Final = InFlight()


class NotSubmittedError(Exception):
    """Carries a reply that speaks of no response out of a task, so that it is not saved as its result."""

    def __init__(self, reply: Reply) -> None:
        super().__init__("the request was refused")
        self.reply = reply
