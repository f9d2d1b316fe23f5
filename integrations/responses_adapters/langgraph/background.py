"""Background responses that survive the process: submitted once, polled by whoever resumes the graph.

The request is sent inside a LangGraph task, whose result is saved before waiting begins; a resumed run finds it and
goes on waiting. A retry in the same process, which runs tasks again, finds it in memory. What remains is the moment
between the server's acceptance and the save: a crash there submits again, under the same Idempotency-Key.
"""

from __future__ import annotations

import asyncio
import warnings
from collections.abc import AsyncGenerator, Callable, Iterator, Mapping
from contextlib import aclosing
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal, cast

from langchain_core.runnables import ensure_config
from langgraph.errors import GraphDrained
from langgraph.func import task
from langgraph.runtime import Runtime, get_runtime
from langgraph.types import interrupt

from ..errors import ConfigurationError, ResponseFailedError
from ..protocol.chain import Ledger
from ..protocol.client import AsyncResponsesClient, ResponsesClient
from ..protocol.turn import Event, Outcome, Reply, Send, Turn
from ..protocol.waiting import RUNNING
from .notices import tell_graph
from .submitted import Attempt, NotSubmittedError, in_flight, request_digest
from .watched import AsyncWatchedStream, WatchedStream, abegin, begin, tells_answer

__all__ = [
    "CHECKPOINTER",
    "AsyncBackgroundClient",
    "Background",
    "BackgroundClient",
    "ParkedError",
    "Submission",
    "given_submission",
    "graph_runtime",
]

CHECKPOINTER: Final = "__pregel_checkpointer"
"""LangGraph's key; its value is None without one."""

_CALL: Final = "__pregel_call"  # LangGraph's keys
_DURABILITY: Final = "__pregel_durability"
_TASK: Final = "responses.submit"


@dataclass(frozen=True, kw_only=True, slots=True)
class Background:
    """How to wait for a response that runs on the server.

    Args:
        poll_interval: Seconds between polls. A response whose events arrive is not polled.
        poll_timeout: Seconds of polling until it gives up with `BackgroundTimeoutError`; `None` polls for ever.
        on_cancel: Whether a cancelled asyncio task also cancels the response, or leaves it running.
        wait: `"poll"` polls in the node. `"interrupt"` parks the graph with
            `interrupt({"response_id", "status"})`; resume it (with any value) when a webhook says that the response
            has finished. Needs a checkpointer.

    Raises:
        ConfigurationError: `on_cancel` or `wait` has another value.
    """

    poll_interval: float = 2.0
    poll_timeout: float | None = 600.0
    on_cancel: Literal["cancel", "leave"] = "cancel"
    wait: Literal["poll", "interrupt"] = "poll"

    def __post_init__(self) -> None:
        for name, known in (("on_cancel", ("cancel", "leave")), ("wait", ("poll", "interrupt"))):
            value = getattr(self, name)
            if value not in known:
                raise ConfigurationError(
                    f"Background({name}={value!r}): it is {' or '.join(map(repr, known))}"
                )

    @property
    def cancels(self) -> bool:
        """Whether a run that is cancelled cancels its response."""
        return self.wait == "poll" and self.on_cancel == "cancel"


@dataclass
class Submission:
    """One background call: the graph task it belongs to, and what came back for it.

    Attributes:
        background: How to wait.
        task: Id of the graph task, the same in every attempt; `None` outside of graphs.
        attempt: Which execution of the task, and which attempt of it, this is.
        tells: Whether the graph's `"custom"` stream hears of each wait.
        response_id: The response that was accepted.
        status: Its status when last seen.
        adopted: Whether an earlier attempt submitted it, rather than this one.
        watched: Whether it was seen running.
    """

    background: Background
    task: str | None = None
    attempt: Attempt = (None, 1)
    tells: bool = True
    response_id: str | None = None
    status: str | None = None
    adopted: bool = False
    watched: bool = False
    _names: dict[str, str] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def here(cls, background: Background, ledger: Ledger, *, tells: bool = True) -> Submission:
        """A submission of the graph task that is running, or of none; or the one that a graph keeps itself.

        Args:
            background: How to wait.
            ledger: The messages that it answers, and who holds them.
            tells: Whether the graph's `"custom"` stream hears of each wait.

        Raises:
            ConfigurationError: It is to park a graph that has no checkpointer.
        """
        configurable, runtime = _configurable(), graph_runtime()
        if background.wait == "interrupt" and configurable.get(CHECKPOINTER) is None:
            raise ConfigurationError(
                'Background(wait="interrupt") parks the graph, which needs a checkpointer: compile(checkpointer=...);'
                " nothing was sent"
            )
        if (given := given_submission.get()) is not None:
            return given(background, ledger)
        info = runtime.execution_info if runtime is not None else None
        if info is None:
            return cls(background, tells=tells)
        if configurable.get(_DURABILITY) == "exit":
            warnings.warn(
                'durability="exit" saves nothing while a background response runs: after a crash it is submitted'
                " again",
                stacklevel=2,
            )
        attempt = (info.node_first_attempt_time, info.node_attempt)
        return cls(background, info.task_id, attempt, tells)

    def sync_driver(self) -> type[ResponsesClient]:
        """The client that runs it."""
        return BackgroundClient

    def async_driver(self) -> type[AsyncResponsesClient]:
        """The asynchronous client that runs it."""
        return AsyncBackgroundClient

    @property
    def streams(self) -> bool:
        """Whether the events of the response may be asked for: somebody stays to read them."""
        return self.background.wait == "poll"

    @property
    def pause(self) -> float:
        """Seconds between two signs of life."""
        return self.background.poll_interval

    def address(self, send: Send) -> tuple[str, Send] | None:
        """A name for this request that is the same in every attempt, and the request under that name."""
        if self.task is None:
            return None
        digest = request_digest(send)[:16]
        if digest not in self._names:
            number = in_flight.count(self.task, self.attempt, digest)
            self._names[digest] = f"{self.task}-{digest}-{number}"
        name = self._names[digest]
        return name, replace(send, headers={**send.headers, "Idempotency-Key": name})

    def may_replace(self, error: ResponseFailedError) -> bool:
        """Whether to ask anew where an earlier attempt's response failed: trying again can help, or it was cancelled."""
        cancelled = error.status == "cancelled" and self.background.cancels and not self.watched
        return self.adopted and (error.retryable or cancelled)

    def start_over(self) -> None:
        """Ask anew: the next request is another one, even if it says the same."""
        self._names.clear()
        self.watched = False

    def seen(self, reply: Reply) -> Reply:
        """The reply to a poll; what is seen running here and cancelled later, somebody else has cancelled."""
        self.watched = self.watched or (
            isinstance(reply.body, dict) and reply.body.get("status") in RUNNING
        )
        return self.note(reply)

    def note(self, reply: Reply) -> Reply:
        """Remember which response the reply speaks of."""
        if isinstance(reply.body, dict):
            self.response_id = reply.body.get("id") or self.response_id
            self.status = reply.body.get("status")
        return reply

    def before_poll(self) -> bool:
        """Called before each wait for the response; whether to go on waiting here, rather than park the graph.

        Raises:
            GraphDrained: The run is to end; a resumed one waits for the same response.
        """
        if self.background.wait == "interrupt":
            interrupt({"response_id": self.response_id, "status": self.status})
            return False
        self.keep_alive()
        if self.tells:
            waiting = {"response_id": self.response_id, "status": self.status}
            tell_graph({"type": "responses_adapters.waiting", **waiting})
        return True

    def keep_alive(self) -> None:
        """Let the graph know that its node goes on.

        Raises:
            GraphDrained: The run is to end; a resumed one waits for the same response.
        """
        if (runtime := graph_runtime()) is not None:
            if runtime.drain_requested:
                raise GraphDrained(runtime.drain_reason or "shutdown")
            runtime.heartbeat()


def _configurable() -> Mapping[str, Any]:
    return ensure_config().get("configurable") or {}


def graph_runtime() -> Runtime[Any] | None:
    """The runtime of the graph around this call, `None` outside of graphs."""
    return get_runtime() if _CALL in _configurable() else None


given_submission: ContextVar[Callable[[Background, Ledger], Submission] | None] = ContextVar(
    "responses_submission", default=None
)
"""How the submission of the running node is made, where the graph's state keeps it."""


class ParkedError(Exception):
    """Ends a node while its response runs; `update` is what the state keeps of it."""

    def __init__(self, update: dict[str, Any]) -> None:
        super().__init__("submitted")
        self.update = update


@dataclass(frozen=True, kw_only=True)
class BackgroundClient(ResponsesClient):
    """Runs a turn whose response runs in the background."""

    submission: Submission

    def run(self, turn: Turn) -> Iterator[Event | Outcome]:
        """Run one turn; see `ResponsesClient.run`. An earlier attempt's response that failed is replaced."""
        shown = False
        while True:
            try:
                for step in super().run(turn):
                    shown = shown or tells_answer(step)
                    yield step
                return
            except ResponseFailedError as error:
                if shown or not self.submission.may_replace(error):
                    raise
                self.submission.start_over()

    def _send(self, send: Send) -> Any:
        post = super()._send
        if send.method != "POST":
            reply, events = post(send)
            return self.submission.seen(reply), events and WatchedStream(events, self.submission)
        addressed = self.submission.address(send)
        if addressed is None:
            reply, stream = begin(*post(send), self.submission)
            return self.submission.note(reply), stream
        name, send = addressed
        begun: list[WatchedStream] = []

        def submit() -> dict[str, Any]:
            if (known := in_flight.find(name)) is not None:
                return known
            self.submission.adopted = False
            reply, stream = begin(*post(send), self.submission)
            begun.extend([stream] if stream else [])
            return in_flight.keep(name, send, reply)

        self.submission.adopted = True
        run: Any = task(name=_TASK)(cast("Any", submit))
        try:
            reply = self.submission.note(Reply(**run().result()))
        except NotSubmittedError as refused:
            for stream in begun:
                stream.close()
            return replace(refused.reply, events=False), None
        return replace(reply, events=bool(begun)), begun[0] if begun else None

    def _sleep(self, seconds: float) -> None:
        if self.submission.response_id is None or self.submission.before_poll():
            super()._sleep(seconds)


@dataclass(frozen=True, kw_only=True)
class AsyncBackgroundClient(AsyncResponsesClient):
    """Runs a turn whose response runs in the background."""

    submission: Submission

    async def run(self, turn: Turn) -> AsyncGenerator[Event | Outcome]:
        """Run one turn; see `AsyncResponsesClient.run`. An earlier attempt's response that failed is replaced.

        Cancelled, it cancels the response if it is to.
        """
        shown = False
        try:
            while True:
                try:
                    async with aclosing(super().run(turn)) as steps:
                        async for step in steps:
                            shown = shown or tells_answer(step)
                            yield step
                    return
                except ResponseFailedError as error:
                    if shown or not self.submission.may_replace(error):
                        raise
                    self.submission.start_over()
        except asyncio.CancelledError:
            cancels = turn.profile.cancels and self.submission.background.cancels
            if cancels and (response_id := self.submission.response_id) is not None:
                await asyncio.shield(self._cancel(response_id))
            raise

    async def _cancel(self, response_id: str) -> None:
        await super()._send(Send("POST", f"/responses/{response_id}/cancel"))

    async def _send(self, send: Send) -> Any:
        post = super()._send
        if send.method != "POST":
            reply, events = await post(send)
            return self.submission.seen(reply), events and AsyncWatchedStream(
                events, self.submission
            )
        addressed = self.submission.address(send)
        if addressed is None:
            reply, stream = await abegin(*await post(send), self.submission)
            return self.submission.note(reply), stream
        name, send = addressed
        begun: list[AsyncWatchedStream] = []

        async def submit() -> dict[str, Any]:
            if (known := in_flight.find(name)) is not None:
                return known
            self.submission.adopted = False
            reply, stream = await abegin(*await post(send), self.submission)
            begun.extend([stream] if stream else [])
            return in_flight.keep(name, send, reply)

        self.submission.adopted = True
        run: Any = task(name=_TASK)(cast("Any", submit))
        try:
            reply = self.submission.note(Reply(**await run()))
        except NotSubmittedError as refused:
            for stream in begun:
                await stream.close()
            return replace(refused.reply, events=False), None
        return replace(reply, events=bool(begun)), begun[0] if begun else None

    async def _sleep(self, seconds: float) -> None:
        if self.submission.response_id is None or self.submission.before_poll():
            await super()._sleep(seconds)
