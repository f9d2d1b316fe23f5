"""LangGraph: a node and a chat model over any Responses server.

`ResponsesNode` replaces the function that calls the model; `ChatResponses` is the chat model inside it, for
`create_agent` and for nodes of your own.
"""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import MissingExtraError

for _package in ("langgraph", "langchain_core", "langchain_openai"):
    if find_spec(_package) is None:
        raise MissingExtraError("langgraph", _package.replace("_", "-"))

if TYPE_CHECKING:
    from .background import Background
    from .chat_model import ChatResponses
    from .explain import aexplain_turns, explain_turns
    from .messages import ephemeral
    from .middleware import ResponsesMiddleware
    from .node import ResponsesNode
    from .pending import add_responses
    from .state import ResponsesState, last_response_id, responses_condition, responses_retry_on

__all__ = [
    "Background",
    "ChatResponses",
    "ResponsesMiddleware",
    "ResponsesNode",
    "ResponsesState",
    "add_responses",
    "aexplain_turns",
    "ephemeral",
    "explain_turns",
    "last_response_id",
    "responses_condition",
    "responses_retry_on",
]

_HOMES = {
    "Background": "background",
    "ChatResponses": "chat_model",
    "ResponsesMiddleware": "middleware",
    "ResponsesNode": "node",
    "ResponsesState": "state",
    "add_responses": "pending",
    "aexplain_turns": "explain",
    "ephemeral": "messages",
    "explain_turns": "explain",
    "last_response_id": "state",
    "responses_condition": "state",
    "responses_retry_on": "state",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    from importlib import import_module

    value = getattr(import_module(f".{_HOMES[name]}", __name__), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
