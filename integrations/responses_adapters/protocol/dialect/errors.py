"""One error body in canonical form."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..failure import read_failure
from .items import EXTENSION, Json

__all__ = ["normalize_error"]


def normalize_error(status: int, body: Any) -> Json:
    """The error as `{"error": {message, type, param, code}}`; the same object if it is already.

    Reads an `error` object or string, a `detail` string or list, plain text, and codes of any type. The server's
    own body is kept beside it.
    """
    error = body.get("error") if isinstance(body, Mapping) else None
    if isinstance(error, Mapping) and isinstance(error.get("message"), str):
        code = error.get("code")
        if code is None or isinstance(code, str):
            return body  # type: ignore[no-any-return]
    failure = read_failure(status, body)
    code = "previous_response_not_found" if failure.lost_response else failure.code
    return {
        "error": {
            "message": failure.message or f"HTTP {status} without a reason",
            "type": "invalid_request_error" if status < 500 else "server_error",
            "param": failure.param,
            "code": code,
        },
        EXTENSION: {"error": body},
    }
