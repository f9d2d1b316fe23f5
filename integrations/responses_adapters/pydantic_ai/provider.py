"""The provider: where requests go, with which key, over connections that survive several event loops."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType
from typing import Final, Self

import httpx2
from openai import AsyncOpenAI
from pydantic_ai.models import get_user_agent
from pydantic_ai.profiles import ModelProfile, merge_profile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from ..profiles import ServerProfile, find_server, resolve_endpoint
from ..protocol.transport import LoopTransport

__all__ = ["ResponsesProvider", "server_of", "with_server_facts"]

_TIMEOUT: Final = httpx2.Timeout(600, connect=5)
_LIMITS: Final = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
_PLACEHOLDER_KEY: Final = "no-key"


class ResponsesProvider(OpenAICompatibleProvider):
    """The provider of one Responses server, known or not.

    It works from any event loop and closes what it opened when that loop ends, or on leaving `async with`.
    A key, organisation or project meant for OpenAI is never sent to another server.

    Args:
        server: A known name (`"aleph-alpha"`, `"orq"` …) or a `ServerProfile`; by default the address decides.
        base_url: Address of the API. Default: the server's environment variable, then its public address.
        api_key: Key. Default: the server's environment variable.
        http_client: A client of yours, used as it is and left open; it serves the event loops you say it serves.

    Raises:
        UnknownServerError: No server has that name.
        ConfigurationError: The server has no public address and none was given, or it needs a key and has none.
    """

    def __init__(
        self,
        server: str | ServerProfile | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        endpoint = resolve_endpoint(server, base_url=base_url, api_key=api_key)
        self.server = endpoint.profile
        self._users = 0
        self._transport = None if http_client else LoopTransport(_pool)
        client = AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key or _PLACEHOLDER_KEY,
            http_client=http_client
            or httpx2.AsyncClient(
                transport=self._transport,
                timeout=_TIMEOUT,
                headers={"User-Agent": get_user_agent()},
            ),
        )
        if self.server.name != "openai":
            client.organization = client.project = None
        super().__init__(
            self.server.name,
            openai_client=client,
            profile=OpenAIProvider.model_profile if self.server.name == "openai" else None,
        )

    async def __aenter__(self) -> Self:
        self._users += 1
        return await super().__aenter__()

    async def __aexit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> bool | None:
        handled = await super().__aexit__(exc_type, exc_val, exc_tb)
        self._users -= 1
        if self._transport is not None and self._users == 0:
            await self._transport.aclose()
        return handled


def server_of(provider: object) -> ServerProfile:
    """The server behind a provider: ours knows it, any other is known by its address."""
    if isinstance(provider, ResponsesProvider):
        return provider.server
    return find_server(base_url=str(getattr(provider, "base_url", "") or ""))


def with_server_facts(
    server: ServerProfile, user: ModelProfile | Callable[[ModelProfile], ModelProfile] | None
) -> Callable[[ModelProfile], ModelProfile]:
    """A profile function that puts the server's facts over what the model's name suggests, and the user's over both."""

    def resolve(by_name: ModelProfile) -> ModelProfile:
        facts = merge_profile(by_name, _facts(server))
        if user is None:
            return facts
        return user(facts) if callable(user) else merge_profile(facts, user)

    return resolve


def _facts(server: ServerProfile) -> ModelProfile:
    facts = OpenAIModelProfile()
    if server.name == "openai":
        return facts
    facts["openai_responses_supports_websocket"] = False
    if server.encrypted_reasoning != "by_model":
        facts["openai_supports_encrypted_reasoning_content"] = server.encrypted_reasoning != "never"
    facts["supports_json_schema_output"] = server.json_schema
    if not server.json_object:
        facts["supports_json_object_output"] = False
    return facts


def _pool() -> httpx2.AsyncClient:
    return httpx2.AsyncClient(timeout=_TIMEOUT, limits=_LIMITS)
