"""What the emulated server is like, what it keeps, and how it can lose it."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any, Self

from .behaviour import Behaviour
from .limits import RateLimit
from .names import check_names
from .servers import BEHAVIOURS
from .store import Clock, Ids, Store

__all__ = ["ServerState"]


class ServerState:
    """A server's behaviour, store, ids and time, with a switch for whatever tests want otherwise.

    Args:
        name: Whose behaviour; one without a description of its own behaves like `generic`.
        seed: Ids are a function of it.

    Attributes:
        behaviour: How the emulated server behaves; change it with `configure`.
        clock: Virtual time.
        store: The responses it keeps.
        ids: Where its ids come from.
        rate: Create requests counted by the minute.
        locked: Held while a request is answered.
        polls: `GET`s until a background response has ended.
        background_seconds: Virtual seconds until it has, instead.
        pacing: Seconds before the first delta of a stream, and between deltas.
        remembers: How many requests, turns and responses are kept; `None`: all.
    """

    def __init__(self, name: str, *, seed: int) -> None:
        self.behaviour: Behaviour = BEHAVIOURS.get(name) or replace(
            BEHAVIOURS["generic"], name=name
        )
        self.clock: Clock = Clock()
        self.store: Store = Store()
        self.ids: Ids = Ids(seed, self.behaviour.id_style)
        self.rate: RateLimit = RateLimit()
        self.locked: threading.RLock = threading.RLock()
        self.polls: int = 2
        self.background_seconds: int | None = None
        self.pacing: tuple[float, float] = (0.0, 0.0)
        self.remembers: int | None = None

    def configure(self, **changes: Any) -> Self:
        """Change how the server behaves, by the field names of `Behaviour`.

        Raises:
            ConfigurationError: There is no such field.
        """
        check_names(changes, Behaviour.__dataclass_fields__, "behaviour")
        self.behaviour = replace(self.behaviour, **changes)
        return self

    def ignore_previous_id(self, *, echo: bool = False) -> Self:
        """Answer 200 and forget the conversation, as servers do that accept the id and ignore it.

        Args:
            echo: Lie: echo the id as if it had been used.
        """
        return self.configure(chaining="ignored", echo="id" if echo else "null", strict_pairs=False)

    def lose_previous_as(
        self,
        status: int,
        *,
        shape: str | None = None,
        code: str | None = None,
        message: str | None = None,
        in_stream: bool = False,
    ) -> Self:
        """How an unknown previous response is reported.

        Args:
            status: HTTP status, 400 or 404 on known servers; 200 puts the error into a normal body.
            shape: Key of `problems.SHAPES`: `"openai"`, `"detail"`, `"int_code"`, `"string"`, `"message"`.
            code: Error code.
            message: Message; `{id}` is the id asked for.
            in_stream: A streaming request gets HTTP 200 and one error event instead.
        """
        return self.configure(
            lost_status=status,
            lost_shape=shape,
            lost_code=code,
            lost_message=message or self.behaviour.lost_message,
            lost_in_stream=in_stream,
        )

    def background(self, polls: int | None = None, *, seconds: int | None = None) -> Self:
        """How long background responses take.

        Args:
            polls: `GET`s until the end is seen; 2 unless set.
            seconds: Virtual seconds instead, for `clock.advance`.
        """
        self.polls = self.polls if polls is None else polls
        self.background_seconds = seconds
        return self

    def pace(self, first: float = 0.0, between: float = 0.0) -> Self:
        """Real seconds before the first delta of a stream, and between deltas."""
        self.pacing = (first, between)
        return self

    def remember(self, newest: int) -> Self:
        """Keep the newest `newest` requests, turns and responses only, so that memory stays bounded.

        An older response is lost to those who continue it, as when a server's retention has ended.
        """
        self.remembers = newest
        return self

    def leave_out(self, *fields: str) -> Self:
        """Leave these fields out of every response object."""
        return self.configure(lacks=frozenset(fields))

    def reuse_ids(self) -> Self:
        """Give every response the same id."""
        return self.configure(reuses_ids=True)

    def change_id_on_retrieve(self) -> Self:
        """Show a response under another id when it is retrieved."""
        return self.configure(renames_on_retrieve=True)

    def forget(self) -> Self:
        """Lose every stored response, as a restarted server without a disk does."""
        with self.locked:
            self.store.clear()
        return self

    def expire(self, response: Any) -> Self:
        """Lose one stored response, by id or object."""
        with self.locked:
            self.store.drop(getattr(response, "id", response))
        return self

    def require_key(self, key: str) -> Self:
        """Answer 401 to requests without this bearer key."""
        return self.configure(key=key)

    def only_models(self, *models: str) -> Self:
        """Answer as for an unknown model to every other one."""
        return self.configure(models=models)
