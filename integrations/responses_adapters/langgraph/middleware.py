"""`create_agent` over the ChatOpenAI that an agent already has, sent our way."""

from __future__ import annotations

import weakref
from collections.abc import Awaitable, Callable
from typing import Any

from langchain_core.language_models import BaseChatModel

from ..errors import ConfigurationError, MissingExtraError

try:
    from langchain.agents.middleware import AgentMiddleware, ModelRequest, ModelResponse
except ImportError as _missing:
    raise MissingExtraError("langchain", "langchain") from _missing

from .adopt import from_chat_openai, is_chat_openai
from .chat_model import ChatResponses

__all__ = ["ResponsesMiddleware"]

_LAYER_BELOW = (
    "inner_handler"  # what LangChain names the handler of a middleware that wraps another
)


class ResponsesMiddleware(AgentMiddleware[Any, Any]):
    """Sends the model calls of an agent over its own OpenAI clients, but only what the server does not hold.

        agent = create_agent("openai:gpt-5", tools, middleware=[..., ResponsesMiddleware()])

    The agent's messages, as every other middleware left them, are what the server sees: summaries, edits and
    removals included. Must be last in the list: what comes after it could change the request that it planned.

    Args:
        **options: Options of `ChatResponses` to set beside the model's own, such as `server=` or `chaining=`.

    Raises:
        ConfigurationError: An option is misspelt. When called: it is not last, or the model is no ChatOpenAI.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        self._options = options
        self._adopted: dict[int, ChatResponses] = {}
        ChatResponses.check_options(options)

    def wrap_model_call(
        self, request: ModelRequest[Any], handler: Callable[[ModelRequest[Any]], ModelResponse[Any]]
    ) -> ModelResponse[Any]:
        """Run the call on our own path."""
        return handler(self._prepared(request, handler))

    async def awrap_model_call(
        self,
        request: ModelRequest[Any],
        handler: Callable[[ModelRequest[Any]], Awaitable[ModelResponse[Any]]],
    ) -> ModelResponse[Any]:
        """Run the call on our own path."""
        return await handler(self._prepared(request, handler))

    def _prepared(self, request: ModelRequest[Any], handler: Any) -> ModelRequest[Any]:
        if getattr(handler, "__name__", "") == _LAYER_BELOW:
            raise ConfigurationError(
                "ResponsesMiddleware must be the last in middleware=[…]: one that comes after it could change the"
                " request that it planned"
            )
        return request.override(model=self._ours(request.model))

    def _ours(self, model: BaseChatModel) -> ChatResponses:
        """The model on our own path; the same each time, since it remembers what it learnt about its server."""
        if isinstance(model, ChatResponses):
            return model
        if (known := self._adopted.get(id(model))) is not None:
            return known
        if not is_chat_openai(model):
            raise ConfigurationError(
                f"ResponsesMiddleware cannot send through {type(model).__name__}: give the agent a ChatOpenAI"
            )
        ours = from_chat_openai(model, **self._options)
        self._adopted[id(model)] = ours
        # Models may be made for each request; and the next one may get this one's id.
        weakref.finalize(model, self._adopted.pop, id(model), None).atexit = False
        return ours
