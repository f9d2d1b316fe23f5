"""A background response as two nodes, so that new input finds the one that is still running.

The first node submits and writes what it submitted to the state, the second waits. Input that arrives while a response
is pending (after a crash, a time-out, a deploy) goes through the first node again: the same request is adopted, another
one cancels what is running, so that nothing is left behind to be paid for.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Final, get_type_hints

from langchain_core.runnables import Runnable, RunnableConfig
from langgraph.graph import StateGraph
from typing_extensions import TypedDict

from ..errors import ConfigurationError
from ..protocol.client import AsyncResponsesClient, ResponsesClient
from ..protocol.turn import Reply, Send
from .background import (
    AsyncBackgroundClient,
    Background,
    BackgroundClient,
    Submission,
    given_submission,
    is_accepted,
    request_digest,
)
from .call import POLL_SUFFIX
from .node import ResponsesNode

__all__ = ["add_responses"]

_PENDING: Final = "responses_pending"


def add_responses(builder: StateGraph[Any, Any, Any, Any], name: str, node: ResponsesNode) -> str:
    """Add a node as two, one that submits in the background and one that waits.

        answered = add_responses(builder, "model", ResponsesNode("gpt-5", background=True, tools=tools))
        builder.add_edge(START, "model")
        builder.add_conditional_edges(answered, tools_condition)
        builder.add_edge("tools", "model")

    Args:
        builder: The graph; its state gets a key `responses_pending`, which its output does not show.
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
    keys = {**hints, _PENDING: dict[str, Any] | None}
    schema = typed_dict("StateWithPending", keys, total=False)
    builder.add_node(name, _Phase(node, waits=False), input_schema=schema)
    builder.add_node(name + POLL_SUFFIX, _Phase(node, waits=True), input_schema=schema)
    builder.add_edge(name, name + POLL_SUFFIX)
    return name + POLL_SUFFIX


class _Phase(Runnable[Any, dict[str, Any]]):
    """One of the two nodes."""

    def __init__(self, node: ResponsesNode, *, waits: bool) -> None:
        self._node = node
        self._waits = waits

    def invoke(
        self,
        input: Any,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if self._waits and not input.get(_PENDING):
            return {}
        try:
            with self._submission(input):
                return {**self._node.invoke(input, config, **kwargs), _PENDING: None}
        except _ParkedError as parked:
            return {_PENDING: parked.saved}

    async def ainvoke(
        self,
        input: Any,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        if self._waits and not input.get(_PENDING):
            return {}
        try:
            with self._submission(input):
                return {**await self._node.ainvoke(input, config, **kwargs), _PENDING: None}
        except _ParkedError as parked:
            return {_PENDING: parked.saved}

    @contextmanager
    def _submission(self, state: Any) -> Iterator[None]:
        def submission(background: Background) -> Submission:
            return _Pending(background, saved=state.get(_PENDING), waits=self._waits)

        token = given_submission.set(submission)
        try:
            yield
        finally:
            given_submission.reset(token)


class _ParkedError(Exception):
    """Ends the submitting node once the response runs."""

    def __init__(self, saved: dict[str, Any]) -> None:
        super().__init__("submitted")
        self.saved = saved


@dataclass
class _Pending(Submission):
    """A submission kept in the graph's state: which request, and the server's reply to it."""

    saved: dict[str, Any] | None = None
    waits: bool = False

    def sync_driver(self) -> type[ResponsesClient]:
        return _PendingClient

    def async_driver(self) -> type[AsyncResponsesClient]:
        return _AsyncPendingClient

    @property
    def streams(self) -> bool:
        """Never: the node that submits does not stay, and a server may give up what nobody reads from the start."""
        return False

    def recall(self, send: Send) -> Reply | None:
        """The reply to this very request, if it is the pending one; once, since what it began may have failed."""
        if self.adopted or self.saved is None or self.saved["request"] != request_digest(send):
            return None
        self.adopted = True
        return self.note(Reply(**self.saved["reply"]))

    def stale(self) -> Send | None:
        """The request that cancels what is pending, which is not what is wanted any more."""
        response_id = (self.saved or {}).get("id")
        return Send("POST", f"/responses/{response_id}/cancel") if response_id else None

    def keep(self, send: Send, reply: Reply) -> Reply:
        """Remember an accepted request."""
        self.adopted = False
        if is_accepted(reply):
            fields = {"status": reply.status, "body": reply.body, "sent": reply.sent}
            self.saved = {
                "id": reply.body.get("id"),
                "request": request_digest(send),
                "reply": fields,
            }
        return self.note(reply)

    def before_poll(self) -> bool:
        """Whether to wait here; the submitting node ends instead."""
        if not self.waits and self.saved is not None:
            raise _ParkedError(self.saved)
        return super().before_poll()


@dataclass(frozen=True, kw_only=True)
class _PendingClient(BackgroundClient):
    submission: _Pending

    def _send(self, send: Send) -> Any:
        post = super(BackgroundClient, self)._send
        if send.method != "POST":
            return self.submission.note(post(send)[0]), None
        if (known := self.submission.recall(send)) is not None:
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
            return self.submission.note((await post(send))[0]), None
        if (known := self.submission.recall(send)) is not None:
            return known, None
        if (cancel := self.submission.stale()) is not None:
            await post(cancel)
        return self.submission.keep(send, (await post(send))[0]), None
