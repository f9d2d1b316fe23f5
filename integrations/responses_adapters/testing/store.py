"""What the server keeps: ids, the clock, responses with their event logs, conversations."""

from __future__ import annotations

import base64
import hashlib
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from .context import Context, Item

__all__ = ["Clock", "Conversation", "Ids", "Store", "Stored"]


class Ids:
    """Ids that look random and are the same in every run: a digest of the seed and a counter.

    Args:
        seed: Another seed gives other ids.
        style: `"hex"` digits, or `"ulid"`, 26 characters of Crockford's alphabet.
    """

    def __init__(self, seed: int, style: Literal["hex", "ulid"] = "hex") -> None:
        self._seed = seed
        self._style = style
        self._count = 0

    def new(self, prefix: str, length: int = 48) -> str:
        """The next id, such as `resp_` and 48 hexadecimal digits."""
        return f"{prefix}_{self.ulid() if self._style == 'ulid' else self._digest().hex()[:length]}"

    def ulid(self) -> str:
        """The next id without a prefix, as 26 characters."""
        return base64.b32encode(self._digest())[:26].decode().translate(_CROCKFORD)

    def _digest(self) -> bytes:
        self._count += 1
        return hashlib.blake2b(f"{self._seed}:{self._count}".encode(), digest_size=32).digest()


_CROCKFORD = str.maketrans("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "0123456789ABCDEFGHJKMNPQRSTVWXYZ")


class Clock:
    """Virtual time in whole seconds; it stands still unless advanced."""

    def __init__(self, now: int = 1_790_000_000) -> None:
        self.now: int = now

    def advance(self, seconds: int) -> None:
        """Let `seconds` pass."""
        self.now += seconds


@dataclass(slots=True)
class Stored:
    """One response as the server keeps it.

    Attributes:
        body: The response as it stands in the end.
        log: Every event of it, in order; streams, polls and replays read from here.
        context: What the model saw, so that a chained turn can build on it.
        input: The items that came with this request alone.
        waits: Statuses before the end: the first at once, the last while it is polled. Empty when it has ended.
        polls: How many polls until the end is seen.
        due: Virtual time at which it ends whatever the polls; `None`: polls alone decide.
        ticket: Id of the unfinished response, on servers that give the finished one another.
        idle_usage: Usage reported before the end.
        deleted: It is hidden, and can be restored.
        delivered: Its webhook has been called.
        pace: Seconds before the first delta and between deltas, where the turn sets them.
    """

    body: dict[str, Any]
    log: list[dict[str, Any]]
    context: Context
    input: list[Item]
    waits: tuple[str, ...] = ()
    polls: int = 0
    due: int | None = None
    ticket: str | None = None
    idle_usage: dict[str, Any] | None = None
    pace: tuple[float, float] | None = None
    deleted: bool = False
    delivered: bool = False

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.body["id"])

    @property
    def ended(self) -> bool:
        """Whether it has reached its final state."""
        return not self.waits

    def poll(self, clock: Clock) -> None:
        """Look at it once more, which is what makes a background response go on."""
        if self.ended:
            return
        self.polls -= 1
        self.waits = self.waits[-1:]
        if self.polls <= 0 if self.due is None else clock.now >= self.due:
            self.end(clock)

    def end(self, clock: Clock) -> None:
        """Reach the final state, at the time the clock shows."""
        if self.ended:
            return
        self.waits = ()
        if self.body.get("completed_at") is not None:
            self.body = {**self.body, "completed_at": clock.now}
            self.log[-1] = {**self.log[-1], "response": self.body}
        if self.ticket is not None and self.body["status"] == "failed":
            self.body = {**self.body, "id": self.ticket}

    def cancel(self) -> None:
        """Stop before the end: no output, no usage, no terminal event."""
        waiting = self.now()
        self.waits = ()
        self.body = {**waiting, "status": "cancelled"}
        self.log = [event for event in self.log if event["type"] in _BEFORE_OUTPUT]

    def now(self) -> dict[str, Any]:
        """The response as it stands."""
        if self.ended:
            return self.body
        return {
            **self.body,
            "id": self.ticket or self.id,
            "status": self.waits[0],
            "completed_at": None,
            "error": None,
            "incomplete_details": None,
            "output": [],
            "usage": self.idle_usage,
        }


_BEFORE_OUTPUT = {"response.created", "response.queued", "response.in_progress"}


@dataclass(slots=True)
class Conversation:
    """A conversation object and its items, each with an id."""

    body: dict[str, Any]
    items: list[Item] = field(default_factory=list)


class Store:
    """Responses and conversations by id, items by id for references to them.

    Attributes:
        reservations: Request body and response of each idempotency key.
        sealed: Encrypted contents given out; they need no memory, so that nothing takes them away.
        reasoned: The reasoning item that an item must come back with, by id.
    """

    def __init__(self) -> None:
        self.sealed: set[str] = set()
        self.reasoned: dict[str, str] = {}
        self.responses: dict[str, Stored] = {}
        self.conversations: dict[str, Conversation] = {}
        self.items: dict[str, Item] = {}
        self._holders: Counter[str] = Counter()
        self.schedules: dict[str, Item] = {}
        self.reservations: dict[tuple[str, str], tuple[bytes, Stored]] = {}

    def find(self, response_id: str) -> Stored | None:
        """A response that is there and not hidden."""
        stored = self.responses.get(response_id)
        return None if stored is None or stored.deleted else stored

    def keep(self, stored: Stored) -> None:
        """Keep a response and index its items."""
        self.responses[stored.id] = stored
        if stored.ticket is not None:
            self.responses[stored.ticket] = stored
        for item_id, item in _items(stored).items():
            self.items[item_id] = item
            self._holders[item_id] += 1

    def note(self, output: list[Item]) -> None:
        """Remember what was sealed, and which item a reasoning item led to."""
        before: Item = {}
        for item in output:
            if item.get("encrypted_content"):
                self.sealed.add(item["encrypted_content"])
            if before.get("type") == "reasoning":
                self.reasoned[item["id"]] = before["id"]
            before = item

    def drop(self, response_id: str) -> Stored | None:
        """Forget one response; `None` if there was none."""
        stored = self.responses.pop(response_id, None)
        if stored is not None:
            for name in (stored.id, stored.ticket):
                self.responses.pop(name or "", None)
            for item_id in _items(stored):
                self._holders[item_id] -= 1
                if self._holders[item_id] < 1:
                    self.items.pop(item_id, None)
                    del self._holders[item_id]
        return stored

    def trim(self, newest: int) -> None:
        """Forget all but the newest responses, conversations, schedules and reservations."""
        while len(self.responses) > newest:
            self.drop(next(iter(self.responses)))
        further: list[dict[Any, Any]] = [
            self.conversations,
            self.schedules,
            self.reservations,
            self.reasoned,
        ]
        for entries in further:
            while len(entries) > newest:
                del entries[next(iter(entries))]

    def clear(self) -> None:
        """Forget everything, as a restarted server without a disk does."""
        self.responses.clear()
        self.conversations.clear()
        self.items.clear()
        self._holders.clear()


def _items(stored: Stored) -> dict[str, Item]:
    """The items of a response by id; some belong to others too, as a repeated history does."""
    return {item["id"]: item for item in (*stored.input, *stored.body["output"]) if item.get("id")}
