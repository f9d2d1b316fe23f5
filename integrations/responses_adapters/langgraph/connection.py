"""The way to one server: its OpenAI SDK clients, its profile, and what was learnt about it."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import os
import secrets
import ssl
import sys
import weakref
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from typing import Any, Final, NamedTuple

import openai

from ..endpoints import Endpoint
from ..errors import ConfigurationError
from ..profiles import ServerProfile, find_server
from ..protocol.chain import stamp_key
from ..protocol.client import AsyncResponsesClient, ResponsesClient
from ..protocol.verdict import Memory
from .background import Submission

__all__ = ["Connection", "GivenClients", "OwnClients"]

_PLACEHOLDER_KEY: Final = "not-needed"
"""For servers without keys: the SDK insists on one."""

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
    """

    def __init__(
        self,
        endpoint: Endpoint,
        *,
        stamp_secret: str | None = None,
        default_headers: Mapping[str, str] | None = None,
        http_client: Any = None,
        http_async_client: Any = None,
    ) -> None:
        super().__init__(
            endpoint.profile, endpoint.base_url, key=_stamp_key(stamp_secret or endpoint.api_key)
        )
        self._api_key = endpoint.api_key or _PLACEHOLDER_KEY
        self._has_account = endpoint.profile.reference and endpoint.is_home
        self._headers = default_headers
        self._http_client = http_client
        self._http_async_client = http_async_client
        self._sync: openai.OpenAI | None = None
        # One for each event loop: a pooled connection must not outlive the loop that opened it.
        self._per_loop: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _LoopClient] = (
            weakref.WeakKeyDictionary()
        )

    @property
    def tenant(self) -> tuple[str | None, str | None]:
        """OpenAI's own address follows the SDK's variables; they never travel to any other host."""
        if not self._has_account:
            return None, None
        return os.environ.get("OPENAI_ORG_ID"), os.environ.get("OPENAI_PROJECT_ID")

    def sdk(self) -> openai.OpenAI:
        """The client that all threads share."""
        if self._sync is None:
            http = self._http_client
            if http is None:
                http = openai.DefaultHttpxClient(verify=_ssl_context())
                weakref.finalize(self, http.close)
            client: openai.OpenAI = self._settle(
                openai.OpenAI(http_client=http, **self._arguments())
            )
            self._sync = client
        return self._sync

    def async_sdk(self) -> openai.AsyncOpenAI:
        """The client of the running event loop."""
        loop = asyncio.get_running_loop()
        known = self._per_loop.get(loop)
        if known is None:
            http, closing = self._http_async_client, None
            if http is None:
                http = openai.DefaultAsyncHttpxClient(verify=_ssl_context())
                closing = _close_with_loop(http)
            client = self._settle(openai.AsyncOpenAI(http_client=http, **self._arguments()))
            known = self._per_loop[loop] = _LoopClient(client, closing)
        return known.sdk

    def _arguments(self) -> dict[str, Any]:
        return {
            "api_key": self._api_key,
            "base_url": self.base_url,
            "default_headers": self._headers,
        }

    def _settle(self, client: Any) -> Any:
        client.organization, client.project = self.tenant
        return client


class GivenClients(Connection):
    """A connection over SDK clients that the user already has, Azure's included.

    Args:
        sdk: Synchronous client.
        async_sdk: Asynchronous client; it is the user's matter which event loop it belongs to.
        server: Name or profile of the server; `None` goes by the client's address.
        stamp_secret: Secret that stamps are sealed with; by default one derived from the API key.

    Raises:
        ConfigurationError: Neither client is given.
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
        base_url = str(client.base_url).rstrip("/")
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


class _LoopClient(NamedTuple):
    sdk: openai.AsyncOpenAI
    closing: AsyncGenerator[None] | None


def _close_with_loop(http: Any) -> AsyncGenerator[None]:
    """A generator that closes the client when its event loop shuts down, or when nobody holds it any more.

    Event loops finish their asynchronous generators before they close; nothing else tells of their end.
    """

    async def closing() -> AsyncGenerator[None]:
        try:
            yield
        finally:
            await http.aclose()

    generator = closing()
    with contextlib.suppress(StopIteration):
        generator.asend(None).send(None)  # up to the yield: from here on the loop knows it
    return generator


def _stamp_key(secret: str | None) -> bytes:
    return stamp_key(secret) if secret else _PROCESS_KEY


@functools.cache
def _ssl_context() -> ssl.SSLContext:
    """One for the process: loading the certificates takes longer than a whole turn."""
    library = sys.modules[openai.DefaultHttpxClient.__mro__[1].__module__.partition(".")[0]]
    context: ssl.SSLContext = library.create_ssl_context()  # httpx2 since openai 3, httpx before
    return context
