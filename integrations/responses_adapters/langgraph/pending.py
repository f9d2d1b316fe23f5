"""A background response as two nodes, so that new input finds the one that is still running.

The first node submits and writes what it submitted to the state, the second waits. Input that arrives while a response
is pending (after a crash, a time-out, a deploy) goes through the first node again: the response to the same messages is
adopted, any other is cancelled, so that nothing is left behind to be paid for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import StateGraph
from typing_extensions import TypedDict, is_typeddict

from ..errors import ConfigurationError
from ..protocol.chain import Ledger
from ..protocol.client import AsyncResponsesClient, ResponsesClient
from ..protocol.turn import Reply, Send
from .background import (
    AsyncBackgroundClient,
    Background,
    BackgroundClient,
    ParkedError,
    Submission,
    given_submission,
)
from .call import POLL_SUFFIX
from .node import ResponsesNode
from .submitted import as_saved, is_accepted, thread_digest

__all__ = ["add_responses"]

_PENDING: Final = "responses_pending_"


def add_responses(builder: StateGraph[Any, Any, Any, Any], name: str, node: ResponsesNode) -> str:
    """Add a node as two, one that submits in the background and one that waits.

        answered = add_responses(builder, "model", ResponsesNode("gpt-5", background=True, tools=tools))
        builder.add_edge(START, "model")
        builder.add_conditional_edges(answered, tools_condition)
        builder.add_edge("tools", "model")

    Args:
        builder: The graph; its state gets a key `responses_pending_<name>`, which its output does not show.
        name: Name of the node that submits.
        node: The node; its model runs in the background.

    Returns:
        The name of the node that waits: edges that follow the answer start there.

    Raises:
        ConfigurationError: The name is that of the second node of another pair.
    """
    if name.endswith(POLL_SUFFIX):
        raise ConfigurationError(
            f"{name!r} cannot end in {POLL_SUFFIX!r}: that is the waiting node"
        )
    hints = get_type_hints(builder.state_schema, include_extras=True)
    typed_dict: Any = TypedDict
    key = _PENDING + name
    schema = typed_dict("StateWithPending", {**hints, key: dict[str, Any] | None}, total=False)
    for waits, suffix in ((False, ""), (True, POLL_SUFFIX)):
        phase = _Phase(node, key=key, schema=builder.state_schema, waits=waits)
        builder.add_node(name + suffix, phase, input_schema=schema)
    builder.add_edge(name, name + POLL_SUFFIX)
    return name + POLL_SUFFIX


class _Phase(Runnable[Any, dict[str, Any]]):
    """One of the two nodes."""

    def __init__(self, node: ResponsesNode, *, key: str, schema: type[Any], waits: bool) -> None:
        self._node = node
        self._key = key
        self._schema = schema
        self._waits = waits

    def invoke(
        self,
        input: Any,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if self._waits and not input.get(self._key):
            return {}
        with self._submission(input):
            update = self._node.invoke(self._state(input), config, **kwargs)
        return {self._key: None, **update}

    async def ainvoke(
        self,
        input: Any,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if self._waits and not input.get(self._key):
            return {}
        with self._submission(input):
            update = await self._node.ainvoke(self._state(input), config, **kwargs)
        return {self._key: None, **update}

    def _state(self, values: dict[str, Any]) -> Any:
        """The state as the graph's own schema has it."""
        own = {name: value for name, value in values.items() if name != self._key}
        return own if is_typeddict(self._schema) else self._schema(**own)

    @contextmanager
    def _submission(self, values: dict[str, Any]) -> Iterator[None]:
        def submission(background: Background, ledger: Ledger) -> Submission:
            return _Pending(
                background,
                key=self._key,
                pending=values.get(self._key),
                messages=thread_digest(ledger),
                waits=self._waits,
            )

        token = given_submission.set(submission)
        try:
            yield
        finally:
            given_submission.reset(token)


@dataclass(kw_only=True)
class _Pending(Submission):
    """A submission kept in the graph's state under `key`: which messages it answers, and the server's reply to it.

    Attributes:
        key: Key of the state.
        messages: Digest of the messages to answer.
        waits: Whether to wait here.
        pending: What the state holds, until it is adopted or cancelled.
        saved: What was adopted or submitted last.
    """

    key: str
    messages: str
    waits: bool
    pending: dict[str, Any] | None
    saved: dict[str, Any] | None = None

    def sync_driver(self) -> type[ResponsesClient]:
        return _PendingClient

    def async_driver(self) -> type[AsyncResponsesClient]:
        return _AsyncPendingClient

    @property
    def streams(self) -> bool:
        """Never: the node that submits does not stay, and a server may give up what nobody reads from the start."""
        return False

    def recall(self) -> Reply | None:
        """The reply to what is pending, if it answers these messages; once, since what it began may have failed.

        Instructions, settings and what is known of the server may have changed since: no reason to pay again.
        """
        if self.pending is None or self.pending.get("messages") != self.messages:
            return None
        self.saved, self.pending, self.adopted = self.pending, None, True
        return self.note(Reply(**self.saved["reply"]))

    def stale(self) -> Send | None:
        """The request that cancels what is pending and not wanted."""
        response_id = (self.pending or {}).get("id")
        self.pending = None
        return Send("POST", f"/responses/{response_id}/cancel") if response_id else None

    def keep(self, send: Send, reply: Reply) -> Reply:
        """Remember an accepted request."""
        self.adopted, self.saved = False, None
        if is_accepted(reply):
            self.saved = {
                "id": reply.body.get("id"),
                "messages": self.messages,
                "reply": as_saved(send, reply),
            }
        return self.note(reply)

    def before_poll(self) -> bool:
        """Whether to wait here; the submitting node ends instead."""
        if not self.waits and self.saved is not None:
            raise ParkedError({self.key: self.saved})
        return super().before_poll()


@dataclass(frozen=True, kw_only=True)
class _PendingClient(BackgroundClient):
    submission: _Pending

    def _send(self, send: Send) -> Any:
        post = super(BackgroundClient, self)._send
        if send.method != "POST":
            return self.submission.seen(post(send)[0]), None
        if (known := self.submission.recall()) is not None:
            return known, None
        if (cancel := self.submission.stale()) is not None:
            post(cancel)
        return self.submission.keep(send, post(send)[0]), None


@dataclass(frozen=True, kw_only=True)
class _AsyncPendingClient(AsyncBackgroundClient):
    submission: _Pending

    async def _send(self, send: Send) -> Any:
        post = super(AsyncBackgroundClient, self)._send
        if send.method != "POST":
            return self.submission.seen((await post(send))[0]), None
        if (known := self.submission.recall()) is not None:
            return known, None
        if (cancel := self.submission.stale()) is not None:
            await post(cancel)
        return self.submission.keep(send, (await post(send))[0]), None
