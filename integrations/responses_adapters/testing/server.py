"""The fake on a loopback socket: uvicorn in a thread, one server for a whole test session."""

from __future__ import annotations

import itertools
import socket
import struct
import threading
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from ..errors import ConfigurationError, MissingExtraError
from ..profiles import SERVERS, ServerProfile
from .asgi import FakeApp, Message
from .transport import Handler, emulated_profile

if TYPE_CHECKING:
    import uvicorn

__all__ = ["LoopbackServer", "ResponsesServer", "Tenant"]

HOST = "127.0.0.1"
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER on, for zero seconds

_ports: set[int] = set()


def serving_ports() -> frozenset[int]:
    """Loopback ports on which servers of this process listen."""
    return frozenset(_ports)


class LoopbackServer:
    """An ASGI application on `127.0.0.1`, running in a thread while entered.

    Args:
        app: The application.
        port: Port to listen on; 0 takes a free one.

    Raises:
        ConfigurationError: On entering, if the port cannot be had.
        MissingExtraError: On entering, if uvicorn is not installed.
    """

    def __init__(self, app: Any, *, port: int = 0) -> None:
        self.app = app
        self._port = port
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None
        self._listener: socket.socket | None = None

    @property
    def port(self) -> int:
        """The port it listens on, once entered."""
        return self._port

    @property
    def base_url(self) -> str:
        """What a client takes as `base_url=`."""
        return f"http://{HOST}:{self._port}/v1"

    def __enter__(self) -> Self:
        # Only for sockets that name TCP does asyncio turn Nagle's delay off: 40 ms a request.
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            _bind(listener, self._port)
            listener.listen(128)
            self._server = make_server(self.app)
        except BaseException:
            listener.close()
            raise
        self._listener = listener
        self._port = listener.getsockname()[1]
        # The socket already listens: a client that comes before the loop runs waits in its backlog.
        self._thread = threading.Thread(
            target=self._server.run, args=([listener],), name="responses-server", daemon=True
        )
        self._thread.start()
        _ports.add(self._port)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        _ports.discard(self._port)
        if self._server is None or self._thread is None or self._listener is None:
            return
        self._server.should_exit = True
        self._thread.join()
        self._listener.close()  # uvicorn before 0.45 leaves it to whoever opened it

    def abort(self, scope: Message, reset: bool) -> None:
        """Break the connection of an ASGI scope: with RST if `reset`, else with FIN."""
        if self._server is None:
            return
        for connection in self._server.server_state.connections:
            if getattr(connection, "client", None) == tuple(scope["client"]):
                _close(connection.transport, reset=reset)
                return


class ResponsesServer(LoopbackServer):
    """Serves a backend on `127.0.0.1`, for clients that need a real socket or live in another process.

        with ResponsesServer(Backend()) as server:
            subprocess.run([...], env={**os.environ, **server.env})

    Args:
        backend: Answers what is sent to `base_url`. Without one, `mount` backends under tenants.
        port: Port to listen on; 0 takes a free one.
    """

    app: FakeApp

    def __init__(self, backend: Handler | None = None, *, port: int = 0) -> None:
        super().__init__(FakeApp(backend, abort=self.abort), port=port)
        self._names = itertools.count(1)

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that lead an unchanged program here."""
        backend = self.app.backend
        return environment(
            self.base_url, emulated_profile(backend) if backend else SERVERS["openai"]
        )

    def mount(self, backend: Handler) -> Tenant:
        """Serve `backend` under an address of its own until the tenant is left; then that is a 404."""
        name = f"test-{next(self._names)}"
        self.app.tenants[name] = backend
        return Tenant(self, name, backend)


class Tenant:
    """One backend's place on a shared server.

    Attributes:
        name: Its path segment.
    """

    def __init__(self, server: ResponsesServer, name: str, backend: Handler) -> None:
        self._server = server
        self._backend = backend
        self.name = name

    @property
    def base_url(self) -> str:
        """What a client takes as `base_url=`."""
        return f"http://{HOST}:{self._server.port}/t/{self.name}/v1"

    @property
    def env(self) -> dict[str, str]:
        """Environment variables that lead an unchanged program here."""
        return environment(self.base_url, emulated_profile(self._backend))

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._server.app.tenants.pop(self.name, None)


def environment(base_url: str, profile: ServerProfile) -> dict[str, str]:
    """The variables that lead a client to `base_url`: OpenAI's, and those of `profile`; the key is none."""
    addresses = ["OPENAI_BASE_URL", profile.base_url_env]
    keys = ["OPENAI_API_KEY", profile.api_key_env]
    settings = {name: base_url for name in addresses if name}
    settings |= {name: "fake-key" for name in keys if name}
    return dict(sorted(settings.items()))


def make_server(app: Any) -> uvicorn.Server:
    """A quiet uvicorn server for `app`; open connections do not delay its end.

    Raises:
        MissingExtraError: uvicorn is not installed.
    """
    try:
        import uvicorn
    except ModuleNotFoundError as error:
        raise MissingExtraError("testing", "uvicorn") from error
    config = uvicorn.Config(
        app,
        log_config=None,
        log_level="critical",
        access_log=False,
        lifespan="off",
        http="h11",
        ws="websockets-sansio",  # what "auto" means from uvicorn 0.50 on; the older one is deprecated
        ws_max_size=2**30,  # uvicorn would hang up where the engine answers 413
        server_header=False,
        date_header=False,
        timeout_graceful_shutdown=0,
    )
    return uvicorn.Server(config)


def _bind(listener: socket.socket, port: int) -> None:
    try:
        listener.bind((HOST, port))
    except OverflowError:
        raise ConfigurationError(
            f"there is no port {port}: they go from 0, which takes a free one, to 65535"
        ) from None
    except OSError as error:
        raise ConfigurationError(
            f"cannot listen on port {port}: {error.strerror}; port 0 takes a free one"
        ) from error


def _close(transport: Any, *, reset: bool) -> None:
    if not reset:
        transport.close()
        return
    connection = transport.get_extra_info("socket")
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    transport.abort()
