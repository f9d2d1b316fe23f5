"""What a server's error answer means, whatever shape it has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["Failure", "read_failure"]

_LOST_CODES: Final = frozenset(
    {"previous_response_not_found", "response_not_found", "response_state_not_found"}
)
_LOST_TEXT: Final = re.compile(
    r"previous.{0,3}response|response with id|\bresp(onse)?[ _]?(id)?\b.*(not found|does not exist|malformed)"
    r"|malformed.{0,20}identifier",
    re.IGNORECASE,
)
_GONE_TEXT: Final = re.compile(
    r"not.{0,3}found|does not exist|no such|expired|deleted|malformed|unknown", re.IGNORECASE
)
_TRANSIENT_CODES: Final = frozenset(
    {"server_error", "rate_limit_exceeded", "vector_store_timeout", "overloaded", "timeout"}
)


@dataclass(frozen=True, slots=True)
class Failure:
    """One error of the server.

    Attributes:
        status: HTTP status, 200 when the error came inside a successful answer, `None` when there was no answer.
        code: The server's code, as text.
        message: The server's words.
        param: The parameter it blames.
    """

    status: int | None
    code: str | None
    message: str
    param: str | None

    @property
    def lost_response(self) -> bool:
        """Whether the server says that the response to continue is not there (any more).

        Shapes seen: 400 `previous_response_not_found`, 404 `response_not_found`, 404 with only a `detail`,
        400 "malformed identifier", an integer code, a single `error` event in a 200 stream.
        """
        if self.code in _LOST_CODES:
            return True
        if self.status not in {200, 400, 404, 410, 422}:
            return False
        if self.param == "previous_response_id" and _GONE_TEXT.search(self.message):
            return True
        return bool(_LOST_TEXT.search(self.message) and _GONE_TEXT.search(self.message))

    @property
    def transient(self) -> bool:
        """Whether trying again later can help."""
        if self.status is not None and (self.status >= 500 or self.status in {408, 409, 429}):
            return self.code != "insufficient_quota"
        return self.code in _TRANSIENT_CODES


def read_failure(status: int | None, body: Any) -> Failure:
    """Read an error from an `error` object or string, a `detail` string or list, or plain text.

    Codes may be strings or integers; an event of a stream has the same fields, flat or nested.
    """
    if not isinstance(body, Mapping):
        return Failure(status, None, str(body or "").strip()[:500], None)
    error = body.get("error")
    if error is None and "detail" in body:
        error = body["detail"]
    if error is None and isinstance(body.get("response"), Mapping):
        error = body["response"].get("error")
    if error is None:
        error = body
    if isinstance(error, list):
        return Failure(status, None, "; ".join(_one_detail(entry) for entry in error)[:500], None)
    if not isinstance(error, Mapping):
        return Failure(status, None, str(error)[:500], None)
    code = error.get("code") or error.get("type")
    return Failure(
        status=status,
        code=None if code is None else str(code),
        message=str(error.get("message") or error.get("detail") or error.get("error") or "")[:500],
        param=error.get("param") if isinstance(error.get("param"), str) else None,
    )


def _one_detail(entry: Any) -> str:
    if not isinstance(entry, Mapping):
        return str(entry)
    loc = entry.get("loc")
    where = ".".join(map(str, loc)) if isinstance(loc, list | tuple) else str(loc or "")
    return f"{where}: {entry.get('msg')}" if where else str(entry.get("msg", entry))
