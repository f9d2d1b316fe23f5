"""What passes between the engine and whatever carries it: a request, a reply, the frames of a stream."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

__all__ = ["Body", "Fault", "Frame", "Reply", "Request"]

Fault: TypeAlias = Literal["refuse", "disconnect", "reset", "stall"]
"""What goes wrong on the wire instead of a frame: the connection is refused, closed (FIN), reset (RST), or silent."""


@dataclass(frozen=True, slots=True)
class Request:
    """One HTTP request as the engine sees it.

    Attributes:
        method: Upper-case method.
        path: Decoded path, with its prefix: `/v1/responses/resp_1`.
        query: Query parameters; the last one wins.
        headers: Header names in lower case.
        body: Raw bytes.
    """

    method: str
    path: str
    query: Mapping[str, str] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Frame:
    """One write of a streamed body.

    Attributes:
        data: Bytes that leave in one write.
        delay: Seconds of silence before them.
        fault: What happens instead of the write.
    """

    data: bytes = b""
    delay: float = 0.0
    fault: Fault | None = None


Body: TypeAlias = bytes | Iterator[Frame]


@dataclass(frozen=True, slots=True)
class Reply:
    """One HTTP reply: a whole body, or frames that are produced as they are read.

    Attributes:
        fault: What happens instead of any reply.
    """

    status: int
    headers: Mapping[str, str]
    body: Body
    fault: Fault | None = None

    @classmethod
    def json(cls, status: int, value: Any, headers: Mapping[str, str] | None = None) -> Reply:
        """A reply whose body is `value` as JSON."""
        body = json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
        return cls(status, {"content-type": "application/json", **(headers or {})}, body)
