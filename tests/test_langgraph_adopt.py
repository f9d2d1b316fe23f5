"""What becomes of each option of a ChatOpenAI that is sent our way."""

from __future__ import annotations

from typing import Any

import pytest
from langchain_core.caches import InMemoryCache
from langchain_core.callbacks import BaseCallbackHandler
from langchain_core.messages import HumanMessage
from langchain_core.rate_limiters import InMemoryRateLimiter
from langchain_openai import ChatOpenAI

from responses_adapters.errors import ConfigurationError
from responses_adapters.langgraph import ResponsesNode
from responses_adapters.langgraph.adopt import from_chat_openai
from responses_adapters.testing import Backend

IN_THE_BODY: dict[str, tuple[Any, dict[str, Any]]] = {
    "model_name": ("gpt-5", {"model": "gpt-5"}),
    "temperature": (0.5, {"temperature": 0.5}),
    "top_p": (0.5, {"top_p": 0.5}),
    "presence_penalty": (0.5, {"presence_penalty": 0.5}),
    "frequency_penalty": (0.5, {"frequency_penalty": 0.5}),
    "logprobs": (True, {"include": ["message.output_text.logprobs"]}),
    "top_logprobs": (2, {"top_logprobs": 2}),
    "max_tokens": (99, {"max_output_tokens": 99}),
    "reasoning_effort": ("low", {"reasoning": {"effort": "low"}}),
    "reasoning": ({"effort": "low"}, {"reasoning": {"effort": "low"}}),
    "verbosity": ("low", {"text": {"verbosity": "low"}}),
    "include": (["x"], {"include": ["x"]}),
    "context_management": ([{"type": "x"}], {"context_management": [{"type": "x"}]}),
    "prompt_cache_options": ({"mode": "explicit"}, {"prompt_cache_options": {"mode": "explicit"}}),
    "service_tier": ("flex", {"service_tier": "flex"}),
    "store": (False, {"store": False}),
    "truncation": ("auto", {"truncation": "auto"}),
    "streaming": (True, {"stream": True}),
    "extra_body": ({"safety_identifier": "u"}, {"safety_identifier": "u"}),
    "model_kwargs": ({"max_tool_calls": 3}, {"max_tool_calls": 3}),
}
ON_THE_MODEL: dict[str, Any] = {
    "name": "mine",
    "verbose": True,
    "cache": InMemoryCache(),
    "callbacks": [BaseCallbackHandler()],
    "tags": ["mine"],
    "rate_limiter": InMemoryRateLimiter(),
    "disable_streaming": True,
    "custom_get_token_ids": len,
    "output_version": "v1",
    "max_retries": 7,
    "stop": ["x"],  # no parameter of OpenAI's, but of other servers
}
REFUSED: dict[str, Any] = {
    "seed": 0,
    "logit_bias": {1: 1},
    "n": 2,
    "include_response_headers": True,
}
IN_THE_CLIENTS = {
    *("client", "async_client", "root_client", "root_async_client"),
    *("openai_api_key", "openai_api_base", "openai_organization", "openai_proxy"),
    *("request_timeout", "default_headers", "default_query"),
    *("http_client", "http_async_client", "http_socket_options"),
}
WITHOUT_MEANING = {
    *("use_responses_api", "use_previous_response_id"),  # ours always does, and as it decides
    *("stream_usage", "tiktoken_model_name"),  # Chat Completions alone
    "disabled_params",  # of what ChatOpenAI adds by itself
    "profile",  # facts about the model, not a request
    "stream_chunk_timeout",  # the clients' own time-out holds between events too
}


def test_every_option_of_a_chat_openai_has_a_place() -> None:
    known = {*IN_THE_BODY, *ON_THE_MODEL, *REFUSED, *IN_THE_CLIENTS, *WITHOUT_MEANING, "metadata"}
    assert set(ChatOpenAI.model_fields) <= known


@pytest.mark.parametrize("name", IN_THE_BODY)
def test_an_option_of_a_request_goes_out(name: str, responses_backend: Backend) -> None:
    value, fields = IN_THE_BODY[name]
    responses_backend.reply("hi")
    model = ChatOpenAI(api_key="sk-x", **{name: value})
    ResponsesNode(model).invoke({"messages": [HumanMessage("hi")]})
    assert responses_backend.creates[-1].json.items() >= fields.items()


@pytest.mark.parametrize("name", ON_THE_MODEL)
def test_an_option_of_langchain_is_kept(name: str) -> None:
    model = ChatOpenAI(api_key="sk-x", **{name: ON_THE_MODEL[name]})
    assert getattr(from_chat_openai(model), name) == ON_THE_MODEL[name]


def test_notes_for_traces_are_kept() -> None:
    assert from_chat_openai(ChatOpenAI(api_key="sk-x", metadata={"a": 1})).metadata["a"] == 1  # type: ignore[index]


@pytest.mark.parametrize("name", REFUSED)
def test_an_option_that_cannot_be_had_is_refused(name: str) -> None:
    with pytest.raises(ConfigurationError, match=f"ChatOpenAI sets {name}, which cannot be had"):
        from_chat_openai(ChatOpenAI(api_key="sk-x", **{name: REFUSED[name]}))


def test_a_single_answer_is_no_option_to_refuse() -> None:
    assert from_chat_openai(ChatOpenAI(api_key="sk-x", n=1)).model
