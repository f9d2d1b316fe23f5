"""Raw requests to a fake, without a client in between."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from responses_adapters.profiles import SERVERS
from responses_adapters.testing import Backend, Request


def path_of(be: Backend) -> str:
    """Where the emulated server creates responses."""
    profile = SERVERS.get(be.behaviour.name, SERVERS["generic"])
    return f"{urlsplit(profile.base_url or 'https://host/v1').path}/responses"


def send(
    be: Backend, method: str, path: str, body: Any = None, headers: Any = None, **query: str
) -> tuple[int, Any]:
    """The status and the decoded body of the reply."""
    raw = b"" if body is None else json.dumps(body).encode()
    reply = be.handle(Request(method, path, query, headers or {}, raw))
    assert isinstance(reply.body, bytes)
    return reply.status, json.loads(reply.body) if reply.body else None


def ask(be: Backend, text: Any = "hi", /, **fields: Any) -> tuple[int, Any]:
    """Create a response; its status and body."""
    return send(be, "POST", path_of(be), {"model": "m", "input": text, **fields})


def blocks(be: Backend, text: Any = "hi", /, **fields: Any) -> list[str]:
    """Create a response as a stream; its server-sent events as they are on the wire."""
    body = json.dumps({"model": "m", "input": text, "stream": True, **fields}).encode()
    reply = be.handle(Request("POST", path_of(be), body=body))
    assert not isinstance(reply.body, bytes), reply.body
    return b"".join(frame.data for frame in reply.body).decode().strip("\n").split("\n\n")


def datum(block: str) -> Any:
    """The data of one event."""
    return json.loads(block.split("data: ", 1)[1])
