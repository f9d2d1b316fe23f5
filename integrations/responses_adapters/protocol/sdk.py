"""The OpenAI SDK's clients, writing each request after the pattern of the one before.

For every request the SDK merges the same headers, parses the same address three times and looks for files. All of
that comes out as it did the last time, and costs more than the rest of a turn's HTTP; only body, key and cookies differ.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import openai

__all__ = ["AsyncOpenAI", "OpenAI"]

_KEY: Final = "Idempotency-Key"
_OF_ONE_REQUEST: Final = ("content-length", "cookie")

# As the SDK encodes bodies; what this cannot encode is left to it.
_encode: Final[Callable[[Any], str]] = json.JSONEncoder(
    ensure_ascii=False, separators=(",", ":"), allow_nan=False
).encode


class _Pattern(NamedTuple):
    """What the SDK made of these options, but for the body."""

    options: tuple[Any, ...]
    kind: type[Any]
    url: Any
    headers: Any
    extensions: Mapping[str, Any]


class _Repeating:
    """An SDK client of which nobody changes anything once it has sent a request.

    Where a release of the SDK does not ask `_build_request`, requests are what they were, at the price that they had.
    """

    _client: Any
    _pattern: _Pattern | None = None

    def _build_request(self, options: Any, **further: Any) -> Any:
        """The request for these options: the last one with another body where they say the same."""
        headers = options.headers if isinstance(options.headers, Mapping) else {}
        seconds = None if isinstance(options.timeout, openai.NotGiven) else options.timeout
        same = {name: value for name, value in headers.items() if name != _KEY}
        wanted = (options.method, options.url, options.params, same, seconds, further)
        pattern = self._pattern
        if pattern is not None and pattern.options == wanted:
            repeated = self._repeat(pattern, options)
            if repeated is not None:
                return repeated
        request = super()._build_request(options, **further)  # type: ignore[misc]
        if options.method == "post" and _is_plain(options) and _KEY in request.headers:
            headers = request.headers.copy()
            for name in _OF_ONE_REQUEST:
                headers.pop(name, None)
            self._pattern = _Pattern(
                wanted, type(request), request.url, headers, dict(request.extensions)
            )
        return request

    def _repeat(self, pattern: _Pattern, options: Any) -> Any:
        """The request with this body, `None` if it is none of plain JSON."""
        if not _is_plain(options):
            return None
        try:
            content = _encode(options.json_data).encode()
        except (TypeError, ValueError):
            return None
        request = pattern.kind(
            "POST",
            pattern.url,
            headers=pattern.headers,
            cookies=self._client.cookies,
            content=content,
            extensions=dict(pattern.extensions),
        )
        request.headers[_KEY] = (options.headers or {}).get(_KEY) or options.idempotency_key
        return request


def _is_plain(options: Any) -> bool:
    """Whether the body is what `json_data` says, and nothing else."""
    others = (getattr(options, name, None) for name in ("content", "files", "extra_json"))
    return isinstance(options.json_data, dict) and not any(others)


class OpenAI(_Repeating, openai.OpenAI):
    """The synchronous client; its name is in its `User-Agent`."""


class AsyncOpenAI(_Repeating, openai.AsyncOpenAI):
    """The asynchronous client, of one event loop."""
