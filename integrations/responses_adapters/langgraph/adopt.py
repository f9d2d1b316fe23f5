"""The chat model that a user already has, as a `ChatResponses` over the same OpenAI clients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final, TypeGuard

from langchain_core.messages import AIMessage
from langchain_core.runnables import Runnable, RunnableBinding, RunnableConfig
from langchain_core.runnables.base import RunnableBindingBase
from langchain_core.runnables.fallbacks import RunnableWithFallbacks
from langchain_core.runnables.retry import RunnableRetry

from ..errors import ConfigurationError
from .chat_model import ChatResponses
from .options import ALIASES, RequestOptions

if TYPE_CHECKING:
    from langchain_openai.chat_models.base import BaseChatOpenAI

__all__ = ["from_chat_openai", "is_chat_openai", "responses_model"]

_SAME_NAME: Final = (
    "temperature",
    "top_p",
    "presence_penalty",
    "frequency_penalty",
    "top_logprobs",
    "reasoning",
    "verbosity",
    "context_management",
    "prompt_cache_options",
    "truncation",
    "service_tier",
    "store",
    "stop",
)
"""Request options that ChatOpenAI calls the same."""

_LANGCHAIN: Final = (
    "name",
    "verbose",
    "callbacks",
    "tags",
    "metadata",
    "rate_limiter",
    "cache",
    "disable_streaming",
    "custom_get_token_ids",
)
_REFUSED: Final = {"seed": None, "logit_bias": None, "n": 1, "include_response_headers": False}
"""Options that cannot be had here, and the value that asks for nothing."""

_LOGPROBS: Final = "message.output_text.logprobs"
_MEANINGLESS: Final = frozenset(
    {"model", "stream_usage", "use_responses_api", "use_previous_response_id", "output_version"}
)


def responses_model(
    model: Runnable[Any, Any], *, tools: Sequence[Any] | None = None
) -> Runnable[Any, AIMessage]:
    """The same model on our own path, its bindings (tools, options, configuration) kept.

    Args:
        model: A `ChatResponses` or a `ChatOpenAI` (Azure's included), with or without bindings.
        tools: Tools to offer; they replace bound ones.

    Raises:
        ConfigurationError: It is, or is wrapped in, something else.
    """
    kwargs: dict[str, Any] = {}
    config: RunnableConfig = {}
    factories: list[Any] = []
    inner: Any = model
    while isinstance(inner, RunnableBindingBase):
        if isinstance(inner, RunnableRetry):
            raise ConfigurationError(
                "with_retry() around the model would run a turn again that may have been accepted: leave it out and"
                " give the node RetryPolicy(retry_on=responses_retry_on)"
            )
        kwargs = {**inner.kwargs, **kwargs}
        config = {**inner.config, **config}
        factories += inner.config_factories
        inner = inner.bound
    if is_chat_openai(inner):
        inner = from_chat_openai(inner)
        kwargs = {key: value for key, value in kwargs.items() if key not in _MEANINGLESS}
    elif isinstance(inner, RunnableWithFallbacks):
        raise ConfigurationError(
            "with_fallbacks() around the model hides which server answers: put it around the node,"
            " ResponsesNode(first).with_fallbacks([ResponsesNode(second)])"
        )
    elif not isinstance(inner, ChatResponses):
        raise ConfigurationError(
            f"cannot send through {type(inner).__name__}: pass a model name, a ChatResponses, or a ChatOpenAI (with or"
            " without bind_tools)"
        )
    found = tools if tools is not None else kwargs.pop("tools", None)
    kwargs.pop("tools", None)
    if found and inner.bound_tools is not found:
        result: Runnable[Any, AIMessage] = inner.bind_tools(found, **kwargs)
    elif found:
        result = inner.bind(tools=found, **kwargs)
    else:
        result = inner.bind(**kwargs) if kwargs else inner
    if config or factories:
        result = RunnableBinding(bound=result, config=config, config_factories=factories)
    return result


def is_chat_openai(model: Any) -> TypeGuard[BaseChatOpenAI]:
    """Whether this is a ChatOpenAI of any kind, told without importing its package, which takes its time."""
    return any(
        base.__name__ == "BaseChatOpenAI" and base.__module__.startswith("langchain_openai.")
        for base in type(model).__mro__
    )


def from_chat_openai(llm: BaseChatOpenAI, **overrides: Any) -> ChatResponses:
    """A `ChatResponses` with the clients, parameters, callbacks and tags of a `ChatOpenAI`.

    Args:
        llm: The model.
        **overrides: Options of `ChatResponses` that win over the model's own.

    Raises:
        ConfigurationError: The model sets an option that the Responses API does not have, or one is misspelt.
    """
    options: dict[str, Any] = {
        name: getattr(llm, name, None)  # older releases lack the newest
        for name in (*_SAME_NAME, *_LANGCHAIN)
    }
    options["max_output_tokens"] = llm.max_tokens
    if llm.reasoning is None and llm.reasoning_effort is not None:
        options["reasoning"] = {"effort": llm.reasoning_effort}
    options["include"] = [*(llm.include or ()), *([_LOGPROBS] if llm.logprobs else ())] or None
    if llm.output_version == "v1":
        options["output_version"] = "v1"
    extra = dict(llm.extra_body or {})
    for name, value in llm.model_kwargs.items():
        known = ALIASES.get(name, name)
        if name == "metadata":
            options["request_metadata"] = value
        elif known in RequestOptions.model_fields:
            options[known] = value
        else:
            extra[name] = value
    refused = [
        name for name, nothing in _REFUSED.items() if getattr(llm, name) not in (None, nothing)
    ]
    if refused:
        raise ConfigurationError(
            f"ChatOpenAI sets {', '.join(refused)}, which cannot be had over the Responses API here: leave it out"
        )
    options["extra_body"] = extra or None
    options |= {
        "model": llm.model_name
        or getattr(llm, "deployment_name", None),  # Azure's may have but this
        "client": llm.root_client,
        "async_client": llm.root_async_client,
        "streaming": llm.streaming or None,
        "max_retries": llm.max_retries,
    }
    chosen = {name: value for name, value in options.items() if value is not None}
    return ChatResponses(**{**chosen, **overrides})
