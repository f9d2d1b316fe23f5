"""The way to one server: its OpenAI SDK clients, its profile, and what was learnt about it."""

from __future__ import annotations

import asyncio
import functools
import os
import secrets
import weakref
from abc import ABC, abstractmethod
from collections.abc import Mapping
from typing import Any, Final, Generic, NamedTuple, TypeVar

import openai

from ..endpoints import NO_KEY, Endpoint, without_user
from ..errors import ConfigurationError
from ..profiles import ServerProfile, find_server
from ..protocol.chain import stamp_key
from ..protocol.client import AsyncResponsesClient, ResponsesClient
from ..protocol.http_clients import Held, Http, check_http, held_async_client, held_client
from ..protocol.sdk import AsyncOpenAI, OpenAI
from ..protocol.verdict import Memory
from .background import Submission

__all__ = ["Connection", "GivenClients", "OwnClients"]

ClientT = TypeVar("ClientT", openai.OpenAI, openai.AsyncOpenAI)

_PROCESS_KEY: Final = secrets.token_bytes(32)
"""Seals stamps where no API key gives a lasting one; a restart of the process then costs one replay."""


class Connection(ABC):
    """One server as one model sees it; copies of the model share it.

    Attributes:
        profile: Facts about the server.
        base_url: Its address.
        key: Key that seals stamps.
        memory: Verdicts about the server.
    """

    def __init__(self, profile: ServerProfile, base_url: str, *, key: bytes) -> None:
        self.profile = profile
        self.base_url = base_url
        self.key = key
        self.memory: Memory = Memory()

    @property
    @abstractmethod
    def tenant(self) -> tuple[str | None, str | None]:
        """Organisation and project, where set."""

    @abstractmethod
    def sdk(self) -> openai.OpenAI:
        """The synchronous SDK client."""

    @abstractmethod
    def async_sdk(self) -> openai.AsyncOpenAI:
        """The asynchronous SDK client for the running event loop."""

    @functools.cached_property
    def scope(self) -> str:
        """Who holds the conversations: the address, and the tenant there."""
        return " ".join(filter(None, [self.base_url, *self.tenant]))

    def client(self, *, submission: Submission | None = None, **options: Any) -> ResponsesClient:
        """The synchronous driver; options as `ResponsesClient` takes them, `submission` for a background turn."""
        kind: Any = ResponsesClient
        if submission is not None:
            kind, options = submission.sync_driver(), {**options, "submission": submission}
        driver: ResponsesClient = kind(
            sdk=self.sdk(), api_key_env=self.profile.api_key_env, **options
        )
        return driver

    def async_client(
        self, *, submission: Submission | None = None, **options: Any
    ) -> AsyncResponsesClient:
        """The asynchronous driver; options as `client` takes them."""
        kind: Any = AsyncResponsesClient
        if submission is not None:
            kind, options = submission.async_driver(), {**options, "submission": submission}
        driver: AsyncResponsesClient = kind(
            sdk=self.async_sdk(), api_key_env=self.profile.api_key_env, **options
        )
        return driver


class OwnClients(Connection):
    """A connection that builds its SDK clients, when first needed.

    Args:
        endpoint: Where to, and with which key.
        stamp_secret: Secret that stamps are sealed with; by default one derived from the API key.
        default_headers: Headers of every request.
        http_client: HTTP client to use, of the library that the installed SDK uses.
        http_async_client: The same for asynchronous calls.
        http: What sends asynchronous requests where no client is given.

    Raises:
        MissingExtraError: It is aiohttp, which is not installed.
        ConfigurationError: There is no such way to send requests, or a client is of the other kind. When used: only a
            client of the other kind was given.
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        stamp_secret: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        http: Http = "httpx",
        http_client: Any = None,
        http_async_client: Any = None,
    ) -> None:
        super().__init__(
            endpoint.profile, endpoint.base_url, key=_stamp_key(stamp_secret or endpoint.api_key)
        )
        self._api_key = endpoint.api_key or NO_KEY
        self._has_account = endpoint.profile.reference and endpoint.is_home
        self._headers = default_headers
        check_http(http)
        _check_kind("http_client", http_client, "http_async_client", is_async=False)
        _check_kind("http_async_client", http_async_client, "http_client", is_async=True)
        self._http: Http = http
        self._http_client = http_client
        self._http_async_client = http_async_client
        self._account = (endpoint.base_url, self._api_key)
        self._sync: _Sdk[openai.OpenAI] | None = None
        # One for each event loop: a pooled connection must not outlive the loop that opened it.
        self._per_loop: weakref.WeakKeyDictionary[
            asyncio.AbstractEventLoop, _Sdk[openai.AsyncOpenAI]
        ] = weakref.WeakKeyDictionary()

    @property
    def tenant(self) -> tuple[str | None, str | None]:
        """OpenAI's own address follows the SDK's variables; they never travel to any other host."""
        if not self._has_account:
            return None, None
        return os.environ.get("OPENAI_ORG_ID"), os.environ.get("OPENAI_PROJECT_ID")

    def sdk(self) -> openai.OpenAI:
        """The client that all threads share."""
        if self._sync is None:
            given = _chosen("http_client", self._http_client, self._http_async_client)
            held = held_client(self._account) if given is None else Held(given)
            kind = OpenAI if given is None else openai.OpenAI
            client = kind(http_client=held.client, **self._arguments())
            self._sync = _Sdk(self._settle(client), held)
        return self._sync.client

    def async_sdk(self) -> openai.AsyncOpenAI:
        """The client of the running event loop."""
        loop = asyncio.get_running_loop()
        known = self._per_loop.get(loop)
        if known is None:
            given = self._http_async_client
            if self._http == "httpx":
                given = _chosen("http_async_client", given, self._http_client)
            held = held_async_client(self._account, self._http) if given is None else Held(given)
            kind = AsyncOpenAI if given is None else openai.AsyncOpenAI
            client = kind(http_client=held.client, **self._arguments())
            known = self._per_loop[loop] = _Sdk(self._settle(client), held)
        return known.client

    def _arguments(self) -> dict[str, Any]:
        return {
            "api_key": self._api_key,
            "base_url": self.base_url,
            "default_headers": self._headers,
        }

    def _settle(self, client: Any) -> Any:
        client.organization, client.project = self.tenant
        return client


class _Sdk(NamedTuple, Generic[ClientT]):
    client: ClientT
    held: Held  # keeps it open


class GivenClients(Connection):
    """A connection over SDK clients that the user already has, Azure's included.

    Args:
        sdk: Synchronous client.
        async_sdk: Asynchronous client; it is the user's matter which event loop it belongs to.
        server: Name or profile of the server; `None` goes by the client's address.
        stamp_secret: Secret that stamps are sealed with; by default one derived from the API key.

    Raises:
        ConfigurationError: Neither client is given, or one is of the other kind.
        UnknownServerError: No server has that name.
    """

    def __init__(
        self,
        sdk: openai.OpenAI | None,
        async_sdk: openai.AsyncOpenAI | None = None,
        *,
        server: str | ServerProfile | None = None,
        stamp_secret: str | None = None,
    ) -> None:
        client = sdk or async_sdk
        if client is None:
            raise ConfigurationError("no OpenAI client was given: pass one, or base_url=")
        _check_kind("client", sdk, "async_client", is_async=False)
        _check_kind("async_client", async_sdk, "client", is_async=True)
        base_url = without_user(str(client.base_url)).rstrip("/")
        secret = client.api_key if isinstance(client.api_key, str) else None
        super().__init__(
            find_server(server, base_url=base_url), base_url, key=_stamp_key(stamp_secret or secret)
        )
        self._client = client
        self._sync = sdk
        self._async = async_sdk

    @property
    def tenant(self) -> tuple[str | None, str | None]:
        """What the given client sends."""
        return self._client.organization, self._client.project

    def sdk(self) -> openai.OpenAI:
        """The given synchronous client."""
        if self._sync is None:
            raise ConfigurationError("only an AsyncOpenAI client was given: use ainvoke or astream")
        return self._sync

    def async_sdk(self) -> openai.AsyncOpenAI:
        """The given asynchronous client."""
        if self._async is None:
            raise ConfigurationError("only an OpenAI client was given: use invoke or stream")
        return self._async


def _check_kind(name: str, client: Any, other: str, *, is_async: bool) -> None:
    """Refuse a client that would fail when the request has already been sent."""
    wanted, instead = ("__aenter__", "__enter__") if is_async else ("__enter__", "__aenter__")
    if hasattr(client, instead) and not hasattr(client, wanted):
        kind = "a synchronous" if is_async else "an asynchronous"
        raise ConfigurationError(f"{name}= holds {kind} client: that is {other}=")


def _chosen(name: str, client: Any, other: Any) -> Any:
    """The client given for such calls; one for the other calls may hold a proxy or a certificate that these need too."""
    if client is None and other is not None:
        raise ConfigurationError(
            f"an HTTP client was given for the other calls only: pass {name}= for these, with the same proxy and"
            " certificates"
        )
    return client


def _stamp_key(secret: str | None) -> bytes:
    return stamp_key(secret) if secret else _PROCESS_KEY
