"""Read what a server sends with no more trust than it needs: so much, so deep, and text that can be sent on."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from ..errors import ResponseTooLargeError

__all__ = ["Limits", "Meter", "has_surrogates", "plain", "read_json", "without_surrogates"]

_MAX_DEPTH: Final = 100
"""Levels of nesting; Python itself gives up at some hundred, in whatever walks the value last."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Where the reading of one answer stops.

    Attributes:
        total: Bytes, after decompression.
        frame: Bytes of one event; an inlined image fits, an endless line does not.
        events: Events of one stream.
    """

    total: int = 256 * 2**20
    frame: int = 64 * 2**20
    events: int = 1_000_000


class Meter:
    """Counts what is read of one answer.

    Args:
        limits: Where to stop.
        source: Tells the address that sends it, for the message.
    """

    def __init__(self, limits: Limits, source: Callable[[], str] = lambda: "the server") -> None:
        self._limits = limits
        self._source = source
        self._bytes = 0
        self._events = 0

    def read(self, data: bytes, *, events: int = 0) -> bytes:
        """Count these bytes and events; gives the bytes back.

        Raises:
            ResponseTooLargeError: There are more than the limit allows.
        """
        self._bytes += len(data)
        self._events += events
        if self._bytes > self._limits.total:
            raise self._error(f"{self._limits.total:,} bytes")
        if self._events > self._limits.events:
            raise self._error(f"{self._limits.events:,} events")
        return data

    def _error(self, limit: str) -> ResponseTooLargeError:
        return ResponseTooLargeError(
            f"{self._source()} sent more than {limit} in one answer, and was not read any further: raise"
            " max_response_bytes= if that is what such an answer takes"
        )


def read_json(data: bytes) -> Any:
    """The value of a JSON text in UTF-8, as plain JSON that can be sent on.

    Lone surrogates, which no UTF-8 can hold, become U+FFFD; NaN and the infinities, which are not JSON, become null.

    Raises:
        ValueError: It is not JSON, or nested deeper than 100 levels.
    """
    try:
        value = _decode(data.removeprefix(BOM_UTF8).decode())
    except RecursionError as error:
        raise ValueError(_TOO_DEEP) from error
    return plain(value, data)


def plain(value: Any, source: bytes) -> Any:
    """The value of a JSON text without lone surrogates, which become U+FFFD.

    Args:
        value: What was parsed.
        source: The text, which tells where there is nothing to look for.

    Raises:
        ValueError: It is nested deeper than 100 levels.
    """
    if source.count(b"{") + source.count(b"[") > _MAX_DEPTH and _is_deep(value):
        raise ValueError(_TOO_DEEP)
    return without_surrogates(value) if has_surrogates(source) else value


def has_surrogates(source: bytes) -> bool:
    """Whether a JSON text may hold lone surrogates: it has escapes of that kind."""
    return b"\\ud" in source or b"\\uD" in source


_TOO_DEEP: Final = f"JSON nested deeper than {_MAX_DEPTH} levels"
_decode: Final = json.JSONDecoder(parse_constant=lambda _: None).decode


def _is_deep(value: Any) -> bool:
    level = [value]
    for _ in range(_MAX_DEPTH + 1):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node)
            if isinstance(child, dict | list)
        ]
        if not level:
            return False
    return True


def without_surrogates(value: Any) -> Any:
    """The same JSON with U+FFFD in place of each lone surrogate."""
    if isinstance(value, str):
        return value.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(value, Mapping):
        return {without_surrogates(key): without_surrogates(item) for key, item in value.items()}
    if isinstance(value, list):
        return [without_surrogates(item) for item in value]
    return value
