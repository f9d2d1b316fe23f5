"""Everything besides creating: retrieve, delete, list."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from .context import Item
from .create import snapshot, stream_reply
from .journal import Recorded
from .problems import ApiError
from .resource import PREFIXES
from .store import Stored
from .wire import Reply

if TYPE_CHECKING:
    from .engine import Backend

__all__ = ["delete", "health", "input_items", "models", "retrieve"]


def retrieve(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`GET /responses/{id}`: as it stands, or with `stream=true` its events after `starting_after`."""
    stored = _find(backend, path[0])
    query = recorded.request.query
    if query.get("stream") == "true":
        after = int(query.get("starting_after", -1))
        return stream_reply(backend, recorded, stored.log[after + 1 :], [])
    return Reply.json(200, snapshot(stored))


def delete(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`DELETE /responses/{id}`."""
    _find(backend, path[0])
    backend.store.drop(path[0])
    return Reply.json(200, {"id": path[0], "object": "response", "deleted": True})


def input_items(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`GET /responses/{id}/input_items`: the input of that request alone, newest first."""
    stored = _find(backend, path[0])
    items = [_listed(stored, index, item) for index, item in enumerate(stored.input)]
    return listing(items, recorded)


def listing(items: list[Item], recorded: Recorded) -> Reply:
    """A page of items by the cursor parameters `order`, `after` and `limit`."""
    query = recorded.request.query
    if query.get("order", "desc") == "desc":
        items = items[::-1]
    ids = [item["id"] for item in items]
    start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    limit = int(query.get("limit", 20))
    page = items[start : start + limit]
    body: dict[str, Any] = {"object": "list", "data": page}
    body["first_id"] = page[0]["id"] if page else None
    body["last_id"] = page[-1]["id"] if page else None
    body["has_more"] = start + limit < len(items)
    return Reply.json(200, body)


def models(backend: Backend, _: Recorded, __: list[str]) -> Reply:
    """`GET /models`."""
    names = backend.behaviour.models or ("fake-model",)
    data = [
        {
            "id": name,
            "object": "model",
            "created": backend.clock.now,
            "owned_by": backend.behaviour.name,
        }
        for name in names
    ]
    return Reply.json(200, {"object": "list", "data": data})


def health(_: Backend, __: Recorded, ___: list[str]) -> Reply:
    """`GET /health`."""
    return Reply.json(200, {"status": "healthy"})


def _find(backend: Backend, response_id: str) -> Stored:
    stored = backend.store.responses.get(response_id)
    if stored is None:
        behaviour = backend.behaviour
        raise ApiError(
            404,
            behaviour.missing_message.format(id=response_id),
            code=behaviour.missing_code,
            type="not_found_error" if behaviour.missing_code else "invalid_request_error",
        )
    return stored


def _listed(stored: Stored, index: int, item: Item) -> Item:
    """An input item as listings show it: with an id, and its text as parts."""
    kind = item.get("type", "message")
    made_up = f"{PREFIXES.get(kind, 'item')}_{stored.id.removeprefix('resp_')[:40]}{index:08}"
    listed = {**item, "id": item.get("id") or made_up, "status": item.get("status") or "completed"}
    if kind == "message" and isinstance(item.get("content"), str):
        part = "output_text" if item.get("role") == "assistant" else "input_text"
        extra: Item = {"annotations": []} if part == "output_text" else {}
        listed["content"] = [{"type": part, "text": item["content"], **extra}]
    return listed
