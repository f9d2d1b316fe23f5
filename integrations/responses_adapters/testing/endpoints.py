"""Everything besides creating: retrieve, delete, cancel, count, compact, list."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from .checks import parse_body
from .context import Context, Item
from .create import see, stream_reply
from .events import without
from .journal import Recorded
from .limits import count_context
from .parameters import check_form
from .problems import ApiError
from .resource import PREFIXES, USAGES, shown
from .shapes import missing
from .store import Stored
from .wire import Reply

if TYPE_CHECKING:
    from .engine import Backend

__all__ = [
    "cancel", "compact", "count", "delete", "health", "input_items", "listing", "models", "retrieve",
]  # fmt: skip


def retrieve(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`GET /responses/{id}`: as it stands, or with `stream=true` its events after `starting_after`."""
    stored = _find(backend, path[0])
    if recorded.request.query.get("stream", "").lower() == "true":
        after = _whole(recorded, "starting_after", -1)
        return stream_reply(backend, recorded, stored, after=after)
    stored.poll(backend.clock)
    body = without(stored.now(), backend.behaviour.lacks)
    if backend.behaviour.renames_on_retrieve:
        body = {**body, "id": f"{body['id']}_again"}
    return Reply.json(200, body)


def delete(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`DELETE /responses/{id}`; softly where the server hides instead, unless `hard_delete=true`."""
    hard = recorded.request.query.get("hard_delete", "").lower() == "true"
    if not backend.behaviour.soft_delete or hard:
        _find(backend, path[0])
        backend.store.drop(path[0])
    elif stored := backend.store.find(path[0]):
        if not stored.ended:
            raise ApiError(
                425,
                f"Response with ID '{path[0]}' is still in progress.",
                type="too_early_error",
                code="response_in_progress",
            )
        stored.deleted = True
    return Reply.json(200, {"id": path[0], "object": "response", "deleted": True})


def restore(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`PATCH /responses/{id}?recovery_from_delete=true`: bring a hidden response back."""
    stored = backend.store.responses.get(path[0])
    if stored is not None and recorded.request.query.get("recovery_from_delete") == "true":
        stored.deleted = False
    return Reply.json(200, _find(backend, path[0]).now())


def check(backend: Backend, recorded: Recorded, _: list[str]) -> Reply:
    """`POST /check`: whether the guardrails let a text pass."""
    text = str(parse_body(recorded.body).get("input", ""))
    hits = [{"pattern": p} for p in backend.behaviour.guardrails if re.search(p, text)]
    return Reply.json(200, {"safe": not hits, "violations": hits})


def cancel(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`POST /responses/{id}/cancel`: stop a background response; a finished one is given as it is."""
    stored = _find(backend, path[0])
    if not stored.body["background"] or (stored.ended and not backend.behaviour.cancels_ended):
        raise ApiError(400, "Cannot cancel a synchronous response.")
    if not stored.ended:
        stored.cancel()
    return Reply.json(200, stored.body)


def input_items(backend: Backend, recorded: Recorded, path: list[str]) -> Reply:
    """`GET /responses/{id}/input_items`: the input of that request alone, newest first."""
    stored = _find(backend, path[0])
    items = [_listed(stored, index, item) for index, item in enumerate(stored.input)]
    return listing(items, recorded)


def count(backend: Backend, recorded: Recorded, _: list[str]) -> Reply:
    """`POST /responses/input_tokens`: what a create request would read."""
    context = _would_see(backend, parse_body(recorded.body))
    body = {"object": "response.input_tokens", "input_tokens": count_context(context)}
    return Reply.json(200, body)


def compact(backend: Backend, recorded: Recorded, _: list[str]) -> Reply:
    """`POST /responses/compact`: the user's messages, and one sealed item for all the rest."""
    body = parse_body(recorded.body)
    if not body.get("model"):
        raise missing("model")
    context = _would_see(backend, body)
    kept = [
        shown(item, item.get("id") or backend.ids.new("msg"))
        for item in context
        if item.get("role") == "user"
    ]
    seal = {
        "id": backend.ids.new("cmp"),
        "type": "compaction",
        "encrypted_content": backend.ids.new("gAAAAA", 40),
    }
    backend.store.note([seal])
    response = {
        "id": backend.ids.new("resp"),
        "object": "response.compaction",
        "created_at": backend.clock.now,
        "output": [*kept, seal],
        "usage": USAGES[backend.behaviour.usage](count_context(context), 20, 0, 0),
    }
    return Reply.json(200, response)


def models(backend: Backend, _: Recorded, __: list[str]) -> Reply:
    """`GET /models`."""
    names = backend.behaviour.models or ("fake-model",)
    return Reply.json(200, {"object": "list", "data": [_model(backend, name) for name in names]})


def model(backend: Backend, _: Recorded, path: list[str]) -> Reply:
    """`GET /models/{model}`."""
    name = "/".join(path)
    if backend.behaviour.models and name not in backend.behaviour.models:
        message = f"The model '{name}' does not exist"
        raise ApiError(404, message, param="model", code="model_not_found")
    return Reply.json(200, _model(backend, name))


def health(_: Backend, __: Recorded, ___: list[str]) -> Reply:
    """`GET /health`."""
    return Reply.json(200, {"status": "healthy"})


def tools(_: Backend, __: Recorded, ___: list[str]) -> Reply:
    """`GET /tools`: the gateway's own tools; the fake has none."""
    return Reply.json(200, {"object": "list", "data": []})


def _would_see(backend: Backend, body: dict[str, Any]) -> Context:
    check_form(body, backend.behaviour)
    return see(backend, body)


def _model(backend: Backend, name: str) -> Item:
    made = backend.clock.now
    return {"id": name, "object": "model", "created": made, "owned_by": backend.behaviour.name}


def _find(backend: Backend, response_id: str) -> Stored:
    stored = backend.store.find(response_id)
    if stored is None:
        behaviour = backend.behaviour
        raise ApiError(
            404,
            behaviour.missing_message.format(id=response_id),
            code=behaviour.missing_code,
            type="not_found_error" if behaviour.missing_code else "invalid_request_error",
        )
    return stored


def _whole(recorded: Recorded, name: str, default: int) -> int:
    """A whole number among the query parameters."""
    text = recorded.request.query.get(name)
    if text is None:
        return default
    try:
        return int(text)
    except ValueError:
        message = f"Invalid type for '{name}': expected an integer, but got '{text}' instead."
        raise ApiError(400, message, param=name, code="invalid_type") from None


def listing(items: list[Item], recorded: Recorded) -> Reply:
    """A page of items by the cursor parameters `order`, `after` and `limit`."""
    query = recorded.request.query
    if query.get("order", "desc") == "desc":
        items = items[::-1]
    ids = [item["id"] for item in items]
    start = ids.index(query["after"]) + 1 if query.get("after") in ids else 0
    limit = _whole(recorded, "limit", 20)
    if not 1 <= limit <= 100:
        raise ApiError(400, "Invalid 'limit': expected a value from 1 to 100.", param="limit")
    page = items[start : start + limit]
    body = {
        "object": "list",
        "data": page,
        "first_id": page[0]["id"] if page else None,
        "last_id": page[-1]["id"] if page else None,
        "has_more": start + limit < len(items),
    }
    return Reply.json(200, body)


def _listed(stored: Stored, index: int, item: Item) -> Item:
    prefix = PREFIXES.get(item.get("type", "message"), "item")
    made_up = f"{prefix}_{stored.id.removeprefix('resp_')[:40]}{index:08}"
    return shown(item, item.get("id") or made_up)
