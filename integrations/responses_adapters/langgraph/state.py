"""State for graphs around a Responses node, and the small functions that read it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Annotated, Any, Final, Literal, cast

import openai
from langchain_core.messages import (
    AIMessage,
    AnyMessage,
    BaseMessage,
    HumanMessage,
    SystemMessage,
    ToolMessage,
    convert_to_messages,
)
from langgraph.graph.message import add_messages
from typing_extensions import TypedDict

from ..errors import ResponseFailedError, StreamTruncatedError
from .answers import to_message
from .approvals import pending_approvals
from .parts import is_item_type
from .replay import STAMP

__all__ = [
    "ResponsesState",
    "as_messages",
    "keep_last",
    "last_response_id",
    "responses_condition",
    "responses_retry_on",
]

_MESSAGES: Final = frozenset({AIMessage, HumanMessage, SystemMessage, ToolMessage})
_INPUT_ITEMS: Final = frozenset(
    {
        "additional_tools",
        "compaction_trigger",
        "configuration_update",
        "item_reference",
        "mcp_approval_response",
    }
)
"""Items that callers write, beside the outputs of tools."""

_PLAIN_OUTPUT: Final = frozenset({"call_id", "id", "output", "status", "type"})
"""Fields of a tool's output that a tool message stands for; the id and status of an output say nothing."""


def as_messages(values: Any) -> list[BaseMessage]:
    """Messages from whatever LangGraph takes for them, and from Responses items as plain dicts.

    Adjacent output items (`reasoning`, `function_call` …) become one answer; `function_call_output` becomes a tool
    message, and other items that only a caller sends a user message.
    """
    if not isinstance(values, Sequence) or isinstance(values, str):
        values = [values]
    if _MESSAGES.issuperset(map(type, values)):
        return [*values]
    messages: list[BaseMessage] = []
    answer: list[dict[str, Any]] = []
    for value in values:
        if isinstance(value, Mapping) and _is_output_item(value):
            answer.append(dict(value))
            continue
        if answer:
            messages.append(to_message({"output": answer}))
            answer = []
        if isinstance(value, BaseMessage):
            messages.append(value)
        elif isinstance(value, Mapping) and str(value.get("type")).endswith("_output"):
            messages.append(_tool_message(value))
        elif isinstance(value, Mapping) and value.get("type") in _INPUT_ITEMS:
            messages.append(HumanMessage([dict(value)]))
        else:
            messages += convert_to_messages([cast("Any", value)])
    if answer:
        messages.append(to_message({"output": answer}))
    return messages


def _is_output_item(value: Mapping[str, Any]) -> bool:
    kind = value.get("type")
    if kind == "message":
        return value.get("role") == "assistant" and isinstance(value.get("content"), list)
    if "role" in value or kind in _INPUT_ITEMS or str(kind).endswith("_output"):
        return False
    return kind == "reasoning" or is_item_type(kind)


def _tool_message(item: Mapping[str, Any]) -> ToolMessage:
    output = item.get("output", "")
    plain = item["type"] == "function_call_output" and item.keys() <= _PLAIN_OUTPUT
    return ToolMessage(output if plain else [dict(item)], tool_call_id=str(item.get("call_id", "")))


def merge_messages(left: Any, right: Any) -> Any:
    """LangGraph's `add_messages`, which also takes Responses items as plain dicts."""
    return add_messages(cast("Any", as_messages(left)), cast("Any", as_messages(right)))


def keep_last(left: str | None, right: str | None) -> str | None:
    """The newer value; `None` says nothing. Parallel nodes may both write."""
    return left if right is None else right


class ResponsesState(TypedDict, total=False):
    """A messages state that also holds the id of the last response, for parallel nodes too."""

    messages: Annotated[list[AnyMessage], merge_messages]
    previous_response_id: Annotated[str | None, keep_last]


def last_response_id(messages: Sequence[BaseMessage]) -> str | None:
    """Id of the newest response among these messages, `None` if there is none."""
    for message in reversed(messages):
        if isinstance(message, AIMessage):
            for told in (message.response_metadata.get(STAMP), message.response_metadata):
                if isinstance(told, Mapping) and isinstance(found := told.get("id"), str) and found:
                    return found
    return None


def responses_condition(
    state: Any, messages_key: str = "messages"
) -> Literal["tools", "model", "__end__"]:
    """Where to go after the node called `"model"`.

    `"tools"` for tool calls; `"model"` again where every call had malformed arguments, so that the model is told,
    and where the server asks for approval, so that the node can; the end otherwise.
    """
    if isinstance(state, Mapping):
        messages = state.get(messages_key) or []
    else:
        messages = state if isinstance(state, list) else getattr(state, messages_key)
    last = messages[-1] if messages else None
    if not isinstance(last, AIMessage):
        return "__end__"
    if last.tool_calls:
        return "tools"
    return "model" if last.invalid_tool_calls or pending_approvals(messages) else "__end__"


def responses_retry_on(error: Exception) -> bool:
    """Whether running the node again can help and cannot pay twice: for `RetryPolicy(retry_on=…)`."""
    if isinstance(error, ResponseFailedError):
        return error.retryable
    if isinstance(error, openai.APIStatusError):
        return error.status_code in {408, 409, 429} or error.status_code >= 500
    return isinstance(error, StreamTruncatedError | openai.APIConnectionError)
