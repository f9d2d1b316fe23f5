"""Headers may hold keys: LangChain's tracers, representations and serialised models do not see their values."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from langchain_core.language_models import BaseChatModel
from pydantic import SecretStr

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


class HiddenHeaders(BaseChatModel):
    """A chat model whose `extra_headers` are hidden where LangChain tells of a call: to tracers and to caches."""

    def _get_invocation_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        return super()._get_invocation_params(stop=stop, **_hidden(kwargs))

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        return super()._get_llm_string(stop=stop, **_hidden(kwargs))
