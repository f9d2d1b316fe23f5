"""Headers may hold keys: LangChain's tracers, representations and serialised models do not see their values."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
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


def _hidden(options: dict[str, Any], hide: Callable[[str], Any] = SecretStr) -> dict[str, Any]:
    headers = shown(options.get(_HEADERS))
    if headers is None:
        return options
    kept = {n: hide(v) if isinstance(v, str) else v for n, v in headers.items()}
    return {**options, _HEADERS: kept}


def _digest(value: str) -> str:
    return hashlib.sha256(value.encode()).hexdigest()


class HiddenHeaders(BaseChatModel):
    """A chat model whose `extra_headers` are hidden where LangChain tells of a call: to tracers and to caches."""

    def _get_invocation_params(
        self, stop: list[str] | None = None, **kwargs: Any
    ) -> dict[str, Any]:
        return super()._get_invocation_params(stop=stop, **_hidden(kwargs))

    def _get_llm_string(self, stop: list[str] | None = None, **kwargs: Any) -> str:
        # The key of a cache: what one tenant was answered is not for another.
        return super()._get_llm_string(stop=stop, **_hidden(kwargs, _digest))
