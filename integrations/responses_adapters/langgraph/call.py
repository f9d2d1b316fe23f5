"""One call of the chat model between its preparation and its answer, the same whether it streams or not."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Final, Literal, NamedTuple

from langchain_core.exceptions import ContextOverflowError
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.outputs import ChatGenerationChunk
from langchain_core.runnables import RunnableConfig, ensure_config

from ..errors import ContextLengthError, ResponseIncompleteError
from ..protocol.turn import Event, Outcome, Turn
from .answers import to_message
from .bound_tools import BoundTools
from .fingerprint import fingerprint
from .notices import tell_graph
from .replay import STAMP
from .standard import chunk_to_translate, in_standard_blocks
from .streaming import AnswerStream

__all__ = [
    "POLL_SUFFIX",
    "Call",
    "ChatContextLengthError",
    "chain_name",
    "current_metadata",
    "running",
]


POLL_SUFFIX: Final = ".poll"
"""Ends the name of a node that waits for what the node before it submitted; both are one conversation."""


class ChatContextLengthError(ContextLengthError, ContextOverflowError):
    """`ContextLengthError`, by the name that LangChain's middleware looks for."""


class Call:
    """A prepared turn, and what becomes of it.

    Args:
        turn: The turn to run.
        tools: The tools that it offers.
        transport: Options of the client that runs the turn.
        on_incomplete: What to do when the answer was cut short by a limit.
        emit_events: Whether the graph's `"custom"` stream hears of recoveries.
        standard_content: Whether content is LangChain's standard blocks rather than the server's own.
    """

    def __init__(
        self,
        turn: Turn,
        *,
        tools: BoundTools | None,
        transport: Mapping[str, Any],
        on_incomplete: Literal["return", "raise"],
        emit_events: bool,
        standard_content: bool,
    ) -> None:
        self.turn = turn
        self.transport = transport
        self._decode = tools.decode if tools is not None else None
        self._stream = (
            AnswerStream(tools.decode, streams_arguments=tools.is_verbatim)
            if tools is not None
            else AnswerStream()
        )
        self._raises = on_incomplete == "raise"
        self._tell: Callable[[Event], None] = tell_graph if emit_events else lambda _: None
        self._standard_content = standard_content

    def answer(self, outcome: Outcome) -> AIMessage:
        """The stamped message of the finished response.

        Raises:
            ResponseIncompleteError: It is incomplete, and that was to be an error.
        """
        response = outcome.response
        if self._raises and response.get("status") == "incomplete":
            details = response.get("incomplete_details") or {}
            raise ResponseIncompleteError(
                f"response {response.get('id')} was cut short ({details.get('reason', 'no reason given')}): raise"
                " max_output_tokens, or set on_incomplete='return'",
                response_id=response.get("id"),
                status="incomplete",
                server=self.turn.profile.name,
            )
        message = to_message(response, self._decode)
        stamp = outcome.seal(fingerprint(message))
        if self._standard_content:
            message = in_standard_blocks(message)
        message.response_metadata[STAMP] = stamp
        if outcome.how == "recovered" and not self.turn.stream:
            self._tell({"type": "responses_adapters.recovered", "why": outcome.why})
        if (run := _current.get()) is not None:
            run.answers.append(message)
        return message

    def chunk(self, step: Event | Outcome) -> ChatGenerationChunk | None:
        """The chunk that one step of the exchange is worth, if any."""
        message: AIMessageChunk | None
        if isinstance(step, Outcome):
            message = self._stream.finish(self.answer(step), step.response.get("output") or ())
        else:
            if step["type"].startswith("responses_adapters."):
                self._tell(step)
            message = self._stream.push(step)
        if message is None:
            return None
        if self._standard_content:
            message = chunk_to_translate(message)
        return ChatGenerationChunk(message=message)


class _Run(NamedTuple):
    """What `invoke` tells the call below it, and gets back.

    LangChain gives streamed calls no configuration, rebuilds their message from chunks, and repairs cut JSON on the
    way; `invoke` hands out what the server said instead.
    """

    metadata: Mapping[str, Any]
    answers: list[AIMessage]

    def as_said(self, message: AIMessage) -> AIMessage:
        """The answer as the server gave it, under the id of the run; a cached message as it is."""
        stamp = message.response_metadata.get(STAMP)
        for answer in self.answers:  # those of calls that callbacks made are among them
            if answer.response_metadata[STAMP] == stamp:
                answer.id = message.id
                return answer
        return message


_current: ContextVar[_Run | None] = ContextVar("responses_run", default=None)


@contextmanager
def running(config: RunnableConfig | None) -> Iterator[_Run]:
    """Around a call of LangChain's `invoke`: its run, for `Call` to find."""
    run = _Run(ensure_config(config).get("metadata") or {}, [])
    token = _current.set(run)
    try:
        yield run
    finally:
        _current.reset(token)


def current_metadata() -> Mapping[str, Any]:
    """The metadata of the run around this call, however it was started."""
    run = _current.get()
    return run.metadata if run is not None else ensure_config().get("metadata") or {}


def chain_name(metadata: Mapping[str, Any]) -> str:
    """Whose conversation a run belongs to: the agent's name, else the place of its node in the graph."""
    if agent := metadata.get("lc_agent_name"):
        return str(agent)
    namespace = str(metadata.get("langgraph_checkpoint_ns") or metadata.get("langgraph_node") or "")
    nodes = [part.partition(":")[0].removesuffix(POLL_SUFFIX) for part in namespace.split("|")]
    return "|".join(nodes)
