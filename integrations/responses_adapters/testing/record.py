"""A proxy that writes down what passes between a client and a real server, for `Replay` to serve again."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from ..endpoints import Endpoint
from ..errors import ConfigurationError, MissingExtraError
from .asgi import Abort, Message, Receive, Send, error_json, hang_up, read_body, send_whole
from .behaviour import DEFAULT_MAX_BODY
from .redaction import redact
from .replay import Exchange
from .server import LoopbackServer
from .transport import sdk_library
from .wire import Fault, Frame

__all__ = ["Recorder", "record_into", "write_script"]

_KEPT_HEADERS: Final = re.compile(r"content-type|retry-after(-ms)?|x-should-retry|x-ratelimit-.*")
_NOT_FORWARDED: Final = frozenset(
    {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "host",
        "keep-alive",
        "transfer-encoding",
    }
)


class Recorder:
    """An ASGI application that passes requests on and keeps every exchange, secrets left out.

    Args:
        upstream: Base URL of the real server.
        api_key: Its key; without one the client's own is passed on.
        abort: How to break a connection when the server broke its own.
        on_exchange: Called with all exchanges after each one.
        transport: Carries the requests; by default the network.

    Attributes:
        exchanges: What was seen so far, in the order in which it ended.
    """

    def __init__(
        self,
        upstream: str,
        *,
        api_key: str | None = None,
        abort: Abort | None = None,
        on_exchange: Callable[[list[Exchange]], None] = lambda _: None,
        transport: Any = None,
    ) -> None:
        self.exchanges: list[Exchange] = []
        self.abort = abort
        self._upstream = upstream.rstrip("/")
        self._api_key = api_key
        self._on_exchange = on_exchange
        self._transport = transport
        self._library = import_module(sdk_library())

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Handle one ASGI connection."""
        if scope["type"] != "http":
            raise NotImplementedError("only HTTP is recorded")
        body = await read_body(receive, limit=DEFAULT_MAX_BODY)
        if body is None:
            return
        if len(body) > DEFAULT_MAX_BODY:
            refused = error_json(413, f"The request has more than {DEFAULT_MAX_BODY:,} bytes.")
            await send_whole(send, hang_up(refused))
            return
        path = scope["path"].removeprefix("/v1")
        headers = {
            name.decode().lower(): value.decode("latin-1") for name, value in scope["headers"]
        }
        secrets = _secrets(headers.get("authorization"), self._api_key)
        seen = _Seen(scope["method"].upper(), path, _parse(body), secrets)
        client = self._library.AsyncClient(timeout=None, transport=self._transport)
        query = scope["query_string"].decode()
        request = client.build_request(
            scope["method"],
            f"{self._upstream}{path}" + (f"?{query}" if query else ""),
            headers=self._outgoing(headers),
            content=body,
        )
        try:
            async with client:
                await self._forward(await client.send(request, stream=True), send, seen)
        except self._library.ConnectError as error:
            await send_whole(send, error_json(502, f"cannot reach {self._upstream}: {error}"))
            return
        except self._library.TransportError:
            seen.fault("disconnect")
            if self.abort is not None:
                self.abort(scope, False)
        self.exchanges.append(seen.exchange())
        self._on_exchange(self.exchanges)

    def _outgoing(self, headers: Mapping[str, str]) -> dict[str, str]:
        kept = {name: value for name, value in headers.items() if name not in _NOT_FORWARDED}
        if self._api_key is not None:
            kept["authorization"] = f"Bearer {self._api_key}"
        # What is recorded must be what was sent, not a compressed form of it.
        return {**kept, "accept-encoding": "identity"}

    async def _forward(self, answer: Any, send: Send, seen: _Seen) -> None:
        headers = {
            name.lower(): value
            for name, value in answer.headers.items()
            if name.lower() not in _NOT_FORWARDED
        }
        seen.begin(answer.status_code, headers)
        await send(
            {
                "type": "http.response.start",
                "status": answer.status_code,
                "headers": [(k.encode("latin-1"), v.encode("latin-1")) for k, v in headers.items()],
            }
        )
        try:
            async for chunk in answer.aiter_raw():
                seen.feed(chunk)
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
        finally:
            await answer.aclose()
        await send({"type": "http.response.body"})


@contextmanager
def record_into(path: str | Path, endpoint: Endpoint, *, port: int = 0) -> Iterator[LoopbackServer]:
    """Record on a loopback port what passes to `endpoint`; the script is complete after every exchange.

    Raises:
        ConfigurationError: The port cannot be had, or nothing can be written at `path`.
        MissingExtraError: uvicorn or PyYAML is not installed.
    """
    name = endpoint.profile.name
    write_script(path, name, [])
    recorder = Recorder(
        endpoint.base_url,
        api_key=endpoint.api_key,
        on_exchange=lambda exchanges: write_script(path, name, exchanges),
    )
    with LoopbackServer(recorder, port=port) as server:
        recorder.abort = server.abort
        yield server


class _Seen:
    """One exchange while it passes."""

    def __init__(self, method: str, path: str, body: Any, secrets: Collection[str]) -> None:
        self._request = {"method": method, "path": path, "body": redact(body, secrets)}
        self._secrets = secrets
        self._status = 0
        self._headers: dict[str, str] = {}
        self._streams = False
        self._frames: list[Frame] = []
        self._rest = b""
        self._fault: Fault | None = None
        self._last = time.monotonic()

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        self._status = status
        self._headers = {k: v for k, v in headers.items() if _KEPT_HEADERS.fullmatch(k)}
        self._streams = headers.get("content-type", "").startswith("text/event-stream")

    def feed(self, chunk: bytes) -> None:
        self._rest += chunk
        while self._streams and (end := _BLOCK_END.search(self._rest)):
            self._keep(self._rest[: end.end()])
            self._rest = self._rest[end.end() :]

    def fault(self, fault: Fault) -> None:
        self._fault = fault

    def exchange(self) -> Exchange:
        if self._status == 0:
            return Exchange(**self._request, fault=self._fault)
        if not self._streams and self._fault is None:
            content = redact(_parse(self._rest), self._secrets)
            return Exchange(
                **self._request, status=self._status, headers=self._headers, content=content
            )
        if self._rest:
            self._keep(self._rest)
        if self._fault is not None:
            self._frames.append(Frame(fault=self._fault))
        frames = tuple(self._frames)
        return Exchange(**self._request, status=self._status, headers=self._headers, frames=frames)

    def _keep(self, block: bytes) -> None:
        now = time.monotonic()
        self._frames.append(Frame(_redact_block(block, self._secrets), round(now - self._last, 3)))
        self._last = now


_BLOCK_END: Final = re.compile(rb"\r?\n\r?\n")


def _redact_block(block: bytes, secrets: Collection[str]) -> bytes:
    """An event without secrets; the same bytes where it has none."""
    return b"".join(_redact_line(line, secrets) for line in block.splitlines(keepends=True))


def _redact_line(line: bytes, secrets: Collection[str]) -> bytes:
    text = line.decode("utf-8", "replace")
    field, _, data = text.partition(":")
    value = _parse(data.encode()) if field == "data" else text
    clean = redact(value, secrets)
    if clean == value:
        return line
    if isinstance(clean, str):
        return str(redact(text, secrets)).encode()
    return f"data: {json.dumps(clean, ensure_ascii=False, separators=(',', ':'))}\n".encode()


def _secrets(authorization: str | None, api_key: str | None) -> list[str]:
    sent = (authorization or "").removeprefix("Bearer ")
    return [secret for secret in (sent, api_key) if secret and len(secret) >= 8]


def _parse(body: bytes) -> Any:
    """JSON where it is JSON, text otherwise, `None` for nothing."""
    if not body:
        return None
    try:
        return json.loads(body)
    except ValueError:
        return body.decode("utf-8", "replace")


def write_script(path: str | Path, server: str, exchanges: list[Exchange]) -> None:
    """Write what `Replay.from_file` reads; a reader never meets half a file.

    Raises:
        ConfigurationError: It cannot be written there.
        MissingExtraError: PyYAML is not installed.
    """
    try:
        import yaml
    except ModuleNotFoundError as error:
        raise MissingExtraError("testing", "PyYAML") from error
    script = {"server": server, "exchanges": [exchange.to_dict() for exchange in exchanges]}
    text = yaml.safe_dump(script, sort_keys=False, allow_unicode=True, width=120)
    beside = Path(f"{path}.part")
    try:
        beside.write_text(text, encoding="utf-8")
        os.replace(beside, path)
    except OSError as error:
        with suppress(OSError):
            beside.unlink()
        raise ConfigurationError(f"cannot write the script {path}: {error.strerror}") from error
