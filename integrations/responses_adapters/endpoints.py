"""Where requests go and with which key: settled once, from arguments and environment, for every room."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from .errors import ConfigurationError
from .profiles import ServerProfile, find_server

__all__ = ["NO_KEY", "Endpoint", "resolve_endpoint", "without_user"]

NO_KEY: Final = "not-needed"
"""What stands in for a key where there is none: the SDK insists on one."""

_HOST: Final = re.compile(r"[a-z0-9._:-]+")
"""Names in other scripts have one such form, too (`xn--…`), and no second reading."""

_USER: Final = re.compile(r"//[^/?#]*@")


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
    allow_user: bool = False,
) -> Endpoint:
    """Settle profile, address and key from arguments and environment.

    An explicit `base_url=` or `server=` never inherits `OPENAI_API_KEY`, unless the address is the one in
    `OPENAI_BASE_URL` or OpenAI's own: a key must not travel to a host it was not made for.

    Args:
        server: A known name, a profile, or a file that holds one; by default the address tells.
        base_url: Address of the API.
        api_key: The key.
        allow_user: Whether the address may hold a user name and password; elsewhere they would end up in errors,
            stamps and traces, and not be sent, since the key takes their place.

    Raises:
        UnknownServerError: No server has that name.
        ConfigurationError: The server has no public address and none was given, or it needs a key and has none; the
            address or the key holds what none can hold.
    """
    environment = os.environ
    if server is None and base_url is None:
        base_url = environment.get("OPENAI_BASE_URL") or None
    if base_url is not None:
        _check_address(base_url, allow_user=allow_user)
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
    _check_address(base_url, allow_user=allow_user)
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
    if any(not "!" <= character <= "~" for character in api_key or ""):
        raise ConfigurationError(
            "the API key holds a character that no HTTP header can carry, such as the line end of the file it came from: strip it",
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
    https = urlsplit(base_url).scheme == "https"  # an address of its hosts, but never in the clear
    return https and bool(profile.hosts) and find_server(base_url=base_url) is profile


def _same_address(one: str, other: str | None) -> bool:
    return other is not None and one.rstrip("/") == other.rstrip("/")


def _check_address(base_url: str, *, allow_user: bool) -> None:
    """Refuse what is no plain address, and what two readers of addresses could read as two different hosts."""
    parts, why = urlsplit(""), ""
    try:
        parts = urlsplit(base_url)
        known = parts.scheme in {"http", "https"} and parts.port != 0
        plain = known and _HOST.fullmatch(parts.hostname or "") is not None
    except ValueError as error:
        plain = False
        why = f" ({error})" if str(error).startswith("Port") else ""
    odd = any(character <= " " or character in "\\\x7f" for character in base_url)
    if not plain or odd:
        raise ConfigurationError(
            f"base_url={without_user(base_url)!r} is not an http(s) address, such as 'https://host/v1'{why}"
        )
    if not allow_user and "@" in parts.netloc:
        raise ConfigurationError(
            "base_url= holds a user name or a password, which would show in errors and traces: leave it out, and pass"
            " api_key=, or default_headers= with an Authorization header"
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(
            f"base_url={without_user(parts._replace(query='', fragment='').geturl())!r} is followed by ? or #: leave"
            " that out; the paths of the API are put at its end"
        )


def without_user(url: str) -> str:
    """An address without the user name and password that may stand in it."""
    return _USER.sub("//", url, count=1)
