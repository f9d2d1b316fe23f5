"""Headers may hold keys: LangChain's tracers, representations and serialised models do not see their values."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator, Mapping
from typing import Any, Final

from langchain_core.language_models import LanguageModelInput
from langchain_core.messages import AIMessage, AIMessageChunk
from langchain_core.runnables import RunnableConfig
from pydantic import SecretStr

from .standard import StandardEvents

__all__ = ["HiddenHeaders", "shown"]

_HEADERS: Final = "extra_headers"


def shown(headers: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """The headers as they are sent."""
    if headers is None:
        return None
    return {name: _reveal(value) for name, value in headers.items()}


def _reveal(value: Any) -> Any:
    return value.get_secret_value() if isinstance(value, SecretStr) else value


def _hidden(options: dict[str, Any]) -> dict[str, Any]:
    headers = options.get(_HEADERS)
    if not isinstance(headers, Mapping):
        return options
    kept = {n: SecretStr(v) if isinstance(v, str) else v for n, v in headers.items()}
    return {**options, _HEADERS: kept}


class HiddenHeaders(StandardEvents):
    """A chat model whose `extra_headers` are hidden before LangChain tells anybody of the call's options."""

    def invoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """As upstream."""
        return super().invoke(input, config, **_hidden(kwargs))

    async def ainvoke(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AIMessage:
        """As upstream."""
        return await super().ainvoke(input, config, **_hidden(kwargs))

    def stream(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> Iterator[AIMessageChunk]:
        """As upstream."""
        return super().stream(input, config, **_hidden(kwargs))

    def astream(
        self,
        input: LanguageModelInput,  # noqa: A002 - LangChain's name
        config: RunnableConfig | None = None,
        **kwargs: Any,
    ) -> AsyncIterator[AIMessageChunk]:
        """As upstream."""
        return super().astream(input, config, **_hidden(kwargs))
