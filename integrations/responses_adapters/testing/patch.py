"""The fake without wiring: every HTTP client of the process meets it, and none leaves the machine."""

from __future__ import annotations

import functools
import re
import socket
import sys
import threading
from collections.abc import Callable, Collection, Iterator
from contextvars import ContextVar
from importlib import import_module
from importlib.util import find_spec
from ipaddress import ip_address
from types import TracebackType
from typing import Any, Final, Self
from urllib.parse import urlsplit

from ..errors import ResponsesAdapterError
from .server import serving_ports
from .transport import Handler, Kit, Library, kit

__all__ = ["NetworkBlockedError", "PatchedTransports"]

LIBRARIES: Final[tuple[Library, ...]] = ("httpx2", "httpx")

_AIOHTTP: Final[dict[Library, str]] = {
    "httpx2": "openai._vendor.httpx_aiohttp",
    "httpx": "httpx_aiohttp",
}
"""Where each library's transport over aiohttp is, which clients of the OpenAI SDK may use."""

TELEMETRY: Final = (
    re.compile(r"(.+\.)?smith\.langchain\.com/"),
    re.compile(r"logfire[\w.-]*\.pydantic\.dev/"),
    re.compile(r"api\.openai\.com/v1/traces/"),
)
"""`host/path` of what frameworks report about themselves: answered with 202 and forgotten."""

_SERVED: Final = re.compile(
    r"/(responses|conversations|models|health|check|tools|agents/[^/]+/schedules|chat/completions)(/|$)"
)
_SERVED_ON_LOOPBACK: Final = re.compile(r"/(responses|chat/completions)(/|$)")


_REMEDY: Final = (
    "Replace what makes the request, or let it pass with allow_hosts=['{host}'], as in"
    " @pytest.mark.responses_backend(allow_hosts=['{host}']); patch=False there patches nothing."
)


class NetworkBlockedError(ResponsesAdapterError):
    """A request would have left the machine during a test; the message says which, and what to do."""


class PatchedTransports:
    """While entered, every httpx2 and httpx client of the process talks to `backend`, whatever its base URL.

    Clients made before count too. Loopback addresses keep working (a Responses path on them is served by the
    fake, unless a `ResponsesServer` of this process listens there), telemetry is dropped, all else is refused:
    at the HTTP libraries first, and at the socket for whoever does not use them. Blocks may be nested and
    entered from concurrent tasks: a task meets the backend that it entered, any other thread the last one.

    Args:
        backend: Answers the requests.
        allow_hosts: Host names that stay reachable.
        remedy: What to do about a refusal, for its message; `{host}` stands for the host.

    Attributes:
        blocked: What was refused, so that a caller who swallowed the error is still found out.
        addresses: What the allowed names resolved to.
    """

    def __init__(
        self, backend: Handler, *, allow_hosts: Collection[str] = (), remedy: str = _REMEDY
    ) -> None:
        self.backend = backend
        self._remedy = remedy
        self.allow_hosts: frozenset[str] = frozenset(allow_hosts)
        self.blocked: list[str] = []
        self.addresses: set[str] = set()
        self._outer: PatchedTransports | None = None

    def __enter__(self) -> Self:
        self._outer = _entered.get()
        _entered.set(self)
        with _lock:
            if not _active:
                _undo.extend(_install())
            _active.append(self)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _entered.set(self._outer)
        with _lock:
            _active.remove(self)
            if not _active:
                while _undo:
                    _undo.pop()()

    def refuse(self, what: str, host: str) -> NetworkBlockedError:
        """Note that `what` was stopped, and the error that says so."""
        self.blocked.append(what)
        return NetworkBlockedError(
            f"{what} was blocked: only loopback and the fake Responses server can be reached here. "
            + self._remedy.format(host=host)
        )


_lock = threading.RLock()
_active: list[PatchedTransports] = []
_undo: list[Callable[[], None]] = []
_entered: ContextVar[PatchedTransports | None] = ContextVar("responses_patch", default=None)


def _current() -> PatchedTransports | None:
    """The patch that this task entered if it still holds, else the last one entered anywhere."""
    entered = _entered.get()
    if entered in _active:
        return entered
    return _active[-1] if _active else None


def _install() -> Iterator[Callable[[], None]]:
    """Put every replacement in place; each item undoes one."""
    for library in LIBRARIES:
        if find_spec(library) is not None:
            made = kit(library)
            yield _replace(made.library.HTTPTransport, "handle_request", _sync(made))
            yield _replace(made.library.AsyncHTTPTransport, "handle_async_request", _async(made))
            if (home := _aiohttp_transports(library)) is not None:
                yield _replace(home.AiohttpTransport, "handle_async_request", _async(made))
    if find_spec("requests") is not None:
        yield _replace(import_module("requests.adapters").HTTPAdapter, "send", _requests)
    yield _replace(socket.socket, "connect", _connect)
    yield _replace(socket.socket, "connect_ex", _connect)
    yield _replace(socket, "getaddrinfo", _getaddrinfo)


def _aiohttp_transports(library: Library) -> Any:
    """The module of a library's aiohttp transport, where a loaded SDK may use it."""
    if "openai" not in sys.modules or find_spec("aiohttp") is None:
        return None
    try:
        return import_module(_AIOHTTP[library])
    except ImportError:  # the other line of the SDK
        return None


def _replace(owner: Any, name: str, make: Callable[[Any], Any]) -> Callable[[], None]:
    inherited = name not in vars(owner)
    original = getattr(owner, name)
    setattr(owner, name, functools.wraps(original)(make(original)))
    if inherited:
        return functools.partial(delattr, owner, name)
    return functools.partial(setattr, owner, name, original)


def _route(patch: PatchedTransports, method: str, url: str) -> str:
    """`"fake"`, `"drop"` or `"pass"`.

    Raises:
        NetworkBlockedError: The request goes elsewhere, and would leave the machine.
    """
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if any(pattern.match(host + parts.path) for pattern in TELEMETRY):
        return "drop"
    if host in patch.allow_hosts:
        return "pass"
    if is_loopback(host):
        ours = parts.port in serving_ports()
        return "fake" if _SERVED_ON_LOOPBACK.search(parts.path) and not ours else "pass"
    if _SERVED.search(parts.path):
        return "fake"
    raise patch.refuse(f"{method} {parts.scheme}://{parts.netloc}{parts.path}", host)


def is_loopback(host: str) -> bool:
    """Whether an address or name stays on this machine."""
    if host in {"", "localhost"} or host.endswith(".localhost"):
        return True
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return False
    return address.is_loopback or address.is_unspecified


def _sync(made: Kit) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        def handle_request(transport: Any, request: Any) -> Any:
            patch = _current()
            route = _route(patch, request.method, str(request.url)) if patch else "pass"
            if patch is None or route == "pass":
                return original(transport, request)
            if route == "drop":
                return made.library.Response(202, json={})
            return made.respond(patch.backend, request)

        return handle_request

    return make


def _async(made: Kit) -> Callable[[Any], Any]:
    def make(original: Any) -> Any:
        async def handle_async_request(transport: Any, request: Any) -> Any:
            patch = _current()
            route = _route(patch, request.method, str(request.url)) if patch else "pass"
            if patch is None or route == "pass":
                return await original(transport, request)
            if route == "drop":
                return made.library.Response(202, json={})
            return await made.respond_async(patch.backend, request)

        return handle_async_request

    return make


def _requests(original: Any) -> Any:
    """Telemetry and the guard alone: no Responses client is made with `requests`."""

    def send(adapter: Any, request: Any, *args: Any, **options: Any) -> Any:
        patch = _current()
        route = _route(patch, request.method, request.url) if patch else "pass"
        if patch is None or route == "pass":
            return original(adapter, request, *args, **options)
        if route == "fake":
            host = urlsplit(request.url).hostname or ""
            raise patch.refuse(f"{request.method} {request.url} (by requests, not httpx)", host)
        response = import_module("requests").Response()
        response.status_code, response.url, response.request = 202, request.url, request
        response._content = b"{}"
        return response

    return send


def _connect(original: Any) -> Any:
    def connect(self: socket.socket, address: Any) -> Any:
        if self.family in {socket.AF_INET, socket.AF_INET6}:
            _guard(str(address[0]), address[1])
        return original(self, address)

    return connect


def _getaddrinfo(original: Any) -> Any:
    def getaddrinfo(host: Any, port: Any, *args: Any, **options: Any) -> Any:
        name = host.decode() if isinstance(host, bytes) else host or ""
        patch = _guard(name, port)
        found = original(host, port, *args, **options)
        if patch is not None:
            patch.addresses.update(str(address[0]) for *_, address in found)
        return found

    return getaddrinfo


def _guard(host: str, port: Any) -> PatchedTransports | None:
    """Raises `NetworkBlockedError` unless the host may be reached; the patch in force, if any."""
    patch = _current()
    if patch is None or is_loopback(host) or host in patch.allow_hosts | patch.addresses:
        return patch
    raise patch.refuse(f"A connection to {host}:{port}", host)
