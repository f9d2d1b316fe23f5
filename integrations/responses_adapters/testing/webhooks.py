"""Valar's webhooks: who is told that a response has ended; sending is left to the caller."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from .store import Stored
from .wire import Reply, Request

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["deliver"]

_TRIES = 3


def deliver(backend: Backend, post: Callable[[str, Request], int]) -> list[str]:
    """Call the webhook of every response that has ended and was not delivered.

    Args:
        backend: Whose responses.
        post: Sends a request to an address and gives the HTTP status; called up to three times each.

    Returns:
        Ids of the responses whose webhook answered 2xx.
    """
    delivered: list[str] = []
    if not backend.behaviour.webhooks:
        return delivered
    for stored in list(backend.store.responses.values()):
        address = stored.body["metadata"].get("completion_webhook", "")
        usable = urlsplit(address).scheme in {"http", "https"} and urlsplit(address).hostname
        if not usable or not stored.ended or stored.delivered:
            continue
        stored.delivered = True
        if any(200 <= post(address, _request(address, stored)) < 300 for _ in range(_TRIES)):
            delivered.append(stored.id)
    return delivered


def _request(address: str, stored: Stored) -> Request:
    """The same bytes as a `GET` of the response."""
    body = Reply.json(200, stored.now()).body
    assert isinstance(body, bytes)  # noqa: S101 - JSON replies are whole
    headers = {"content-type": "application/json"}
    token = stored.body["metadata"].get("webhook_token")
    if token:
        headers["authorization"] = f"Bearer {token}"
    return Request("POST", urlsplit(address).path or "/", {}, headers, body)
