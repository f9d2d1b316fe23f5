"""The LangGraph node: state in, answer out, and the server sees exactly the messages in the state."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, Literal, NamedTuple, TypeAlias

from langchain_core.messages import AIMessage, BaseMessage, HumanMessage
from langchain_core.runnables import Runnable, RunnableConfig, ensure_config
from langchain_core.runnables.base import RunnableBindingBase
from langgraph.runtime import Runtime

from ..errors import ConfigurationError, MaxIterationsError
from .adopt import responses_model
from .approvals import ask_for_approval, pending_approvals
from .background import CHECKPOINTER, ParkedError, graph_runtime
from .chat_model import ChatResponses
from .replay import STAMP
from .state import as_messages, last_response_id

__all__ = ["ResponsesNode"]

PerRun: TypeAlias = Callable[[Any, Runtime[Any]], Any]
"""A function of the state and the runtime, called on every turn."""

_SEED: Final = "previous_response_id"


class ResponsesNode(Runnable[Any, dict[str, Any]]):
    """A node that sends the messages in the state to a Responses server and adds its answer.

        graph = StateGraph(MessagesState)
        graph.add_node("model", ResponsesNode(ChatOpenAI(model="gpt-5").bind_tools(tools)))

    Works with any state that has messages; the schema needs no other key. If it has one called
    `previous_response_id`, the id of every response is written there. A conversation begun elsewhere is continued by
    `config["configurable"]["previous_response_id"]`, or by that state key in a graph without a checkpointer.

    Args:
        model: A model name, a `ChatResponses`, or the `ChatOpenAI` you have; with or without bound tools.
        tools: Anything `ChatResponses.bind_tools` takes.
        instructions: System prompt, or a function of state and runtime that returns it; in asynchronous runs it may be
            a coroutine function.
        model_settings: Request options for each turn, or such a function that returns them.
        messages_key: State key of the messages.
        max_iterations: Model turns since the last user message at which the node gives up.
        on_approval: What to do when the server asks for approval of a tool call: `"interrupt"` the graph and send
            the decision, when the node runs again (`responses_condition` leads back to it), or `"return"` the
            request like any answer.
        name: Name in traces.
        **options: Where `model` is a name: every option of `ChatResponses`.

    Raises:
        ConfigurationError: An option is missing, misspelt, or contradicts another one. When called: a synchronous run
            met a coroutine function, or there are no messages.
    """

    def __init__(
        self,
        model: str | Runnable[Any, Any],
        *,
        tools: Sequence[Any] | None = None,
        instructions: str | PerRun | None = None,
        model_settings: Mapping[str, Any] | PerRun | None = None,
        messages_key: str = "messages",
        max_iterations: int | None = None,
        on_approval: Literal["interrupt", "return"] = "interrupt",
        name: str | None = None,
        **options: Any,
    ) -> None:
        if isinstance(model, str):
            model = ChatResponses(model, **options)
        elif options:
            raise ConfigurationError(
                f"{', '.join(options)}: these belong to the model; set them where {type(model).__name__} is made"
            )
        self.model: Runnable[Any, AIMessage] = responses_model(model, tools=tools)
        self.name = name
        self._instructions = instructions
        self._settings = model_settings
        self._messages_key = messages_key
        self._max_iterations = max_iterations
        if on_approval not in {"interrupt", "return"}:
            raise ConfigurationError(
                f"on_approval={on_approval!r} is neither 'interrupt' nor 'return'"
            )
        self._asks = on_approval == "interrupt"

    def invoke(
        self,
        input: Any,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The state update of one turn: the answer, and its id for schemas that keep it."""
        turn = self._prepare(
            input,
            ensure_config(config),
            settings=_for_run(self._settings, input),
            instructions=_for_run(self._instructions, input),
        )
        try:
            answer = self.model.invoke(turn.messages, config, **turn.settings, **kwargs)
        except ParkedError as parked:
            return {**({self._messages_key: turn.added} if turn.added else {}), **parked.update}
        return self._update(turn, answer)

    async def ainvoke(
        self,
        input: Any,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> dict[str, Any]:
        """The state update of one turn: the answer, and its id for schemas that keep it."""
        turn = self._prepare(
            input,
            ensure_config(config),
            settings=await _afor_run(self._settings, input),
            instructions=await _afor_run(self._instructions, input),
        )
        try:
            answer = await self.model.ainvoke(turn.messages, config, **turn.settings, **kwargs)
        except ParkedError as parked:
            return {**({self._messages_key: turn.added} if turn.added else {}), **parked.update}
        return self._update(turn, answer)

    def _prepare(
        self,
        state: Any,
        config: RunnableConfig,
        *,
        settings: Mapping[str, Any] | None,
        instructions: str | None,
    ) -> _NodeTurn:
        """The messages to send and the options of this turn."""
        messages = as_messages(_read(state, self._messages_key) or ())
        if not messages:
            raise ConfigurationError(_why_no_messages(state, self._messages_key))
        self._check_iterations(messages)
        added: list[BaseMessage] = []
        if self._asks and (requests := pending_approvals(messages)):
            added.append(ask_for_approval(requests))
        options = dict(settings or {})
        if instructions is not None:
            options["instructions"] = instructions
        if (seed := self._seed(state, messages, config)) is not None:
            options.setdefault(_SEED, seed)
        return _NodeTurn([*messages, *added], added, options)

    def _update(self, turn: _NodeTurn, answer: AIMessage) -> dict[str, Any]:
        # LangGraph leaves out what the schema does not declare.
        return {self._messages_key: [*turn.added, answer], _SEED: last_response_id([answer])}

    def _check_iterations(self, messages: Sequence[BaseMessage]) -> None:
        if self._max_iterations is None:
            return
        turns = 0
        for message in reversed(messages):
            if isinstance(message, HumanMessage):
                break
            turns += isinstance(message, AIMessage)
        if turns >= self._max_iterations:
            raise MaxIterationsError(
                f"the model has had {turns} turns since the last user message (max_iterations={self._max_iterations}):"
                " raise the limit, or look at the tool outputs that keep it going",
                response_id=last_response_id(messages),
                server=_server_name(self.model),
            )

    def _seed(
        self, state: Any, messages: Sequence[BaseMessage], config: RunnableConfig
    ) -> str | None:
        """The response begun elsewhere that this conversation continues.

        With a checkpointer, or once an answer of ours is among the messages, the id in the state is our own.
        """
        configurable = config.get("configurable") or {}
        if (seed := configurable.get(_SEED)) is not None:
            return str(seed)
        ours = any(STAMP in message.response_metadata for message in messages)
        if ours or configurable.get(CHECKPOINTER) is not None:
            return None
        found = _read(state, _SEED)
        return found if isinstance(found, str) and found else None


class _NodeTurn(NamedTuple):
    """What one turn sends: the messages, those among them that are new to the state, and the request options."""

    messages: list[BaseMessage]
    added: list[BaseMessage]
    settings: dict[str, Any]


def _for_run(value: Any, state: Any) -> Any:
    """A value, or what its function says of this state; outside of graphs the runtime is empty."""
    found = value(state, graph_runtime() or Runtime()) if callable(value) else value
    if inspect.iscoroutine(found):
        found.close()
        name = getattr(value, "__name__", type(value).__name__)
        raise ConfigurationError(f"{name}() is asynchronous: run the graph with ainvoke or astream")
    return found


async def _afor_run(value: Any, state: Any) -> Any:
    """The same, awaited if it has to be."""
    found = value(state, graph_runtime() or Runtime()) if callable(value) else value
    return await found if inspect.isawaitable(found) else found


def _server_name(model: Any) -> str:
    while isinstance(model, RunnableBindingBase):
        model = model.bound
    name: str = model.server_profile.name
    return name


def _why_no_messages(state: Any, key: str) -> str:
    if isinstance(state, str | Sequence):
        return f'the node takes a state, not its messages: invoke({{"{key}": [...]}})'
    if isinstance(state, Mapping) and key not in state and state:
        keys = ", ".join(sorted(map(str, state)))
        return (
            f"the state holds no {key}, only {keys}: put at least one user message there before this node runs, or name"
            " the key that has them, ResponsesNode(..., messages_key=...)"
        )
    return f"the state holds no {key}: put at least one user message there before this node runs"


def _read(state: Any, key: str) -> Any:
    if isinstance(state, Mapping):
        return state.get(key)
    return getattr(state, key, None)
