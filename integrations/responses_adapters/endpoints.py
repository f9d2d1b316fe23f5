"""Where requests go and with which key: settled once, from arguments and environment, for every room."""

from __future__ import annotations

import os
from dataclasses import dataclass
from urllib.parse import urlsplit

from .errors import ConfigurationError
from .profiles import ServerProfile, find_server

__all__ = ["Endpoint", "resolve_endpoint"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Endpoint:
    """Where requests go and with which key, settled once so that both rooms agree.

    Attributes:
        profile: Facts about the server.
        base_url: Address of the API, without a trailing slash.
        api_key: The key, `None` where the server needs none.
        is_home: The address is the server's own, so that what the environment holds for it may travel there.
    """

    profile: ServerProfile
    base_url: str
    api_key: str | None
    is_home: bool = False


def resolve_endpoint(
    server: str | ServerProfile | None = None,
    *,
    base_url: str | None = None,
    api_key: str | None = None,
) -> Endpoint:
    """Settle profile, address and key from arguments and environment.

    An explicit `base_url=` or `server=` never inherits `OPENAI_API_KEY`, unless the address is the one in
    `OPENAI_BASE_URL` or OpenAI's own: a key must not travel to a host it was not made for.

    Raises:
        UnknownServerError: No server has that name.
        ConfigurationError: The server has no public address and none was given, or it needs a key and has none.
    """
    environment = os.environ
    if server is None and base_url is None:
        base_url = environment.get("OPENAI_BASE_URL") or None
    profile = find_server(server, base_url=base_url)
    if base_url is None:
        from_env = environment.get(profile.base_url_env) if profile.base_url_env else None
        base_url = from_env or profile.base_url
    if base_url is None:
        raise ConfigurationError(
            f'server "{profile.name}" has no public address: pass base_url='
            + (f" or set {profile.base_url_env}" if profile.base_url_env else ""),
            server=profile.name,
        )
    _check_address(base_url, profile)
    base_url = base_url.rstrip("/")
    is_home = _is_home(profile, base_url)
    if api_key is None and profile.api_key_env is not None and is_home:
        api_key = environment.get(profile.api_key_env) or None
    if api_key is None and _same_address(base_url, environment.get("OPENAI_BASE_URL")):
        api_key = environment.get("OPENAI_API_KEY") or None
    if api_key is None and profile.needs_key:
        variable = f" or set {profile.api_key_env}" if profile.api_key_env else ""
        raise ConfigurationError(
            f'no API key for server "{profile.name}" at {base_url}: pass api_key={variable}',
            server=profile.name,
        )
    return Endpoint(profile=profile, base_url=base_url, api_key=api_key, is_home=is_home)


def _is_home(profile: ServerProfile, base_url: str) -> bool:
    """Whether this address is known to be the server's own: its key, organisation and project may go there."""
    known = [profile.base_url]
    if profile.base_url_env:
        known.append(os.environ.get(profile.base_url_env))
    if any(_same_address(base_url, address) for address in known):
        return True
    return bool(profile.hosts) and find_server(base_url=base_url) is profile


def _same_address(one: str, other: str | None) -> bool:
    return other is not None and one.rstrip("/") == other.rstrip("/")


def _check_address(base_url: str, profile: ServerProfile) -> None:
    parts = urlsplit(base_url)
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        raise ConfigurationError(
            f"base_url={base_url!r} is not an http(s) address, such as 'https://host/v1'",
            server=profile.name,
        )
