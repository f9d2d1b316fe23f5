"""The provider: where requests go, with which key, over connections that survive several event loops."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from importlib import import_module
from types import TracebackType
from typing import Any, Final, Self, cast

import httpx2
from openai import AsyncOpenAI, omit
from opentelemetry.trace import get_current_span
from pydantic_ai.exceptions import UserError
from pydantic_ai.models import get_user_agent
from pydantic_ai.profiles import ModelProfile, merge_profile
from pydantic_ai.profiles.openai import OpenAIModelProfile
from pydantic_ai.providers import Provider, infer_provider
from pydantic_ai.providers.openai import OpenAIProvider
from pydantic_ai.providers.openai_compatible import OpenAICompatibleProvider

from ..endpoints import NO_KEY, resolve_endpoint
from ..errors import ConfigurationError, UnsupportedByServerError
from ..profiles import ServerProfile, find_server
from ..protocol.advice import bare
from ..protocol.http_clients import Http, async_client, check_http
from ..protocol.reading import Limits
from ..protocol.transport import (
    Variables,
    client_transport,
    dialect_transport,
    is_synchronous,
    library_of,
    pool_transport,
)
from .answers import READER

__all__ = ["ResponsesProvider", "provider_for", "server_of", "translated", "with_server_facts"]

_TIMEOUT: Final = httpx2.Timeout(600, connect=5)
_LIMITS: Final = httpx2.Limits(max_connections=1000, max_keepalive_connections=100)
_NOT_OPENAI: Final[Any] = {"OpenAI-Organization": omit, "OpenAI-Project": omit}
"""The SDK reads both from the environment, again for every copy of a client; other servers must not see them."""

_CHAIN: Final = "previous_response_id"


class ResponsesProvider(OpenAICompatibleProvider):
    """The provider of one Responses server, known or not.

    It works from any event loop and closes what it opened when that loop ends, or on leaving `async with`.
    A key, organisation or project meant for OpenAI is never sent to another server.

    Args:
        server: A known name (`"aleph-alpha"`, `"orq"` …) or a `ServerProfile`; by default the address decides.
        base_url: Address of the API. Default: the server's environment variable, then its public address.
        api_key: Key. Default: the server's environment variable.
        http: What sends the requests: `"httpx"`, or `"aiohttp"` (the extra of that name), which takes a fraction of the CPU
            time.
        http_client: A client of yours to send through; it is left open and serves the event loops you say it serves.
        variables: Secret template variables, or a function that gives them, added to each create request to this
            address. They never enter settings, messages or histories.
        max_response_bytes: Bytes of one answer at which reading stops with an error.

    Raises:
        UnknownServerError: No server has that name.
        ConfigurationError: The server has no public address and none was given, or it needs a key and has none;
            `http_client` is synchronous.
        MissingExtraError: aiohttp is to send, and not installed.
    """

    def __init__(
        self,
        server: str | ServerProfile | None = None,
        *,
        base_url: str | None = None,
        api_key: str | None = None,
        http: Http = "httpx",
        http_client: httpx2.AsyncClient | None = None,
        variables: Variables | None = None,
        max_response_bytes: int = Limits().total,
    ) -> None:
        endpoint = resolve_endpoint(server, base_url=base_url, api_key=api_key)
        self.server: ServerProfile = endpoint.profile
        self._users = 0
        check_http(http)
        if http_client is not None and http != "httpx":
            raise ConfigurationError(
                f"http={http!r} says what to make a client of, and one was given already: leave out one of the two"
            )
        if is_synchronous(http_client):
            raise ConfigurationError(
                "http_client= has to be an AsyncClient: agents send asynchronously, run_sync() too"
            )
        open_client = partial(async_client, http, timeout=_TIMEOUT, limits=_LIMITS)
        self._pool = None if http_client else pool_transport(make_async_client=open_client)
        client = AsyncOpenAI(
            base_url=endpoint.base_url,
            api_key=endpoint.api_key or NO_KEY,
            default_headers=None if self.server.reference and endpoint.is_home else _NOT_OPENAI,
            http_client=translated(
                http_client,
                self.server,
                endpoint.base_url,
                pool=self._pool,
                variables=variables,
                limits=Limits(total=max_response_bytes),
            ),
        )
        super().__init__(
            self.server.name,
            openai_client=client,
            profile=OpenAIProvider.model_profile if self.server.reference else None,
        )

    async def health(self) -> dict[str, Any]:
        """What the server's health check says.

        Raises:
            UnsupportedByServerError: The server has none that is known.
            openai.APIError: It did not answer, or not with success.
        """
        response = await self.client.get(self._health_url(), cast_to=httpx2.Response)
        return _json(response)

    def health_sync(self) -> dict[str, Any]:
        """What the server's health check says, asked without an event loop.

        Raises:
            UnsupportedByServerError: The server has none that is known.
            httpx2.HTTPError: It did not answer, or not with success.
        """
        with httpx2.Client(timeout=_TIMEOUT) as client:
            headers = {"Authorization": f"Bearer {self.client.api_key}"}
            return _json(client.get(self._health_url(), headers=headers).raise_for_status())

    def _health_url(self) -> str:
        if self.server.health is None:
            raise UnsupportedByServerError(
                f'server "{self.server.name}" has no health check: ask it for its models instead,'
                " with provider.client.models.list()",
                server=self.server.name,
            )
        return str(httpx2.URL(self.base_url).copy_with(raw_path=self.server.health.encode()))

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
        if self._pool is not None and self._users == 0:
            await self._pool.aclose()
        return handled


def provider_for(
    provider: Provider[AsyncOpenAI] | str | None,
    *,
    server: str | ServerProfile | None,
    base_url: str | None,
    api_key: str | None,
    http: Http | None,
    http_client: httpx2.AsyncClient | None,
) -> Provider[AsyncOpenAI]:
    """The provider that was given, by itself or by its name, or one of ours made of the other arguments.

    Raises:
        UserError: Both were given.
    """
    if provider is None:
        return ResponsesProvider(
            server,
            base_url=base_url,
            api_key=api_key,
            http=http or "httpx",
            http_client=http_client,
        )
    own = {
        "server": server,
        "base_url": base_url,
        "api_key": api_key,
        "http": http,
        "http_client": http_client,
    }
    if given := [f"{name}=" for name, value in own.items() if value is not None]:
        raise UserError(
            f"provider= already holds the address, key and client: leave out {', '.join(given)},"
            " or pass them to ResponsesProvider(...) and that as provider="
        )
    if isinstance(provider, str):
        return cast("Provider[AsyncOpenAI]", infer_provider(provider))
    return provider


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
    if server.reference:
        return facts
    facts["openai_responses_supports_websocket"] = False
    if server.encrypted_reasoning != "by_model":
        facts["openai_supports_encrypted_reasoning_content"] = server.encrypted_reasoning != "never"
    facts["supports_json_schema_output"] = server.json_schema
    if not server.json_object:
        facts["supports_json_object_output"] = False
    return facts


def translated(
    client: httpx2.AsyncClient | None,
    server: ServerProfile,
    base_url: str,
    *,
    pool: Any = None,
    variables: Variables | None = None,
    limits: Limits | None = None,
) -> httpx2.AsyncClient:
    """A client that sends what `client` would send, in the server's dialect, and reads its answers in ours.

    Args:
        client: It sends, and its headers, cookies, parameters and time-outs are taken over.
        server: The server.
        base_url: Its address.
        pool: The transport that sends where there is no client.
        variables: Secret template variables for that address.
        limits: How much of one answer is read.
    """
    library = "httpx2" if client is None else library_of(client)
    transport = dialect_transport(
        server,
        base_url=base_url,
        inner=pool if client is None else client_transport(client),
        reader=READER,
        variables=variables,
        limits=limits,
        on_send=partial(_annotate, server.name),
        library=library,
    )
    taken: dict[str, Any] = {"timeout": _TIMEOUT, "headers": {"User-Agent": get_user_agent()}}
    if client is not None:
        taken = {
            name: getattr(client, name) for name in ("cookies", "headers", "params", "timeout")
        }
    outer: httpx2.AsyncClient = import_module(library).AsyncClient(
        transport=transport, event_hooks={"response": [_forget_headers]}, **taken
    )
    return outer


async def _forget_headers(response: Any) -> None:
    """Keep the key out of whatever holds the response later, such as the error of a stream that breaks off."""
    response.request = bare(response.request)


def _annotate(server: str, body: Mapping[str, Any]) -> None:
    """Say in the span of the model request what was sent, and whether the server was to know the rest."""
    sent = body.get("input")
    get_current_span().set_attributes(
        {
            "responses_adapters.server": server,
            "responses_adapters.context": "delta" if body.get(_CHAIN) else "replay",
            "responses_adapters.items": len(sent) if isinstance(sent, list) else 1,
        }
    )


def _json(response: httpx2.Response) -> dict[str, Any]:
    body = response.json() if "json" in response.headers.get("content-type", "") else response.text
    return body if isinstance(body, dict) else {"status": body}
