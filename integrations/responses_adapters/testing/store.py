"""What the server keeps: ids, the clock, responses with their event logs."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any

from .context import Context, Item

__all__ = ["Clock", "Ids", "Store", "Stored"]


class Ids:
    """Ids that look random and are the same in every run: a digest of the seed and a counter."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._count = 0

    def new(self, prefix: str, length: int = 48) -> str:
        """The next id, such as `resp_` and 48 hexadecimal digits."""
        self._count += 1
        text = f"{self._seed}:{self._count}".encode()
        return f"{prefix}_{hashlib.blake2b(text, digest_size=32).hexdigest()[:length]}"


class Clock:
    """Virtual time in whole seconds; it stands still unless advanced."""

    def __init__(self, now: int = 1_790_000_000) -> None:
        self.now = now

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
        waits: Statuses it goes through before the end, one a poll; empty when it has ended.
    """

    body: dict[str, Any]
    log: list[dict[str, Any]]
    context: Context
    input: list[Item]
    waits: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """Its id."""
        return str(self.body["id"])


class Store:
    """Responses by id, and items by id for references to them."""

    def __init__(self) -> None:
        self.responses: dict[str, Stored] = {}
        self.items: dict[str, Item] = {}

    def keep(self, stored: Stored) -> None:
        """Keep a response and index its items."""
        self.responses[stored.id] = stored
        for item in (*stored.input, *stored.body["output"]):
            if item.get("id"):
                self.items[item["id"]] = item

    def drop(self, response_id: str) -> Stored | None:
        """Forget one response; `None` if there was none."""
        stored = self.responses.pop(response_id, None)
        if stored is not None:
            for item in (*stored.input, *stored.body["output"]):
                self.items.pop(item.get("id") or "", None)
        return stored

    def clear(self) -> None:
        """Forget everything, as a restarted server without a disk does."""
        self.responses.clear()
        self.items.clear()
