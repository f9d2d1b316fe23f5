"""What a server's error answer means, whatever shape it has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
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
_BUSY_CODES: Final = frozenset({"conversation_locked"})
_TRANSIENT_CODES: Final = _BUSY_CODES | {
    "server_error",
    "rate_limit_exceeded",
    "vector_store_timeout",
    "overloaded",
    "timeout",
}
_OVERFLOW_CODES: Final = frozenset({"context_length_exceeded", "context_window_exceeded"})
_OVERFLOW_TEXT: Final = re.compile(
    r"context (window|length|size)|maximum (context|input|prompt) (length|size|tokens)|prompt is too long"
    r"|input is too long|too many (input |prompt )?tokens",
    re.IGNORECASE,
)
_DUPLICATE_TEXT: Final = re.compile(r"duplicate (input )?(item|id)\b", re.IGNORECASE)
_UNPAIRED_REASONING_TEXT: Final = re.compile(
    r"without its required (following|'?reasoning)", re.IGNORECASE
)
_UNPAIRED_CALL_TEXT: Final = re.compile(
    r"no (tool|function|custom tool|custom|matching)[ _]?(tool )?(call|output)s? found|no output found for"
    r"|(tool|function)[ _]call.{0,40}(without|no|missing|lacks|must be followed by).{0,20}(output|response|result)",
    re.IGNORECASE,
)
_UNKNOWN_ITEM_TEXT: Final = re.compile(
    r"item (with id|reference)?.{0,80}not.{0,3}found|items? (is|are) not persisted|no such item",
    re.IGNORECASE,
)
_UNREADABLE_TEXT: Final = re.compile(
    r"encrypted.{0,3}content.{0,200}(verif|decrypt|parse|invalid|match|malformed)"
    r"|(invalid|malformed).{0,20}encrypted.{0,3}content",
    re.IGNORECASE,
)
_UNSUPPORTED_CODES: Final = frozenset(
    {"unsupported_parameter", "unknown_parameter", "unsupported_value", "unrecognized_parameter"}
)
_UNSUPPORTED_TEXT: Final = re.compile(
    r"\bun(supported|known|recogni[sz]ed|expected)\b|\bnot (yet )?(supported|permitted|allowed|recogni[sz]ed|implemented)"
    r"|(does|do|is) ?n[o']t support|extra (inputs|fields)",
    re.IGNORECASE,
)
_REFUSING: Final = frozenset({200, 400, 404, 422, 501})


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
    def overflow(self) -> bool:
        """Whether the input is longer than the model's context window."""
        return self.code in _OVERFLOW_CODES or (
            self.status in _REFUSING | {413} and bool(_OVERFLOW_TEXT.search(self.message))
        )

    @property
    def duplicate_items(self) -> bool:
        """Whether an item was sent that the conversation has already."""
        return self._says(_DUPLICATE_TEXT)

    @property
    def unpaired_reasoning(self) -> bool:
        """Whether a reasoning item came without the item that it led to, or that item without it."""
        return self._says(_UNPAIRED_REASONING_TEXT)

    @property
    def unpaired_calls(self) -> bool:
        """Whether a call came without its output, or an output without its call."""
        return self._says(_UNPAIRED_CALL_TEXT)

    @property
    def unusable_items(self) -> bool:
        """Whether the server cannot resolve an item's id, or not read what it is said to have sealed itself."""
        return (
            self.code == "invalid_encrypted_content"
            or self._says(_UNKNOWN_ITEM_TEXT)
            or self._says(_UNREADABLE_TEXT)
        )

    @property
    def busy(self) -> bool:
        """Whether another request holds the conversation: nothing was started."""
        return self.code in _BUSY_CODES

    def unsupported(self, names: Iterable[str]) -> str | None:
        """The parameter among `names` that the server says it does not know or take, if it says so of one."""
        if self.code not in _UNSUPPORTED_CODES and not self._says(_UNSUPPORTED_TEXT):
            return None
        known = list(names)
        for step in reversed(re.split(r"[.\[\]]+", self.param or "")):
            if step in known:
                return step
        named = [] if self.param else [name for name in known if self._names(name)]
        return named[0] if len(named) == 1 else None

    def _names(self, name: str) -> bool:
        """Whether the message speaks of this parameter, and does not merely use the word."""
        lead = r"['\"`]|parameters?:? \[?|supplied: |arguments?:? |fields?:? |body\."
        return bool(re.search(rf"({lead}){re.escape(name)}\b|^{re.escape(name)}:", self.message))

    def _says(self, text: re.Pattern[str]) -> bool:
        return self.status in _REFUSING and bool(text.search(self.message))

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
        details = [_one_detail(entry) for entry in error]
        said = "; ".join(f"{where}: {what}" if where else what for where, what in details)
        return Failure(status, None, said[:500], details[0][0] or None if details else None)
    if not isinstance(error, Mapping):
        return Failure(status, None, str(error)[:500], None)
    code = error.get("code") or error.get("type")
    return Failure(
        status=status,
        code=None if code is None else str(code),
        message=str(error.get("message") or error.get("detail") or error.get("error") or "")[:500],
        param=error.get("param") if isinstance(error.get("param"), str) else None,
    )


def _one_detail(entry: Any) -> tuple[str, str]:
    """Where and what, of one entry of a validation error."""
    if not isinstance(entry, Mapping):
        return "", str(entry)
    loc = entry.get("loc")
    steps = loc if isinstance(loc, list | tuple) else [loc or ""]
    return ".".join(map(str, steps)), str(entry.get("msg", entry))
