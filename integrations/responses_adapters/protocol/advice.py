"""Errors of the OpenAI SDK with advice in their message: same class, same fields, one readable line."""

from __future__ import annotations

import os
import re
from itertools import takewhile
from typing import Any, Final, TypeVar
from urllib.parse import urlsplit

import openai

from ..endpoints import without_user
from .failure import Failure, read_failure

__all__ = ["advise", "bare", "quotes_header"]

ErrorT = TypeVar("ErrorT", bound=openai.APIError)

_VERSION: Final = re.compile(r"v\d\w*")
_BELOW: Final = frozenset({"responses", "chat", "completions", "deployments"})
"""What stands in an address below that of the API."""


def advise(
    error: ErrorT,
    *,
    base_url: str,
    model: str | None = None,
    api_key_env: str | None = None,
    has_key: bool = True,
) -> ErrorT:
    """The same error, saying what happened, where, and what to do about it.

    The request that it holds loses its headers: errors are logged, sent to other processes and kept, and the key is
    among them.

    Args:
        error: What the SDK raised.
        base_url: Address that the client was made for.
        model: Model that was asked for.
        api_key_env: Environment variable that holds the key.
        has_key: Whether a key was sent at all.
    """
    url = without_user(str(error.request.url))
    if isinstance(error, openai.APIStatusError):
        body = error.body if error.body is not None else error.response.text
        failure = read_failure(error.status_code, body)
        if error.status_code == 401:
            message = f"401 at {url}: {_key_advice(failure, api_key_env, has_key=has_key)}"
        else:
            message = _status_advice(failure, url, without_user(base_url).rstrip("/"), model)
    elif not isinstance(error, openai.APIConnectionError):
        said = read_failure(None, error.body).message or error.message
        message = f"{url} broke off with an error: {_first_line(said)}"
    else:
        cause = error.__cause__
        reason = _reason(cause)
        if isinstance(error, openai.APITimeoutError):
            message = f"{url} did not answer in time{reason}: raise timeout=, or try again"
        else:
            message = f"cannot reach {url}{reason}: is the server running, and base_url= right?"
    _drop_headers(error)
    # Not copy.copy: it calls the constructor, whose arguments differ from class to class.
    advised = type(error).__new__(type(error))
    advised.__dict__.update(error.__dict__)
    advised.message = message
    advised.args = (message,)
    advised.__cause__ = None if quotes_header(error.__cause__) else error.__cause__
    return advised


def bare(request: Any) -> Any:
    """The request without its headers."""
    return type(request)(request.method, request.url, content=request.content)


def _drop_headers(error: openai.APIError) -> None:
    error.request = request = bare(error.request)
    response: Any = getattr(error, "response", None)
    holders: list[Any] = [] if response is None else [response]
    below = error.__cause__ or error.__context__
    while below is not None:
        holders.append(below)
        below = below.__cause__ or below.__context__
    for holder in holders:
        if getattr(holder, "_request", None) is not None:  # of either HTTP library
            holder.request = request
    if response is not None:
        response.next_request = None  # where a redirect would lead, headers included


def _reason(cause: BaseException | None) -> str:
    if quotes_header(cause):
        return " (a header cannot be sent: is there a line end in the key, or in a header?)"
    return f" ({cause})" if cause is not None and str(cause) else ""


def quotes_header(cause: BaseException | None) -> bool:
    """Whether the HTTP library names the value of a header that it cannot send; that may be the key."""
    return "header value" in str(cause).lower()


def _key_advice(failure: Failure, api_key_env: str | None, *, has_key: bool) -> str:
    said = _first_line(failure.message)
    if has_key:
        where = f" or {api_key_env}" if api_key_env else ""
        return f"the key was refused ({said}): check api_key={where}"
    kept = "OPENAI_API_KEY" in os.environ
    why = " (OPENAI_API_KEY goes to OpenAI and to the address in OPENAI_BASE_URL only)"
    return f"no key was sent, and it wants one ({said}): pass api_key={why if kept else ''}"


def _status_advice(failure: Failure, url: str, base_url: str, model: str | None) -> str:
    said = _first_line(failure.message)
    status = failure.status
    if status is not None and 300 <= status < 400:
        return f"{status} at {url}: the server redirects elsewhere, which is not followed: set base_url= to the final address"
    if status in {400, 404} and _blames_model(failure, model):
        return f"{status} at {url}: the model {model!r} does not exist there ({said}): check the model name"
    if status == 405 or (status == 404 and _wrong_path(failure)):
        likely = _likely_address(base_url)
        if likely != base_url:
            return f'{status} at {url}: did you mean base_url="{likely}"?'
        return f"{status} at {url}: there is no Responses API: has the server got one, and is it at another address?"
    return f"{status} at {url}: {said or 'no reason given'}"


def _first_line(text: str) -> str:
    return text.splitlines()[0][:300] if text else ""


def _blames_model(failure: Failure, model: str | None) -> bool:
    if failure.code in {"model_not_found", "model_not_available"} or failure.param == "model":
        return True
    words = failure.message.lower()
    return bool(model) and "model" in words and str(model).lower() in words


def _wrong_path(failure: Failure) -> bool:
    """A router's own 404, and not that of an API that looked something up."""
    words = failure.message.lower()
    generic = {"", "not found", "method not allowed", "404 page not found", "404 not found"}
    page = "<html" in words or "<!doctype" in words
    return page or words.strip(" .") in generic or words.startswith("invalid url")


def _likely_address(base_url: str) -> str:
    """The address of the API that this one is at, or below; it ends with a version."""
    parts = urlsplit(base_url)
    segments = list(takewhile(lambda each: each not in _BELOW, filter(None, parts.path.split("/"))))
    if "v1" in segments:
        segments = segments[: segments.index("v1") + 1]
    elif not any(map(_VERSION.fullmatch, segments)):
        segments.append("v1")
    return f"{parts.scheme}://{parts.netloc}/{'/'.join(segments)}"
